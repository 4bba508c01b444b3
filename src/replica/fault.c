#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replica/fault.h"

#define PAGE 4096		/* what file systems find room for: all of it, or none */

struct fault {
	struct replica base;
	struct replica *inner;
	pthread_mutex_t mutex;		/* all below */
	pthread_cond_t rule_set;
	uint64_t rules;			/* how many were set */
	struct fault_rule rule;
	uint64_t seen;			/* of the rule's operations, since it was set */
	uint64_t hits;
	struct fault_plug *plug;
	uint64_t counts[FAULT_OP_COUNT];
};

/* What the rule has in store for one operation. */
struct verdict {
	int before;			/* return this at once, if not 0 */
	int after;			/* return this instead of the result, if not 0 */
	bool cut;			/* do half of it */
	int fills;			/* do half of it, by whole pages; where that is nothing, return this */
	bool skip;			/* say that it was done */
};

static struct fault *
self(struct replica *r)
{
	return (struct fault *)r;
}

static void
wait_ms(unsigned ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* What the plug has in store for it. */
static void
judge_plug(struct fault_plug *plug, enum fault_op op, struct verdict *verdict)
{
	pthread_mutex_lock(&plug->mutex);
	if (!plug->pulled && (plug->ops & FAULT_MASK(op)) != 0 && ++plug->seen == plug->nth) {
		plug->pulled = true;
		plug->op = op;
		verdict->cut = plug->half && (op == FAULT_PWRITE || op == FAULT_STORE);
	}
	if (plug->pulled && verdict->cut)
		verdict->after = -EIO;
	else if (plug->pulled)
		verdict->before = -EIO;
	verdict->skip = plug->no_syncs && (FAULT_SYNCS & FAULT_MASK(op)) != 0;
	pthread_mutex_unlock(&plug->mutex);
}

/* Until another rule is set.  Mutex. */
static void
hang(struct fault *f)
{
	uint64_t rules = f->rules;

	while (f->rules == rules)
		pthread_cond_wait(&f->rule_set, &f->mutex);
}

/* Count the operation, wait, and say what is to become of it. */
static struct verdict
judge(struct fault *f, enum fault_op op)
{
	struct verdict verdict = { 0 };
	unsigned delay_ms = 0;
	int error;

	pthread_mutex_lock(&f->mutex);
	f->counts[op]++;
	if ((f->rule.ops & FAULT_MASK(op)) != 0) {
		f->seen++;
		if (f->seen >= f->rule.nth && (f->rule.times == 0 || f->hits < f->rule.times)) {
			f->hits++;
			delay_ms = f->rule.delay_ms;
			error = f->rule.error > 0 ? -f->rule.error : f->rule.error;
			if (f->rule.mode == FAULT_HANG)
				hang(f);
			else if (f->rule.mode == FAULT_AFTER)
				verdict.after = error;
			else if (f->rule.mode == FAULT_SHORT && op == FAULT_PWRITE)
				verdict.cut = true;
			else if (f->rule.mode == FAULT_FULL && op == FAULT_PWRITE && f->hits == 1)
				verdict.fills = error;
			else
				verdict.before = error;
		}
	}
	if (f->plug != NULL)
		judge_plug(f->plug, op, &verdict);
	pthread_mutex_unlock(&f->mutex);

	if (delay_ms > 0)
		wait_ms(delay_ms);
	return verdict;
}

static int
fault_statfs(struct replica *r, struct statvfs *st)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_STATFS);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->statfs(f->inner, st);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_sync(struct replica *r)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_SYNC);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = verdict.skip ? 0 : f->inner->ops->sync(f->inner);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_dir_sync(struct replica *r, replica_handle dir)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_DIR_SYNC);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = verdict.skip ? 0 : f->inner->ops->dir_sync(f->inner, dir);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_list(struct replica *r, replica_handle dir, replica_list_call *call, void *arg)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_LIST);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->list(f->inner, dir, call, arg);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_load(struct replica *r, struct replica_at at, struct replica_info *info)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_LOAD);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->load(f->inner, at, info);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_stat(struct replica *r, struct replica_at at, struct stat *st)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_STAT);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->stat(f->inner, at, st);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_store(struct replica *r, struct replica_at at, const struct replica_times *times,
    const void *record, size_t len)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, len > 0 ? FAULT_STORE : FAULT_TIMES);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->store(f->inner, at, times, record, verdict.cut ? 0 : len);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_link(struct replica *r, struct replica_at at, replica_handle dir, const char *name)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_LINK);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->link(f->inner, at, dir, name);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_unlink(struct replica *r, replica_handle dir, const char *name, bool is_dir)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_UNLINK);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->unlink(f->inner, dir, name, is_dir);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_rename(struct replica *r, replica_handle dir, const char *name,
    replica_handle new_dir, const char *new_name, unsigned flags)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_RENAME);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->rename(f->inner, dir, name, new_dir, new_name, flags);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_readlink(struct replica *r, struct replica_at at, char *buf, size_t size)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_READLINK);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->readlink(f->inner, at, buf, size);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_chmod(struct replica *r, struct replica_at at, mode_t mode)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_CHMOD);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->chmod(f->inner, at, mode);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_chown(struct replica *r, struct replica_at at, uid_t uid, gid_t gid)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_CHOWN);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->chown(f->inner, at, uid, gid);
	return verdict.after != 0 ? verdict.after : rc;
}

static ssize_t
fault_xattr_get(struct replica *r, struct replica_at at, const char *name, void *value, size_t size)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_XATTR_GET);
	ssize_t rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->xattr_get(f->inner, at, name, value, size);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_xattr_set(struct replica *r, struct replica_at at, const char *name,
    const void *value, size_t len, int flags)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_XATTR_SET);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->xattr_set(f->inner, at, name, value, len, flags);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_xattr_remove(struct replica *r, struct replica_at at, const char *name)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_XATTR_REMOVE);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->xattr_remove(f->inner, at, name);
	return verdict.after != 0 ? verdict.after : rc;
}

static ssize_t
fault_xattr_list(struct replica *r, struct replica_at at, char *list, size_t size)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_XATTR_LIST);
	ssize_t rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->xattr_list(f->inner, at, list, size);
	return verdict.after != 0 ? verdict.after : rc;
}

static ssize_t
fault_pread(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_PREAD);
	ssize_t rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->pread(f->inner, file, buf, len, offset);
	return verdict.after != 0 ? verdict.after : rc;
}

/* So that each read is asked for once. */
static ssize_t
fault_pread_cached(struct replica *r, replica_handle file, void *buf, size_t len, uint64_t offset)
{
	(void)r;
	(void)file;
	(void)buf;
	(void)len;
	(void)offset;
	return -EOPNOTSUPP;
}

static bool
grows(struct fault *f, replica_handle file, uint64_t size)
{
	struct stat st;

	return f->inner->ops->stat(f->inner, (struct replica_at){ .handle = file }, &st) == 0 && (uint64_t)st.st_size < size;
}

static int
fault_truncate(struct replica *r, replica_handle file, uint64_t size)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, grows(f, file, size) ? FAULT_GROW : FAULT_TRUNCATE);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->truncate(f->inner, file, size);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_fallocate(struct replica *r, replica_handle file, int mode, uint64_t offset, uint64_t len)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_FALLOCATE);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->fallocate(f->inner, file, mode, offset, len);
	return verdict.after != 0 ? verdict.after : rc;
}

static int64_t
fault_seek(struct replica *r, replica_handle file, uint64_t offset, int whence)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_SEEK);
	int64_t rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->seek(f->inner, file, offset, whence);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_fsync(struct replica *r, replica_handle file, bool data_only)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_FSYNC);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = verdict.skip ? 0 : f->inner->ops->fsync(f->inner, file, data_only);
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_lock(struct replica *r, bool exclusive)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_LOCK);
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->lock(f->inner, exclusive);
	return verdict.after != 0 ? verdict.after : rc;
}

static ssize_t
fault_pwrite(struct replica *r, replica_handle file, const void *buf, size_t len, uint64_t offset)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_PWRITE);
	uint64_t end = offset + len;
	ssize_t n;

	if (verdict.before != 0)
		return verdict.before;
	if (verdict.cut)
		end = offset + len / 2;
	if (verdict.fills != 0 && (end = (offset + len / 2) / PAGE * PAGE) <= offset)
		return verdict.fills;
	n = f->inner->ops->pwrite(f->inner, file, buf, (size_t)(end - offset), offset);
	return verdict.after != 0 ? verdict.after : n;
}

/* An answer that is lost takes its handle with it. */

static int
fault_dir_open(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_DIR_OPEN);
	replica_handle got = REPLICA_NONE;
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->dir_open(f->inner, dir, name, &got);
	if (rc == 0 && verdict.after != 0)
		f->inner->ops->dir_close(f->inner, got);
	else if (rc == 0)
		*handle = got;
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_pin(struct replica *r, replica_handle dir, const char *name, replica_handle *handle)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_PIN);
	replica_handle got = REPLICA_NONE;
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->pin(f->inner, dir, name, &got);
	if (rc == 0 && verdict.after != 0)
		f->inner->ops->dir_close(f->inner, got);
	else if (rc == 0)
		*handle = got;
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_create(struct replica *r, replica_handle dir, const char *name,
    const struct replica_new *new, replica_handle *handle)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_CREATE);
	replica_handle got = REPLICA_NONE;
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->create(f->inner, dir, name, new, handle != NULL ? &got : NULL);
	if (verdict.after != 0) {
		if (got != REPLICA_NONE)
			f->inner->ops->close(f->inner, got);
		return verdict.after;
	}
	if (got != REPLICA_NONE)
		*handle = got;
	return rc;
}

static int
fault_tmpfile(struct replica *r, replica_handle dir, const struct replica_new *new, replica_handle *handle)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_TMPFILE);
	replica_handle got = REPLICA_NONE;
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->tmpfile(f->inner, dir, new, &got);
	if (rc == 0 && verdict.after != 0)
		f->inner->ops->close(f->inner, got);
	else if (rc == 0)
		*handle = got;
	return verdict.after != 0 ? verdict.after : rc;
}

static int
fault_open(struct replica *r, struct replica_at at, bool writable, replica_handle *handle, struct stat *st)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_OPEN);
	replica_handle got = REPLICA_NONE;
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->open(f->inner, at, writable, &got, st);
	if (rc == 0 && verdict.after != 0)
		f->inner->ops->close(f->inner, got);
	else if (rc == 0)
		*handle = got;
	return verdict.after != 0 ? verdict.after : rc;
}

/* To a rule it is an open like any other. */
static int
fault_open_direct(struct replica *r, struct replica_at at, replica_handle *handle)
{
	struct fault *f = self(r);
	const struct verdict verdict = judge(f, FAULT_OPEN);
	replica_handle got = REPLICA_NONE;
	int rc;

	if (verdict.before != 0)
		return verdict.before;
	rc = f->inner->ops->open_direct(f->inner, at, &got);
	if (rc == 0 && verdict.after != 0)
		f->inner->ops->close(f->inner, got);
	else if (rc == 0)
		*handle = got;
	return verdict.after != 0 ? verdict.after : rc;
}

/* These have no result that could be an error. */

static void
fault_dir_close(struct replica *r, replica_handle dir)
{
	self(r)->inner->ops->dir_close(self(r)->inner, dir);
}

static void
fault_close(struct replica *r, replica_handle file)
{
	self(r)->inner->ops->close(self(r)->inner, file);
}

static void
fault_drop_cache(struct replica *r, replica_handle file)
{
	self(r)->inner->ops->drop_cache(self(r)->inner, file);
}

static int
fault_check(struct replica *r)
{
	return self(r)->inner->ops->check(self(r)->inner);
}

static void
fault_retire(struct replica *r, bool idle)
{
	self(r)->inner->ops->retire(self(r)->inner, idle);
}

static void
fault_free(struct replica *r)
{
	struct fault *f;

	if (r == NULL)
		return;
	f = self(r);
	f->inner->ops->free(f->inner);
	pthread_cond_destroy(&f->rule_set);
	pthread_mutex_destroy(&f->mutex);
	free(r->path);
	free(f);
}

static const struct replica_ops fault_ops = {
	.free = fault_free,
	.statfs = fault_statfs,
	.sync = fault_sync,
	.dir_open = fault_dir_open,
	.pin = fault_pin,
	.dir_close = fault_dir_close,
	.dir_sync = fault_dir_sync,
	.list = fault_list,
	.load = fault_load,
	.stat = fault_stat,
	.store = fault_store,
	.create = fault_create,
	.tmpfile = fault_tmpfile,
	.link = fault_link,
	.unlink = fault_unlink,
	.rename = fault_rename,
	.readlink = fault_readlink,
	.chmod = fault_chmod,
	.chown = fault_chown,
	.xattr_get = fault_xattr_get,
	.xattr_set = fault_xattr_set,
	.xattr_remove = fault_xattr_remove,
	.xattr_list = fault_xattr_list,
	.open = fault_open,
	.open_direct = fault_open_direct,
	.close = fault_close,
	.pread = fault_pread,
	.pread_cached = fault_pread_cached,
	.pwrite = fault_pwrite,
	.truncate = fault_truncate,
	.fallocate = fault_fallocate,
	.seek = fault_seek,
	.fsync = fault_fsync,
	.drop_cache = fault_drop_cache,
	.lock = fault_lock,
	.check = fault_check,
	.retire = fault_retire,
};

int
fault_replica_new(struct replica *inner, struct replica **out)
{
	struct fault *f;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		return -ENOMEM;
	if ((f->base.path = strdup(inner->path)) == NULL) {
		free(f);
		return -ENOMEM;
	}
	f->base.ops = &fault_ops;
	f->inner = inner;
	f->base.remote = inner->remote;
	f->base.far = inner->far;
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->rule_set, NULL);
	*out = &f->base;
	return 0;
}

void
fault_set(struct replica *r, const struct fault_rule *rule)
{
	static const struct fault_rule none;
	struct fault *f = self(r);

	assert(r->ops == &fault_ops);
	pthread_mutex_lock(&f->mutex);
	f->rule = rule != NULL ? *rule : none;
	f->seen = 0;
	f->hits = 0;
	f->rules++;
	pthread_cond_broadcast(&f->rule_set);
	pthread_mutex_unlock(&f->mutex);
}

void
fault_join(struct replica *r, struct fault_plug *plug)
{
	struct fault *f = self(r);

	assert(r->ops == &fault_ops);
	pthread_mutex_lock(&f->mutex);
	f->plug = plug;
	pthread_mutex_unlock(&f->mutex);
}

uint64_t
fault_hits(struct replica *r)
{
	struct fault *f = self(r);
	uint64_t hits;

	assert(r->ops == &fault_ops);
	pthread_mutex_lock(&f->mutex);
	hits = f->hits;
	pthread_mutex_unlock(&f->mutex);
	return hits;
}

uint64_t
fault_count(struct replica *r, uint32_t ops)
{
	struct fault *f = self(r);
	uint64_t sum = 0;
	unsigned op;

	assert(r->ops == &fault_ops);
	pthread_mutex_lock(&f->mutex);
	for (op = 0; op < FAULT_OP_COUNT; op++)
		if ((ops & FAULT_MASK(op)) != 0)
			sum += f->counts[op];
	pthread_mutex_unlock(&f->mutex);
	return sum;
}

void
fault_count_reset(struct replica *r)
{
	struct fault *f = self(r);

	assert(r->ops == &fault_ops);
	pthread_mutex_lock(&f->mutex);
	memset(f->counts, 0, sizeof(f->counts));
	pthread_mutex_unlock(&f->mutex);
}

const char *
fault_op_name(enum fault_op op)
{
	static const char *const names[FAULT_OP_COUNT] = {
		[FAULT_STATFS] = "statfs", [FAULT_SYNC] = "sync", [FAULT_DIR_OPEN] = "dir_open",
		[FAULT_PIN] = "pin",
		[FAULT_DIR_SYNC] = "dir_sync", [FAULT_LIST] = "list", [FAULT_LOAD] = "load",
		[FAULT_STAT] = "stat", [FAULT_STORE] = "store", [FAULT_TIMES] = "times", [FAULT_CREATE] = "create",
		[FAULT_TMPFILE] = "tmpfile", [FAULT_LINK] = "link", [FAULT_UNLINK] = "unlink",
		[FAULT_RENAME] = "rename", [FAULT_READLINK] = "readlink", [FAULT_CHMOD] = "chmod",
		[FAULT_CHOWN] = "chown", [FAULT_XATTR_GET] = "xattr_get", [FAULT_XATTR_SET] = "xattr_set",
		[FAULT_XATTR_REMOVE] = "xattr_remove", [FAULT_XATTR_LIST] = "xattr_list",
		[FAULT_OPEN] = "open", [FAULT_PREAD] = "pread", [FAULT_PWRITE] = "pwrite",
		[FAULT_TRUNCATE] = "truncate", [FAULT_GROW] = "grow", [FAULT_FALLOCATE] = "fallocate", [FAULT_SEEK] = "seek",
		[FAULT_FSYNC] = "fsync", [FAULT_LOCK] = "lock"
	};

	return (unsigned)op < FAULT_OP_COUNT ? names[op] : NULL;
}
