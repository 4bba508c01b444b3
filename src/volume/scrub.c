/* The scrub of a volume: in a thread of its own, with a resume point on the members. */

#include "volume/scrub.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "meta/meta.h"
#include "util/clock.h"
#include "util/log.h"
#include "volume/events.h"
#include "volume/members.h"
#include "volume/state.h"

#define STATE_FILE "scrub"

struct scrub {
	struct volume *volume;
	pthread_mutex_t mutex;		/* all below */
	struct scrub_state state;
	char *current;			/* what is looked at, or NULL */
	uint64_t deadline_ms;		/* 0: none */
	pthread_t thread;
	bool joinable;			/* the thread was started, and nobody has waited for it */
	bool forget;			/* it is stopped, not paused */
	int error;			/* why it could not go on, or 0 */
	_Atomic bool stop;
};

/* ---- the resume point */

/* The newest that any member has; one that is spoiled is as good as none. */
static void
state_load(struct volume *v, struct scrub_state *state)
{
	char text[SCRUBSTATE_SIZE_MAX];
	struct scrub_state one;
	struct member *m;
	ssize_t len;
	int rc;

	memset(state, 0, sizeof(*state));
	for_each_member(v, m) {
		if (m->meta == REPLICA_NONE || (len = meta_read_file(m->r, m->meta, STATE_FILE, text, sizeof(text))) == -ENOENT)
			continue;
		if ((rc = len < 0 ? (int)len : scrubstate_decode(text, (size_t)len, &one)) != 0)
			log_warning("replica %s: .mendfs/" STATE_FILE " is %s: without another replica's, where a scrub was is not known, "
			    "and the next one begins anew", m->r->path,
			    rc == -EBADMSG ? "spoiled" : rc == -EPROTO ? "of a later version" : strerror(-rc));
		else if (one.saved > state->saved)
			*state = one;
	}
}

/* Mutex. */
static void
state_save(struct scrub *s)
{
	char text[SCRUBSTATE_SIZE_MAX];
	struct member *m;
	int len;

	if (s->volume->no_writes)
		return;
	s->state.saved++;
	if ((len = scrubstate_encode(&s->state, text, sizeof(text))) < 0) {
		log_warning("where the scrub is cannot be noted: %s", strerror(-len));
		return;
	}
	for_each_member(s->volume, m)
		members_settle(s->volume, m, meta_replace_file(m->r, m->meta, STATE_FILE, text, (size_t)len), "noting where the scrub is");
}

/* ---- the thread */

static void
on_finding(void *arg, const struct scrub_finding *finding)
{
	(void)arg;
	/* What is mended, and what is lost, is logged where that happens. */
	if (!finding->mended)
		log_debug("scrub: finding %d in /%s is left", (int)finding->code, finding->path);
}

static bool
on_stop(void *arg)
{
	struct scrub *s = arg;

	return atomic_load(&s->stop) || (s->deadline_ms != 0 && clock_monotonic_ms() >= s->deadline_ms);
}

static void
on_step(void *arg, const struct scrub_totals *totals, const char *path, const struct scrub_position *at)
{
	char *current = strdup(path);
	struct scrub *s = arg;

	pthread_mutex_lock(&s->mutex);
	free(s->current);
	s->current = current;
	s->state.run.totals = *totals;
	if (at != NULL) {
		s->state.at = *at;
		state_save(s);
	}
	pthread_mutex_unlock(&s->mutex);
}

static void
tell_end(const struct scrub *s, int rc, const struct scrub_totals *t)
{
	const char *what = rc == 0 ? "is through" : rc != -ECANCELED ? "could not go on" : s->forget ? "was stopped" : "is paused";

	char sums[160];

	snprintf(sums, sizeof(sums), "%" PRIu64 " files, %" PRIu64 " bytes proved on all replicas together, %" PRIu64 " bad, %" PRIu64
	    " mended, %" PRIu64 " not mendable", t->files, t->bytes, t->bad, t->mended, t->left);
	if (rc == 0)
		events_emit(s->volume, &(struct event){ .kind = EVENT_SCRUB_DONE, .detail = sums });
	log_info("the scrub %s: %s%s%s", what, sums, rc == 0 || rc == -ECANCELED ? "" : ": ", rc == 0 || rc == -ECANCELED ? "" :
	    rc == -EAGAIN ? "what an unclean stop left is not all reconciled, unmount and run fsck.mendfs" : strerror(-rc));
}

/* Mutex. */
static void
ended(struct scrub *s, int rc, const struct scrub_totals *totals, const struct scrub_position *at)
{
	bool nowhere;

	s->state.run.totals = *totals;
	s->state.at = *at;
	tell_end(s, rc, totals);
	s->error = rc == -ECANCELED ? 0 : rc;
	if (rc == 0) {
		s->state.run.finished = time(NULL);
		s->state.last = s->state.run;
	}
	/* What it was to go through is not there: nothing to be resumed. */
	nowhere = rc == -ENOENT || rc == -ENOTDIR || rc == -EINVAL || rc == -ENAMETOOLONG;
	s->state.doing = rc == 0 || nowhere || s->forget ? SCRUB_NONE : SCRUB_PAUSED;
	if (s->state.doing == SCRUB_NONE) {
		memset(&s->state.run, 0, sizeof(s->state.run));
		memset(&s->state.at, 0, sizeof(s->state.at));
	}
	state_save(s);
	free(s->current);
	s->current = NULL;
}

static void *
scrub_thread(void *arg)
{
	struct scrub *s = arg;
	struct scrub_position from, at;
	struct scrub_options options;
	struct scrub_totals totals;
	char path[PATH_MAX];
	int rc;

	pthread_mutex_lock(&s->mutex);
	from = s->state.at;
	totals = s->state.run.totals;
	memcpy(path, s->state.path, sizeof(path));
	options = (struct scrub_options){ .path = path, .mend = true, .rate = s->state.rate,
	    .sample = (unsigned)s->state.sample, .seed = s->state.seed, .from = &from,
	    .finding = on_finding, .stop = on_stop, .step = on_step, .arg = s };
	pthread_mutex_unlock(&s->mutex);
	rc = scrub_run(s->volume, &options, &totals, &at);
	pthread_mutex_lock(&s->mutex);
	ended(s, rc, &totals, &at);
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

/* ---- what it is told */

/* Wait for a thread that has ended, or is about to.  Without the mutex; one caller at a time (the volume's scrub lock). */
static void
join(struct scrub *s)
{
	if (s->joinable)
		pthread_join(s->thread, NULL);
	s->joinable = false;
}

/* Mutex. */
static int
go(struct scrub *s, const struct scrub_request *request)
{
	int rc;

	s->state.rate = request->rate;
	s->deadline_ms = request->time_ms == 0 ? 0 : clock_monotonic_ms() + request->time_ms;
	s->forget = false;
	s->error = 0;
	atomic_store(&s->stop, false);
	s->state.doing = SCRUB_RUNNING;
	if ((rc = -pthread_create(&s->thread, NULL, scrub_thread, s)) != 0)
		s->state.doing = SCRUB_PAUSED;
	s->joinable = rc == 0;
	return rc;
}

int
scrub_start(struct volume *v, const struct scrub_request *request)
{
	struct scrub *s = v->scrub;
	int rc = 0;

	pthread_mutex_lock(&v->scrub_lock);
	pthread_mutex_lock(&s->mutex);
	if (v->no_writes) {
		rc = -EROFS;
	} else if (s->state.doing == SCRUB_RUNNING) {
		rc = -EALREADY;
	} else if (s->state.doing == SCRUB_PAUSED && strcmp(s->state.path, request->path) != 0) {
		rc = -EBUSY;
	} else if (strlen(request->path) >= sizeof(s->state.path)) {
		rc = -ENAMETOOLONG;
	} else {
		/* Its last thread has ended: it said so under the mutex. */
		join(s);
		if (s->state.doing == SCRUB_NONE) {
			memset(&s->state.run, 0, sizeof(s->state.run));
			memset(&s->state.at, 0, sizeof(s->state.at));
			memcpy(s->state.path, request->path, strlen(request->path) + 1);
			s->state.run.started = time(NULL);
			s->state.seed = (uint64_t)s->state.run.started;
			s->state.sample = request->sample;
		}
		rc = go(s, request);
	}
	pthread_mutex_unlock(&s->mutex);
	pthread_mutex_unlock(&v->scrub_lock);
	return rc;
}

int
scrub_resume(struct volume *v, const struct scrub_request *request)
{
	struct scrub *s = v->scrub;
	int rc;

	pthread_mutex_lock(&v->scrub_lock);
	pthread_mutex_lock(&s->mutex);
	if (v->no_writes)
		rc = -EROFS;
	else if (s->state.doing != SCRUB_PAUSED)
		rc = s->state.doing == SCRUB_RUNNING ? -EALREADY : -ENOENT;
	else {
		join(s);
		rc = go(s, request);
	}
	pthread_mutex_unlock(&s->mutex);
	pthread_mutex_unlock(&v->scrub_lock);
	return rc;
}

/* End the thread, if it runs; scrub lock.  Returns whether it ran. */
static bool
halt(struct scrub *s, bool forget)
{
	bool runs;

	pthread_mutex_lock(&s->mutex);
	runs = s->state.doing == SCRUB_RUNNING;
	s->forget = forget;
	atomic_store(&s->stop, true);
	pthread_mutex_unlock(&s->mutex);
	join(s);
	return runs;
}

int
scrub_pause(struct volume *v)
{
	bool ran;

	pthread_mutex_lock(&v->scrub_lock);
	ran = halt(v->scrub, false);
	pthread_mutex_unlock(&v->scrub_lock);
	return ran ? 0 : -ENOENT;
}

int
scrub_stop(struct volume *v)
{
	struct scrub *s = v->scrub;
	bool any;

	pthread_mutex_lock(&v->scrub_lock);
	any = halt(s, true);
	pthread_mutex_lock(&s->mutex);
	if (s->state.doing == SCRUB_PAUSED) {
		any = true;
		s->state.doing = SCRUB_NONE;
		state_save(s);
	}
	pthread_mutex_unlock(&s->mutex);
	pthread_mutex_unlock(&v->scrub_lock);
	return any ? 0 : -ENOENT;
}

int
scrub_status(struct volume *v, struct scrub_state *state)
{
	struct scrub *s = v->scrub;
	int rc;

	pthread_mutex_lock(&s->mutex);
	rc = s->error;
	*state = s->state;
	if (s->current != NULL) {
		strncpy(state->at.path, s->current, sizeof(state->at.path) - 1);
		state->at.path[sizeof(state->at.path) - 1] = '\0';
	}
	pthread_mutex_unlock(&s->mutex);
	return rc;
}

int
scrub_new(struct volume *v)
{
	struct scrub *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -ENOMEM;
	s->volume = v;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_mutex_init(&v->scrub_lock, NULL);
	state_load(v, &s->state);
	/* The daemon that it ran in was killed. */
	if (s->state.doing == SCRUB_RUNNING)
		s->state.doing = SCRUB_PAUSED;
	v->scrub = s;
	return 0;
}

void
scrub_free(struct volume *v)
{
	struct scrub *s = v->scrub;

	if (s == NULL)
		return;
	(void)scrub_pause(v);
	pthread_mutex_destroy(&v->scrub_lock);
	pthread_mutex_destroy(&s->mutex);
	free(s->current);
	free(s);
	v->scrub = NULL;
}
