#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/keyfile.h"
#include "meta/label.h"
#include "replica/guard.h"
#include "util/log.h"
#include "volume/awaited.h"
#include "volume/away.h"
#include "volume/blocks.h"
#include "volume/load.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/mount.h"
#include "volume/nodes.h"
#include "volume/settle.h"
#include "volume/status.h"
#include "volume/volume.h"

static int
read_key(struct mount *mount)
{
	char why[512];
	int rc;

	if (mount->options->key_file == NULL)
		return 0;
	if ((rc = keyfile_read(mount->options->key_file, mount->digest.key, why, sizeof(why))) != 0) {
		log_error("%s", why);
		return rc;
	}
	mount->have_key = true;
	return 0;
}

static int
volume_alloc(const struct mount *mount, struct volume **out)
{
	pthread_rwlockattr_t writers_first;
	pthread_mutexattr_t recursive;
	struct volume *v;
	int rc;

	if ((v = calloc(1, sizeof(*v))) == NULL)
		return -ENOMEM;
	v->digest = mount->digest;
	v->read_policy = mount->options->read_policy;
	v->min_replicas = mount->options->min_replicas > 0 ? mount->options->min_replicas : 1;
	v->timeout_ms = mount->options->timeout_ms;
	v->watch_all = mount->options->watch_all;
	v->peer = mount->peer;
	v->no_writes = mount->read_only;
	v->events = mount->options->events;
	v->euid = geteuid();
	v->egid = getegid();
	atomic_store(&v->read_only, mount->read_only);
	v->wrap = mount->options->wrap;
	v->wrap_arg = mount->options->wrap_arg;
	pthread_mutex_init(&v->roster_lock, NULL);
	pthread_mutex_init(&v->label_lock, NULL);
	pthread_mutex_init(&v->give_up_lock, NULL);
	pthread_mutex_init(&v->walk_lock, NULL);
	pthread_mutex_init(&v->nodes_lock, NULL);
	pthread_mutex_init(&v->dirs_lock, NULL);
	pthread_mutex_init(&v->dirty_lock, NULL);
	pthread_mutex_init(&v->heal_lock, NULL);
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&v->settle_lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	/* Changes of names must not wait for an endless row of look-ups; nobody takes this lock twice. */
	pthread_rwlockattr_init(&writers_first);
	pthread_rwlockattr_setkind_np(&writers_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&v->tree, &writers_first);
	pthread_rwlockattr_destroy(&writers_first);
	pthread_mutex_init(&v->missed_lock, NULL);
	pthread_mutex_init(&v->hold_lock, NULL);
	pthread_cond_init(&v->hold_ended, NULL);
	pthread_cond_init(&v->keeper_wake, NULL);
	pthread_cond_init(&v->flusher_wake, NULL);
	list_init(&v->all);
	list_init(&v->missed);
	atomic_store(&v->epoch, 1);
	pthread_mutex_init(&v->absent_lock, NULL);
	pthread_mutex_init(&v->status_lock, NULL);
	list_init(&v->dirs);
	list_init(&v->dirty);
	list_init(&v->patrol);
	list_init(&v->files);
	*out = v;
	if ((rc = hashmap_init(&v->by_id)) != 0 || (rc = hashmap_init(&v->by_name)) != 0 || (rc = hashmap_init(&v->remade)) != 0 ||
	    (rc = hashmap_init(&v->lost)) != 0)
		return rc;
	return intent_new(&v->digest, &v->intent);
}

/* The candidate becomes a member. */
static int
member_add(struct volume *v, struct candidate *c, bool no_writes)
{
	struct member *m = &v->members[v->member_count];
	const struct label_member *entry;
	int rc;

	m->volume = v;
	m->index = v->member_count;
	m->meta = m->tags = REPLICA_NONE;
	m->label = c->label;
	m->uuid = c->label.replica;
	v->uuid = c->label.volume;
	if ((entry = label_member(&m->label, &m->uuid)) != NULL)
		memcpy(m->name, entry->name, sizeof(m->name));
	m->r = c->r;
	c->r = NULL;
	atomic_store(&m->linked_since, (int64_t)time(NULL));
	v->member_count++;
	if (c->behind) {
		missed_away(v, m);
		m->lack.everything = c->rolled_back;
		atomic_store(&m->state, MEMBER_BACK);
	}
	if ((rc = away_open(m, no_writes)) != 0)
		log_error("%s/.mendfs: %s; run fsck.mendfs", m->r->path, strerror(-rc));
	return rc;
}

static bool
is_member(const struct volume *v, const struct uuid *uuid)
{
	const struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (uuid_equal(&m->uuid, uuid))
			return true;
	}
	return false;
}

/* Those that are not here miss what happens, which is to be kept for them. */
static void
members_add_missing(struct volume *v)
{
	const struct label_member *entry;
	struct member *first, *m;
	unsigned i;

	for_each_member(v, first)
		break;
	if (first == v->members + v->member_count)
		return;
	for (i = 0; i < first->label.member_count && v->member_count < VOLUME_REPLICAS_MAX; i++) {
		entry = &first->label.members[i];
		if (is_member(v, &entry->uuid))
			continue;
		m = &v->members[v->member_count];
		m->volume = v;
		m->index = v->member_count;
		m->meta = m->tags = REPLICA_NONE;
		m->uuid = entry->uuid;
		memcpy(m->name, entry->name, sizeof(m->name));
		atomic_store(&m->state, MEMBER_AWAY);
		v->member_count++;
		missed_away(v, m);
	}
}

/* What the last stop left: is anything torn, and which ids are free? */
static int
load_intent(struct volume *v)
{
	struct member *m;
	uint64_t next = 0;
	int rc;

	for_each_member(v, m) {
		v->was_unclean = v->was_unclean || !m->label.clean;
		if (m->label.next_id > next)
			next = m->label.next_id;
	}
	if (v->was_unclean) {
		for_each_member(v, m) {
			if ((rc = intent_load(v->intent, m->r)) < 0) {
				log_error("%s: cannot read the intent bitmap: %s", m->r->path, strerror(-rc));
				return rc;
			}
			if (rc > 0)
				log_warning("%s: the intent bitmap is damaged: more files than needed are checked", m->r->path);
		}
		if ((uint64_t)(intent_highest(v->intent) + 1) * INTENT_REGION > next)
			next = (uint64_t)(intent_highest(v->intent) + 1) * INTENT_REGION;
	} else {
		intent_settle_all(v->intent);
	}
	v->first_id = next;
	atomic_store(&v->next_id, next);
	return 0;
}

static int
setup(struct mount *mount, struct volume *v)
{
	struct member *m;
	unsigned i;
	int rc;

	for (i = 0; i < mount->count; i++) {
		if (!mount->candidates[i].skipped && (rc = member_add(v, &mount->candidates[i], mount->read_only)) != 0)
			return rc;
	}
	if (members_in_sync(v) < v->min_replicas) {
		log_error("%u replicas are there, min-replicas=%u are wanted; add the missing ones, or lower min-replicas",
		    members_in_sync(v), v->min_replicas);
		return -ENODEV;
	}
	if ((rc = load_intent(v)) != 0)
		return rc;
	members_add_missing(v);
	if ((rc = awaited_note(v, mount)) != 0)
		return rc;
	for (m = v->members; m < v->members + v->member_count; m++) {
		if (!member_in_sync(m))
			missed_load(v, m);
	}
	/* From here on the volume counts as mounted: the event first, then its effects. */
	if (!mount->read_only && (rc = members_event(v, false)) != 0) {
		log_error("no label can be written: %s", strerror(-rc));
		return rc;
	}
	if ((rc = load_root(v)) != 0) {
		log_error("the top directory cannot be proved on any replica: %s; run fsck.mendfs", strerror(-rc));
		if (!mount->read_only)
			members_event(v, !v->was_unclean);
		return rc;
	}
	v->opened = true;
	return 0;
}

int
volume_open(const struct volume_options *options, struct volume **out)
{
	struct mount *mount;
	struct volume *v = NULL;
	int rc;

	if (sodium_init() < 0)
		return -EIO;
	if ((mount = calloc(1, sizeof(*mount))) == NULL)
		return -ENOMEM;
	mount->options = options;
	if (options->replica_count < 1 || options->replica_count > VOLUME_REPLICAS_MAX) {
		log_error("%u replicas: 1 to %d can be mounted", options->replica_count, VOLUME_REPLICAS_MAX);
		rc = -EINVAL;
	} else if ((rc = read_key(mount)) == 0 && (rc = mount_examine(mount)) == 0 && (rc = mount_judge(mount)) == 0 &&
	    (!mount->forming || (rc = mount_form(mount)) == 0) && (rc = volume_alloc(mount, &v)) == 0) {
		rc = setup(mount, v);
	}
	mount_done(mount);
	sodium_memzero(&mount->digest, sizeof(mount->digest));
	free(mount);
	if (rc != 0)
		mount_release(v);
	else
		*out = v;
	return rc;
}

int
mount_release(struct volume *v)
{
	struct member *m;
	int rc = 0;

	if (v == NULL)
		return 0;
	settle_forget(v);
	awaited_free(v);
	for (m = v->members; m < v->members + v->member_count; m++) {
		lane_free(m->lane);
		guard_open_cancel(m->opening);
		if (m->tags != REPLICA_NONE)
			m->r->ops->dir_close(m->r, m->tags);
		if (m->meta != REPLICA_NONE)
			m->r->ops->dir_close(m->r, m->meta);
		if (m->r != NULL)
			m->r->ops->free(m->r);
		while (m->retired_count > 0) {
			m->retired_count--;
			m->retired[m->retired_count]->ops->free(m->retired[m->retired_count]);
		}
		free(m->retired);
	}
	missed_free(v);
	intent_free(v->intent);
	hashmap_free(&v->by_id);
	hashmap_free(&v->by_name);
	hashmap_free(&v->remade);
	blocks_forget(v);
	status_release(v);
	sodium_memzero(&v->digest, sizeof(v->digest));
	free(v);
	return rc;
}
