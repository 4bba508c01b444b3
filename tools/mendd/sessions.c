#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lend/quota.h"
#include "lend/session.h"
#include "link/key.h"
#include "mendd/sessions.h"
#include "mendd/strangers.h"
#include "replica/dir.h"
#include "util/list.h"
#include "util/log.h"

#define STACK_SIZE (256 * 1024)	/* bytes; only what is touched takes room */
#define GIVE_WAY_MS 8000	/* for those that have to end before a lease is given; the client asks again */
#define MEASURE_RETRY_S 2	/* an older process may still serve the export */
#define PEER_SIZE (KEY_TEXT_SIZE + STRANGERS_FROM_SIZE + LINK_EXPORT_MAX + 32)

/* An export with a limit of its size. */
struct limit {
	struct sessions *sessions;
	const struct conf_export *export;
	struct quota *quota;
	bool measured;		/* under the mutex */
	pthread_t thread;
	bool started;
};

struct entry {
	struct list_link link_all;
	struct sessions *sessions;
	struct link *link;
	struct session *session;	/* NULL before it is made and after it has ended */
	const struct conf_export *export;
	uint8_t key[LINK_KEY_SIZE];
	bool may_write;			/* by its right */
	bool leaving;			/* it was told to end */
	char peer[PEER_SIZE];
};

struct sessions {
	const struct conf *conf;
	int wake_fd;
	pthread_mutex_t mutex;		/* guards all below, and the entries */
	pthread_cond_t changed;		/* an entry has gone, or it is over */
	struct list_link all;		/* the oldest first */
	unsigned count;
	bool over;
	struct limit *limits;		/* as many as exports */
};

/* ---- how large exports are */

static int
measure(struct limit *limit)
{
	struct replica *r;
	int rc;

	if ((rc = dir_replica_open(limit->export->directory, true, &r)) != 0)
		return rc;
	/* Nobody may change anything meanwhile: not even who was served before a reload. */
	if ((rc = r->ops->lock(r, false)) == 0)
		rc = quota_measure(limit->quota, r);
	r->ops->free(r);
	return rc;
}

static void *
measure_until_done(void *arg)
{
	struct limit *limit = arg;
	struct sessions *sessions = limit->sessions;
	struct timespec until;
	bool told = false, over;
	int rc;

	for (;;) {
		rc = measure(limit);
		pthread_mutex_lock(&sessions->mutex);
		limit->measured = rc == 0;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += MEASURE_RETRY_S;
		if (rc != 0 && !sessions->over)
			pthread_cond_timedwait(&sessions->changed, &sessions->mutex, &until);
		over = sessions->over;
		pthread_mutex_unlock(&sessions->mutex);
		if (rc == 0 || over)
			break;
		if (rc != -EWOULDBLOCK && !told) {
			told = true;
			log_error("export %s: %s cannot be measured: %s; nobody is let in until it can", limit->export->name,
			    limit->export->directory, strerror(-rc));
		}
	}
	if (rc == 0)
		log_info("export %s: %llu of %llu bytes are used", limit->export->name,
		    (unsigned long long)quota_used(limit->quota), (unsigned long long)limit->export->size_max);
	return NULL;
}

static int
start_thread(pthread_t *thread, bool detached, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (detached)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return -rc;
}

static int
start_limits(struct sessions *sessions)
{
	struct limit *limit;
	unsigned i;
	int rc = 0;

	if ((sessions->limits = calloc(sessions->conf->export_count, sizeof(*sessions->limits))) == NULL)
		return -ENOMEM;
	for (i = 0; i < sessions->conf->export_count && rc == 0; i++) {
		limit = &sessions->limits[i];
		limit->sessions = sessions;
		limit->export = &sessions->conf->exports[i];
		if (limit->export->size_max == 0) {
			limit->measured = true;
			continue;
		}
		if ((rc = quota_new(limit->export->size_max, &limit->quota)) != 0)
			break;
		rc = start_thread(&limit->thread, false, measure_until_done, limit);
		limit->started = rc == 0;
	}
	return rc;
}

/* ---- all of them */

int
sessions_new(const struct conf *conf, int wake_fd, struct sessions **out)
{
	struct sessions *sessions;
	pthread_condattr_t attr;
	int rc;

	if ((sessions = calloc(1, sizeof(*sessions))) == NULL)
		return -ENOMEM;
	sessions->conf = conf;
	sessions->wake_fd = wake_fd;
	list_init(&sessions->all);
	pthread_mutex_init(&sessions->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&sessions->changed, &attr);
	pthread_condattr_destroy(&attr);
	if ((rc = start_limits(sessions)) != 0) {
		sessions_free(sessions);
		return rc;
	}
	*out = sessions;
	return 0;
}

/* The mutex is held.  What the session is doing it ends first. */
static void
tell_to_end(struct entry *entry)
{
	entry->leaving = true;
	if (entry->session != NULL)
		session_end(entry->session);
	else
		link_shutdown(entry->link);
}

void
sessions_free(struct sessions *sessions)
{
	struct list_link *at;
	unsigned i;

	if (sessions == NULL)
		return;
	pthread_mutex_lock(&sessions->mutex);
	sessions->over = true;
	for (at = sessions->all.next; at != &sessions->all; at = at->next)
		tell_to_end(list_entry(at, struct entry, link_all));
	pthread_cond_broadcast(&sessions->changed);
	while (sessions->count > 0)
		pthread_cond_wait(&sessions->changed, &sessions->mutex);
	pthread_mutex_unlock(&sessions->mutex);
	for (i = 0; sessions->limits != NULL && i < sessions->conf->export_count; i++) {
		if (sessions->limits[i].started)
			pthread_join(sessions->limits[i].thread, NULL);
		quota_free(sessions->limits[i].quota);
	}
	free(sessions->limits);
	pthread_cond_destroy(&sessions->changed);
	pthread_mutex_destroy(&sessions->mutex);
	free(sessions);
}

void
sessions_revise(struct sessions *sessions, const struct conf *now)
{
	struct list_link *at;
	struct entry *entry;

	pthread_mutex_lock(&sessions->mutex);
	for (at = sessions->all.next; at != &sessions->all; at = at->next) {
		entry = list_entry(at, struct entry, link_all);
		if (entry->leaving || conf_allows(now, entry->export, entry->key, entry->may_write))
			continue;
		log_info("%s: not as the new configuration has it; ended", entry->peer);
		tell_to_end(entry);
	}
	pthread_mutex_unlock(&sessions->mutex);
}

unsigned
sessions_count(struct sessions *sessions)
{
	unsigned count;

	pthread_mutex_lock(&sessions->mutex);
	count = sessions->count;
	pthread_mutex_unlock(&sessions->mutex);
	return count;
}

/* ---- who is let in */

/* Has its client sent anything that no recording could hold?  The mutex is held. */
static bool
is_proven(struct entry *entry)
{
	uint8_t instance[PROTO_INSTANCE_SIZE];

	return entry->session != NULL && session_instance(entry->session, instance);
}

/* The mutex is held; ${*oldest} of those that have proved nothing, or NULL. */
static unsigned
count_proven(struct sessions *sessions, struct entry **oldest)
{
	struct list_link *at;
	struct entry *entry;
	unsigned proven = 0;

	*oldest = NULL;
	for (at = sessions->all.next; at != &sessions->all; at = at->next) {
		entry = list_entry(at, struct entry, link_all);
		if (is_proven(entry))
			proven++;
		else if (*oldest == NULL && !entry->leaving)
			*oldest = entry;
	}
	return proven;
}

static enum link_status
judge(struct sessions *sessions, const uint8_t *key, const struct link_request *request)
{
	const struct conf_export *export = conf_find(sessions->conf, request->export);
	const enum conf_right right = export == NULL ? CONF_NONE : conf_right(export, key);
	struct entry *oldest;
	bool full, measured;

	if (right == CONF_NONE)
		return LINK_NO_EXPORT;
	if (right == CONF_READ_ONLY && !request->read_only)
		return LINK_NO_RIGHT;
	pthread_mutex_lock(&sessions->mutex);
	full = count_proven(sessions, &oldest) >= sessions->conf->sessions_max;
	measured = sessions->limits[export - sessions->conf->exports].measured;
	pthread_mutex_unlock(&sessions->mutex);
	return full ? LINK_BUSY : measured ? LINK_OK : LINK_UNAVAILABLE;
}

bool
sessions_judge(struct sessions *sessions, const uint8_t *key, const struct link_request *request, struct link_answer *answer)
{
	char text[KEY_TEXT_SIZE];

	if (!conf_knows(sessions->conf, key))
		return false;
	memset(answer, 0, sizeof(*answer));
	answer->status = judge(sessions, key, request);
	answer->read_only = request->read_only;
	answer->request_max = SESSION_REQUESTS;
	answer->handle_max = SESSION_HANDLES;
	answer->byte_max = SESSION_BYTES;
	if (answer->status == LINK_NO_EXPORT || answer->status == LINK_NO_RIGHT) {
		key_to_text(key, text);
		log_warning("%s asks for export %s%s, and no line of the configuration lets it", text, request->export,
		    request->read_only ? "" : ", for writing");
	}
	return true;
}

/* ---- one */

/*
 * Those that stand in the way of ${self}, which may write: what its own mount has
 * left behind, and readers, who could otherwise keep a writer away.
 */
static bool
is_in_the_way(struct entry *other, struct entry *self)
{
	uint8_t theirs[PROTO_INSTANCE_SIZE], ours[PROTO_INSTANCE_SIZE];

	if (other == self || other->export != self->export || other->session == NULL)
		return false;
	if (self->may_write && !other->may_write)
		return true;
	return key_equal(other->key, self->key) && session_instance(other->session, theirs) &&
	    session_instance(self->session, ours) && memcmp(theirs, ours, sizeof(ours)) == 0;
}

/* The mutex is held.  How many are in the way; each is told to end. */
static unsigned
clear_the_way(struct entry *self)
{
	struct list_link *at;
	struct entry *other;
	unsigned count = 0;

	for (at = self->sessions->all.next; at != &self->sessions->all; at = at->next) {
		other = list_entry(at, struct entry, link_all);
		if (!is_in_the_way(other, self))
			continue;
		count++;
		if (!other->leaving) {
			log_info("%s: gives way to %s", other->peer, self->peer);
			tell_to_end(other);
		}
	}
	return count;
}

static int
give_way(void *arg, struct session *session)
{
	struct entry *self = arg;
	struct sessions *sessions = self->sessions;
	struct timespec until;
	unsigned left;
	int rc = 0;

	(void)session;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += GIVE_WAY_MS / 1000;
	pthread_mutex_lock(&sessions->mutex);
	if ((left = clear_the_way(self)) == 0)
		rc = -EWOULDBLOCK;
	while (left > 0 && rc == 0 && !self->leaving) {
		rc = -pthread_cond_timedwait(&sessions->changed, &sessions->mutex, &until);
		left = clear_the_way(self);
	}
	pthread_mutex_unlock(&sessions->mutex);
	return left == 0 ? rc : -EWOULDBLOCK;
}

/* From now on others may end it, by the session; false: it was told to already. */
static bool
show_session(struct entry *entry, struct session *session)
{
	bool goes_on;

	pthread_mutex_lock(&entry->sessions->mutex);
	entry->session = session;
	goes_on = !entry->leaving;
	pthread_mutex_unlock(&entry->sessions->mutex);
	return goes_on;
}

static int
serve_entry(struct entry *entry)
{
	const struct conf *conf = entry->sessions->conf;
	struct session_options options = {
		.peer = entry->peer,
		.read_only = !entry->may_write,
		.quota = entry->sessions->limits[entry->export - conf->exports].quota,
		.give_way = give_way,
		.arg = entry,
	};
	struct session *session = NULL;
	struct replica *replica = NULL;
	int rc;

	if ((rc = dir_replica_open(entry->export->directory, !entry->may_write, &replica)) != 0) {
		log_error("%s: %s: %s%s", entry->peer, entry->export->directory, strerror(-rc),
		    rc == -EACCES ? "; mounted or made after mendd was started? Then have it reload its configuration" : "");
		return rc;
	}
	if ((rc = session_new(entry->link, replica, &options, &session)) == 0) {
		if (show_session(entry, session)) {
			log_debug("%s: connected", entry->peer);
			rc = session_run(session);
		}
		(void)show_session(entry, NULL);
	}
	session_free(session);
	replica->ops->free(replica);
	return rc;
}

static void
remove_entry(struct entry *entry)
{
	struct sessions *sessions = entry->sessions;
	const uint64_t one = 1;

	pthread_mutex_lock(&sessions->mutex);
	list_remove(&entry->link_all);
	sessions->count--;
	/* Under the mutex: once it is let go, and it was the last one, the struct may be gone. */
	(void)!write(sessions->wake_fd, &one, sizeof(one));
	pthread_cond_broadcast(&sessions->changed);
	pthread_mutex_unlock(&sessions->mutex);
	free(entry);
}

static void *
run_entry(void *arg)
{
	struct entry *entry = arg;
	int rc;

	if ((rc = serve_entry(entry)) != 0)
		log_debug("%s: %s", entry->peer, strerror(-rc));
	log_debug("%s: disconnected", entry->peer);
	link_free(entry->link);
	remove_entry(entry);
	return NULL;
}

/* The mutex is not held.  A place for one more that has proved nothing. */
static void
make_room(struct sessions *sessions)
{
	struct entry *oldest;

	pthread_mutex_lock(&sessions->mutex);
	if (sessions->count - count_proven(sessions, &oldest) >= SESSIONS_UNPROVEN && oldest != NULL)
		tell_to_end(oldest);
	pthread_mutex_unlock(&sessions->mutex);
}

void
sessions_start(struct sessions *sessions, struct link *link, const struct link_request *request, const char *from)
{
	struct entry *entry;
	char text[KEY_TEXT_SIZE];
	pthread_t thread;
	int rc;

	make_room(sessions);
	if ((entry = calloc(1, sizeof(*entry))) == NULL) {
		log_error("%s: out of memory", from);
		link_free(link);
		return;
	}
	entry->sessions = sessions;
	entry->link = link;
	entry->export = conf_find(sessions->conf, request->export);
	memcpy(entry->key, link_peer_key(link), sizeof(entry->key));
	entry->may_write = !request->read_only;
	key_to_text(entry->key, text);
	(void)snprintf(entry->peer, sizeof(entry->peer), "export %s: %s at %s", entry->export->name, text, from);

	pthread_mutex_lock(&sessions->mutex);
	list_append(&sessions->all, &entry->link_all);
	sessions->count++;
	pthread_mutex_unlock(&sessions->mutex);
	if ((rc = start_thread(&thread, true, run_entry, entry)) != 0) {
		log_error("%s: no thread for it: %s", entry->peer, strerror(-rc));
		link_free(link);
		remove_entry(entry);
	}
}
