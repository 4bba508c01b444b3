#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replica/guard.h"
#include "util/log.h"
#include "util/stall.h"
#include "volume/away.h"
#include "volume/events.h"
#include "volume/files.h"
#include "volume/members.h"
#include "volume/missed.h"
#include "volume/mount.h"
#include "volume/nodes.h"
#include "volume/patrol.h"
#include "volume/resync.h"
#include "volume/scrub.h"
#include "volume/status.h"
#include "volume/store.h"
#include "volume/volume.h"
#include "volume/walk.h"

const struct uuid *
volume_uuid(const struct volume *v)
{
	return &v->uuid;
}

bool
volume_read_only(const struct volume *v)
{
	return atomic_load(&v->read_only);
}

bool
volume_lags(const struct volume *v)
{
	return v->peer.ack_fsync && !v->no_writes;
}

struct node *
volume_root(struct volume *v)
{
	return v->root;
}

/* Who mounted degraded may have been a script: somebody should hear of it. */
static void
tell_missing(struct volume *v)
{
	const struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (m->r == NULL)
			events_emit(v, &(struct event){ .kind = EVENT_REPLICA_LOST, .replica = m->name, .detail = "is not named at this mount" });
	}
}

int
volume_start(struct volume *v)
{
	char name[16];
	struct member *m;
	int rc;

	files_limit(v);
	if ((rc = status_start(v)) != 0)
		return rc;
	tell_missing(v);
	for (m = v->members; m < v->members + v->member_count; m++) {
		snprintf(name, sizeof(name), "replica %u", m->index);
		if (m->r != NULL && ((rc = lane_new(name, &m->lane)) != 0 || (rc = members_guard(v, m, &m->r)) != 0))
			return rc;
	}
	if ((rc = pthread_create(&v->flusher, NULL, store_flusher, v)) != 0)
		return -rc;
	v->flusher_runs = true;
	if ((rc = scrub_new(v)) != 0)
		return rc;
	if (v->was_unclean && !volume_read_only(v) && (rc = walk_start(v)) != 0)
		return rc;
	if (!v->no_writes && ((rc = away_start(v)) != 0 || (rc = resync_start(v)) != 0))
		return rc;
	return 0;
}

/* Of several file systems the smallest says how much there is room for. */
static void
statfs_min(struct statvfs *st, const struct statvfs *one)
{
	unsigned long unit = st->f_frsize;
	uint64_t scale = one->f_frsize;

#define SMALLER(member) \
	do { \
		uint64_t value = (uint64_t)one->member * scale / unit; \
		if (value < st->member) \
			st->member = value; \
	} while (0)
	SMALLER(f_blocks);
	SMALLER(f_bfree);
	SMALLER(f_bavail);
#undef SMALLER
	if (one->f_files < st->f_files)
		st->f_files = one->f_files;
	if (one->f_ffree < st->f_ffree)
		st->f_ffree = one->f_ffree;
	if (one->f_favail < st->f_favail)
		st->f_favail = one->f_favail;
	if (one->f_namemax < st->f_namemax)
		st->f_namemax = one->f_namemax;
}

int
volume_statfs(struct volume *v, struct statvfs *st)
{
	struct statvfs one;
	struct member *m;
	bool first = true;
	int rc;

	for_each_member(v, m) {
		rc = members_settle(v, m, m->r->ops->statfs(m->r, &one), "statfs");
		if (rc < 0)
			return rc;
		if (rc > 0 || !member_in_sync(m))
			continue;
		if (first)
			*st = one;
		else
			statfs_min(st, &one);
		first = false;
	}
	if (first)
		return -EIO;
	st->f_bsize = BLOCK;
	return 0;
}

struct sync_job { struct lane_job job; struct member *m; int rc; };

static void
sync_run(struct lane_job *job)
{
	struct sync_job *s = (struct sync_job *)(void *)job;

	s->rc = s->m->r->ops->sync(s->m->r);
}

int
volume_sync(struct volume *v)
{
	struct sync_job jobs[VOLUME_REPLICAS_MAX];
	struct lane_batch batch;
	struct member *m;
	uint32_t epoch = missed_sync_begins(v);
	bool all = true;
	unsigned count = 0, i;
	int rc, one;

	rc = store_all(v);
	stall_ahead();
	lane_batch_init(&batch);
	for_each_member(v, m) {
		jobs[count] = (struct sync_job){ .job.run = sync_run, .m = m };
		if (m->lane != NULL)
			lane_submit(m->lane, &jobs[count].job, &batch);
		else
			sync_run(&jobs[count].job);
		count++;
	}
	lane_batch_wait(&batch);
	for (i = 0; i < count; i++) {
		one = members_settle(v, jobs[i].m, jobs[i].rc, "syncing");
		all = all && one == 0;
		if (one < 0 && rc == 0)
			rc = one;
	}
	if (rc == 0 && all)
		missed_synced(v, epoch);
	return rc != 0 ? rc : members_in_sync(v) > 0 ? 0 : -EIO;
}

static void
flusher_stop(struct volume *v)
{
	if (!v->flusher_runs)
		return;
	pthread_mutex_lock(&v->dirty_lock);
	v->stop = true;
	pthread_cond_signal(&v->flusher_wake);
	pthread_mutex_unlock(&v->dirty_lock);
	pthread_join(v->flusher, NULL);
	v->flusher_runs = false;
}

/* All is stored and durable: say so. */
static int
mark_clean(struct volume *v)
{
	struct member *m;
	int rc;

	if (v->was_unclean && intent_any(v->intent) > 0) {
		log_warning("the volume stays marked as unclean: not all files were reconciled yet; "
		    "the next mount goes on with it, or run fsck.mendfs -p");
		rc = members_event(v, false);
		missed_save(v, 0);
		return rc;
	}
	if ((rc = members_event(v, true)) != 0)
		return rc;
	missed_save(v, members_last_event(v));
	/* A crash before this leaves bits that a clean label tells to ignore. */
	for_each_member(v, m)
		members_settle(v, m, intent_reset(m->r), "clearing the intent bitmap");
	return 0;
}

int
volume_close(struct volume *v)
{
	int rc = 0, one;

	if (v == NULL)
		return 0;
	/* What hangs is not waited for longer than any request would. */
	(void)guard_always(true);
	scrub_free(v);
	resync_stop(v);
	away_stop(v);
	walk_stop(v);
	flusher_stop(v);
	if (v->opened && !v->no_writes)
		patrol_finish(v);
	if (v->opened && !v->no_writes) {
		rc = volume_sync(v);
		if (rc == 0)
			rc = mark_clean(v);
		if (rc != 0)
			log_error("the volume could not be closed cleanly: %s; the next mount will check what was being written",
			    strerror(-rc));
	}
	/* Labels are written; whatever is still open has been synced. */
	if (v->root != NULL)
		nodes_free_all(v);
	one = mount_release(v);
	(void)guard_always(false);
	return rc != 0 ? rc : one;
}

const char *
volume_replica(const struct volume *v, unsigned index)
{
	if (index >= v->member_count)
		return NULL;
	return v->members[index].r != NULL ? v->members[index].r->path : v->members[index].name;
}

/* What a member is doing, in words. */
static const char *
state_text(struct member *m, char *buf, size_t size)
{
	time_t since = (time_t)(atomic_load(&m->away_since) / 1000000000);
	char when[32];
	struct tm tm;

	switch (atomic_load(&m->state)) {
	case MEMBER_IN_SYNC:
		return "in sync";
	case MEMBER_RESYNCING:
		snprintf(buf, size, "resyncing, %" PRIu64 " of %" PRIu64 " files and directories",
		    atomic_load(&m->resync_done), atomic_load(&m->resync_total));
		return buf;
	case MEMBER_REMOVED:
		return "removed";
	case MEMBER_BACK:
		return "back, to be resynced";
	default:
		localtime_r(&since, &tm);
		strftime(when, sizeof(when), "%F %T", &tm);
		snprintf(buf, size, "away since %s", when);
		return buf;
	}
}

void
volume_log_status(struct volume *v)
{
	struct member *m;
	char state[96];

	for (m = v->members; m < v->members + v->member_count; m++) {
		log_info("replica %s: %s, reads %llu, bad blocks %llu, mended %llu, not mendable %llu",
		    m->r != NULL ? m->r->path : m->name, state_text(m, state, sizeof(state)),
		    atomic_load(&m->reads), atomic_load(&m->blocks_bad), atomic_load(&m->mended), atomic_load(&m->unmended));
	}
}
