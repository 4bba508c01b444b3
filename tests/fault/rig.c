#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "format/index.h"
#include "util/log.h"
#include "volume/attrs.h"
#include "volume/dir.h"
#include "volume/file.h"
#include "volume/files.h"
#include "volume/names.h"
#include "volume/nodes.h"
#include "volume/patrol.h"
#include "volume/store.h"
#include "volume/xattrs.h"

#include "../far.h"
#include "rig.h"

#define SHOWN_MTIME_MAX 1000000000	/* a time that a step set; later ones are the clock's */
#define SETTLE_MS 20000

static void
give_up(const char *what)
{
	perror(what);
	exit(99);
}

uint64_t
rig_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL || *text == '\0' ? otherwise : strtoull(text, NULL, 0);
}

uint64_t
rig_stride(uint64_t otherwise)
{
	return rig_number("FAULT_STRIDE", otherwise) * rig_number("FAULT_SPARSE", 1);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static char scratch[PATH_MAX / 8];	/* of the whole program */

/* In memory, where files there can have attributes: nothing here has to last. */
static bool
try_scratch(const char *where)
{
	snprintf(scratch, sizeof(scratch), "%s/mendfs-fault.XXXXXX", where);
	if (mkdtemp(scratch) == NULL)
		return false;
	if (setxattr(scratch, "user.test", "1", 1, 0) == 0)
		return true;
	rmdir(scratch);
	return false;
}

void
rig_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	if (!try_scratch("/dev/shm") && !try_scratch(tmp != NULL ? tmp : "/tmp") && !try_scratch("."))
		give_up("no place for files with attributes");
}

void
rig_end(void)
{
	nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
rig_init(struct rig *rig, unsigned members)
{
	unsigned i;

	memset(rig, 0, sizeof(*rig));
	rig->members = members;
	rig->far = (uint32_t)rig_number("FAULT_FAR", FAULT_FAR);
	rig->ack_fsync = rig_number("FAULT_ACK", FAULT_ACK) != 0;
	pthread_mutex_init(&rig->plug.mutex, NULL);
	snprintf(rig->base, sizeof(rig->base), "%s/rig.XXXXXX", scratch);
	if (mkdtemp(rig->base) == NULL)
		give_up(rig->base);
	for (i = 0; i < members; i++) {
		snprintf(rig->path[i], sizeof(rig->path[i]), "%s/r%u", rig->base, i);
		if (mkdir(rig->path[i], 0755) != 0)
			give_up(rig->path[i]);
	}
	log_setup("volume", getenv("FAULT_LOG") != NULL ? LOG_LEVEL_INFO : (enum log_level)-1, false);
}

void
rig_done(struct rig *rig)
{
	nftw(rig->base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	pthread_mutex_destroy(&rig->plug.mutex);
}

void
rig_clear(struct rig *rig)
{
	unsigned i;

	for (i = 0; i < rig->members; i++) {
		nftw(rig->path[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
		if (mkdir(rig->path[i], 0755) != 0)
			give_up(rig->path[i]);
	}
}

void
rig_plug(struct rig *rig, uint64_t nth, bool half)
{
	rig->plug.ops = FAULT_CHANGES;
	rig->plug.no_syncs = rig->wrap == NULL;
	rig->plug.nth = nth;
	rig->plug.half = half;
	rig->plug.seen = 0;
	rig->plug.pulled = false;
}

static int
wrap(void *arg, unsigned index, struct replica **r)
{
	struct rig *rig = arg;
	const struct peer_options peer = { .link_timeout_ms = 60000, .ack_fsync = rig->ack_fsync,
	    .timeout_ms = rig->timeout_ms };
	struct replica *wrapped;
	int rc;

	if (rig->wrap != NULL && (rc = rig->wrap(rig->wrap_arg, index, r)) != 0)
		return rc;
	if ((rc = fault_replica_new(*r, &wrapped)) != 0)
		return rc;
	fault_join(wrapped, &rig->plug);
	*r = wrapped;
	if ((rig->far & 1u << index) == 0)
		return 0;
	if (far_put(wrapped, &peer, r, &rig->away[index]) != 0)
		give_up("a replica far away");
	return 0;
}

void
rig_far_cut(struct rig *rig, unsigned i)
{
	far_cut(rig->away[i]);
}

void
rig_far_stop(struct rig *rig, unsigned i, bool stop)
{
	far_stop(rig->away[i], stop);
}

bool
rig_pulled(struct rig *rig)
{
	bool pulled;

	pthread_mutex_lock(&rig->plug.mutex);
	pulled = rig->plug.pulled;
	pthread_mutex_unlock(&rig->plug.mutex);
	return pulled;
}

/* All peers were freed. */
static void
far_ends(struct rig *rig)
{
	unsigned i;

	for (i = 0; i < RIG_MEMBERS_MAX; i++) {
		if (rig->away[i] != NULL)
			far_done(rig->away[i]);
		rig->away[i] = NULL;
	}
}

int
rig_open(struct rig *rig)
{
	const char *paths[RIG_MEMBERS_MAX];
	const struct volume_options options = { .replicas = paths, .replica_count = rig->members, .min_replicas = 1,
	    .timeout_ms = rig->timeout_ms, .watch_all = true, .degraded = rig->degraded,
	    .wrap = wrap, .wrap_arg = rig };
	unsigned i;
	int rc;

	for (i = 0; i < rig->members; i++)
		paths[i] = rig->path[i];
	memset(rig->open, 0, sizeof(rig->open));
	rig->steps = 0;
	rig->v = NULL;
	if ((rc = volume_open(&options, &rig->v)) != 0)
		far_ends(rig);
	return rc;
}

int
rig_close(struct rig *rig)
{
	unsigned i;
	int rc;

	for (i = 0; i < RIG_OPEN_MAX; i++) {
		if (rig->open[i].node == NULL)
			continue;
		node_forget(rig->v, rig->open[i].node, 1);
	}
	memset(rig->open, 0, sizeof(rig->open));
	rc = volume_close(rig->v);
	rig->v = NULL;
	far_ends(rig);
	return rc;
}

bool
rig_settle(struct rig *rig)
{
	int i;

	if (volume_start(rig->v) != 0)
		return false;
	for (i = 0; i < SETTLE_MS; i++) {
		if (intent_any(rig->v->intent) == 0 || rig_pulled(rig))
			return !rig_pulled(rig);
		usleep(1000);
	}
	return false;
}

/* ---- steps */

static int
lookup(struct rig *rig, const char *path, struct node **node)
{
	struct node *dir = volume_root(rig->v), *next;
	char copy[256], *rest, *name;
	struct stat st;
	int rc = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	nodes_hold(rig->v, dir);
	for (name = strtok_r(copy, "/", &rest); name != NULL; name = strtok_r(NULL, "/", &rest)) {
		rc = names_lookup(rig->v, dir, name, &next, &st);
		node_forget(rig->v, dir, 1);
		if (rc != 0)
			return rc;
		dir = next;
	}
	*node = dir;
	return 0;
}

/* The directory of a path, and its last name. */
static int
lookup_dir(struct rig *rig, const char *path, struct node **dir, const char **name)
{
	const char *slash = strrchr(path, '/');
	char copy[256];

	if (slash == NULL) {
		*name = path;
		return lookup(rig, "", dir);
	}
	*name = slash + 1;
	snprintf(copy, sizeof(copy), "%.*s", (int)(slash - path), path);
	return lookup(rig, copy, dir);
}

static const struct volume_caller *
caller(void)
{
	static struct volume_caller me;

	me = (struct volume_caller){ geteuid(), getegid(), 022 };
	return &me;
}

static int
keep_open(struct rig *rig, struct node *node, const char *path)
{
	unsigned i;

	for (i = 0; rig->open[i].node != NULL; i++) {
		if (i == RIG_OPEN_MAX - 1)
			return -EMFILE;
	}
	rig->open[i].node = node;
	snprintf(rig->open[i].name, sizeof(rig->open[i].name), "%s", path);
	return 0;
}

/* Comes by after every second step only: what was acknowledged must be there with a record and without. */
static void
flusher(struct rig *rig)
{
	if (rig->steps++ % 2 != 0)
		(void)store_all(rig->v);
}

static int
make_name(struct rig *rig, const char *verb, const char *path, const char *more)
{
	struct node *dir, *node = NULL;
	const char *name;
	struct stat st;
	int rc;

	if ((rc = lookup_dir(rig, path, &dir, &name)) != 0)
		return rc;
	if (rig->spread)
		atomic_fetch_add(&rig->v->next_id, INTENT_REGION);
	if (strcmp(verb, "mkdir") == 0)
		rc = names_mkdir(rig->v, dir, name, 0755, caller(), &node, &st);
	else if (strcmp(verb, "symlink") == 0)
		rc = names_symlink(rig->v, more, dir, name, caller(), &node, &st);
	else if (strcmp(verb, "mkfifo") == 0)
		rc = names_mknod(rig->v, dir, name, S_IFIFO | 0640, 0, caller(), &node, &st);
	else if (strcmp(verb, "mknod") == 0)
		rc = names_mknod(rig->v, dir, name, S_IFREG | 0600, 0, caller(), &node, &st);
	else
		rc = names_create(rig->v, dir, name, 0644, caller(), &node, &st);
	node_forget(rig->v, dir, 1);
	if (rc != 0)
		return rc;
	if (strcmp(verb, "create") == 0)
		flusher(rig);
	else if (strcmp(verb, "create+") == 0)
		return keep_open(rig, node, path);
	node_forget(rig->v, node, 1);
	return 0;
}

static int
rename_name(struct rig *rig, const char *from, const char *to, unsigned flags)
{
	struct node *dir, *new_dir;
	const char *name, *new_name;
	int rc;

	if ((rc = lookup_dir(rig, from, &dir, &name)) != 0)
		return rc;
	if ((rc = lookup_dir(rig, to, &new_dir, &new_name)) == 0) {
		rc = names_rename(rig->v, dir, name, new_dir, new_name, flags);
		node_forget(rig->v, new_dir, 1);
	}
	node_forget(rig->v, dir, 1);
	return rc;
}

static int
link_name(struct rig *rig, const char *from, const char *to)
{
	struct node *node, *dir;
	const char *name;
	struct stat st;
	int rc;

	if ((rc = lookup(rig, from, &node)) != 0)
		return rc;
	if ((rc = lookup_dir(rig, to, &dir, &name)) == 0) {
		if ((rc = names_link(rig->v, node, dir, name, &st)) == 0)
			node_forget(rig->v, node, 1);
		node_forget(rig->v, dir, 1);
	}
	node_forget(rig->v, node, 1);
	return rc;
}

static int
remove_name(struct rig *rig, const char *path, bool is_dir)
{
	struct node *dir;
	const char *name;
	int rc;

	if ((rc = lookup_dir(rig, path, &dir, &name)) != 0)
		return rc;
	rc = is_dir ? names_rmdir(rig->v, dir, name) : names_unlink(rig->v, dir, name);
	node_forget(rig->v, dir, 1);
	return rc;
}

/* Bytes that tell their place, so that a block in another's place shows. */
uint8_t
rig_byte(char what, uint64_t offset)
{
	return (uint8_t)((uint64_t)(uint8_t)what * 37 + offset / 7 + (offset >> 12) * 11);
}

static void
fill(uint8_t *data, size_t len, uint64_t offset, char what)
{
	size_t i;

	for (i = 0; i < len; i++)
		data[i] = rig_byte(what, offset + i);
}

static int
write_file(struct rig *rig, struct node *node, uint64_t offset, size_t len, char what)
{
	uint8_t *data = malloc(len);
	size_t done, part;
	ssize_t n = 0;
	int rc;

	if (data == NULL)
		return -ENOMEM;
	fill(data, len, offset, what);
	/* After a short write the rest, as programs do. */
	for (done = 0; done < len && n >= 0; done += n < 0 ? 0 : (size_t)n) {
		part = len - done < FILE_IO_MAX ? len - done : FILE_IO_MAX;
		n = file_write(rig->v, node, data + done, part, offset + done, 0);
	}
	rc = n < 0 ? (int)n : 0;
	flusher(rig);
	free(data);
	return rc;
}

static int
fallocate_file(struct rig *rig, struct node *node, int mode, uint64_t offset, uint64_t len)
{
	int rc;

	rc = file_fallocate(rig->v, node, mode, offset, len, false);
	flusher(rig);
	return rc;
}

static int
sync_file(struct rig *rig, struct node *node)
{
	if (S_ISDIR(node->mode))
		return dir_fsync(rig->v, node);
	/* No program can open a link to sync it, and fsync(2) refuses a FIFO. */
	if (!S_ISREG(node->mode))
		return -EINVAL;
	return file_fsync(rig->v, node, false);
}

static int
set_attributes(struct rig *rig, struct node *node, const char *verb, long a, long b)
{
	struct stat want = { 0 }, st;
	unsigned mask = 0;

	if (strcmp(verb, "chmod") == 0) {
		want.st_mode = (mode_t)a;
		mask = ATTRS_MODE;
	} else if (strcmp(verb, "chown") == 0) {
		want.st_uid = (uid_t)a;
		want.st_gid = (gid_t)b;
		mask = ATTRS_UID | ATTRS_GID;
	} else if (strcmp(verb, "utimens") == 0) {
		want.st_atim.tv_sec = want.st_mtim.tv_sec = a;
		want.st_mtim.tv_nsec = 123456789;
		mask = ATTRS_ATIME | ATTRS_MTIME;
	} else {
		want.st_size = a;
		mask = ATTRS_SIZE;
	}
	return attrs_set(rig->v, node, &want, mask, &st);
}

/* What is done to something that is there. */
static int
change(struct rig *rig, struct node *node, const char *verb, const char *a, const char *b, const char *c)
{
	if (strcmp(verb, "write") == 0)
		return write_file(rig, node, strtoull(a, NULL, 0), strtoull(b, NULL, 0), *c);
	if (strcmp(verb, "append") == 0)
		return write_file(rig, node, node->size, strtoull(a, NULL, 0), *b);
	if (strcmp(verb, "punch") == 0)
		return fallocate_file(rig, node, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, strtoull(a, NULL, 0), strtoull(b, NULL, 0));
	if (strcmp(verb, "zero") == 0)
		return fallocate_file(rig, node, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, strtoull(a, NULL, 0), strtoull(b, NULL, 0));
	if (strcmp(verb, "allocate") == 0)
		return fallocate_file(rig, node, 0, strtoull(a, NULL, 0), strtoull(b, NULL, 0));
	if (strcmp(verb, "fsync") == 0)
		return sync_file(rig, node);
	if (strcmp(verb, "setxattr") == 0)
		return xattrs_set(rig->v, node, a, b, strlen(b), 0, false);
	if (strcmp(verb, "bigxattr") == 0) {
		char value[1800];

		memset(value, *b, sizeof(value));
		return xattrs_set(rig->v, node, a, value, sizeof(value), 0, false);
	}
	if (strcmp(verb, "rmxattr") == 0)
		return xattrs_remove(rig->v, node, a);
	return set_attributes(rig, node, verb, strtol(a, NULL, 0), strtol(b, NULL, 0));
}

static int
open_file(struct rig *rig, const char *path)
{
	struct node *node;
	int rc;

	if ((rc = lookup(rig, path, &node)) != 0)
		return rc;
	return keep_open(rig, node, path);
}

static int
close_file(struct rig *rig, const char *path)
{
	unsigned i;

	for (i = 0; i < RIG_OPEN_MAX; i++) {
		if (rig->open[i].node == NULL || strcmp(rig->open[i].name, path) != 0)
			continue;
		node_forget(rig->v, rig->open[i].node, 1);
		rig->open[i].node = NULL;
		flusher(rig);
		return 0;
	}
	return -EBADF;
}

/* "@a": the file that was opened as a, whatever became of the name; or NULL. */
static struct node *
opened(struct rig *rig, const char *path)
{
	unsigned i;

	for (i = 0; *path == '@' && i < RIG_OPEN_MAX; i++) {
		if (rig->open[i].node != NULL && strcmp(rig->open[i].name, path + 1) == 0)
			return rig->open[i].node;
	}
	return NULL;
}

static int
read_file(struct rig *rig, struct node *node, uint8_t **out, size_t *len)
{
	const void *data;
	ssize_t n = 1;

	*len = 0;
	if ((*out = malloc(node->size + 1)) == NULL)
		return -ENOMEM;
	while (*len < node->size && (n = file_read(rig->v, node, *len, FILE_IO_MAX, &data)) > 0) {
		memcpy(*out + *len, data, (size_t)n);
		*len += (size_t)n;
	}
	if (n < 0)
		free(*out);
	return n < 0 ? (int)n : 0;
}

int
rig_read(struct rig *rig, const char *path, uint8_t **data, size_t *len)
{
	struct node *node = opened(rig, path);
	int rc;

	if (node != NULL)
		return read_file(rig, node, data, len);
	if ((rc = lookup(rig, *path == '@' ? path + 1 : path, &node)) != 0)
		return rc;
	rc = read_file(rig, node, data, len);
	node_forget(rig->v, node, 1);
	return rc;
}

static int
change_open(struct rig *rig, const char *path, const char *verb, const char *a, const char *b, const char *c)
{
	struct node *node = opened(rig, path);
	int rc;

	if (node != NULL)
		return change(rig, node, verb, a, b, c);
	if ((rc = lookup(rig, strcmp(path, "/") == 0 ? "" : path, &node)) != 0)
		return rc;
	rc = change(rig, node, verb, a, b, c);
	node_forget(rig->v, node, 1);
	return rc;
}

/* What comes of nobody using anything for a while: all is stored and proved, files are let go, nodes forgotten. */
static int
idle(struct volume *v)
{
	int rc = store_all(v);

	patrol_round(v);
	/* The first round finds that a file was used. */
	files_trim(v);
	files_trim(v);
	return rc;
}

int
rig_step(struct rig *rig, const char *step)
{
	char words[5][160] = { "", "", "", "", "" };

	sscanf(step, "%159s %159s %159s %159s %159s", words[0], words[1], words[2], words[3], words[4]);
	if (strcmp(words[0], "create") == 0 || strcmp(words[0], "create+") == 0 || strcmp(words[0], "mkdir") == 0 ||
	    strcmp(words[0], "symlink") == 0 || strcmp(words[0], "mkfifo") == 0 || strcmp(words[0], "mknod") == 0)
		return make_name(rig, words[0], words[1], words[2]);
	if (strcmp(words[0], "rename") == 0)
		return rename_name(rig, words[1], words[2], 0);
	if (strcmp(words[0], "exchange") == 0)
		return rename_name(rig, words[1], words[2], RENAME_EXCHANGE);
	if (strcmp(words[0], "link") == 0)
		return link_name(rig, words[1], words[2]);
	if (strcmp(words[0], "unlink") == 0 || strcmp(words[0], "rmdir") == 0)
		return remove_name(rig, words[1], strcmp(words[0], "rmdir") == 0);
	if (strcmp(words[0], "open") == 0)
		return open_file(rig, words[1]);
	if (strcmp(words[0], "close") == 0)
		return close_file(rig, words[1]);
	if (strcmp(words[0], "store") == 0)
		return store_all(rig->v);
	if (strcmp(words[0], "sync") == 0)
		return volume_sync(rig->v);
	if (strcmp(words[0], "idle") == 0)
		return idle(rig->v);
	return change_open(rig, words[1], words[0], words[2], words[3], words[4]);
}

unsigned
rig_words(char *text, char *steps[RIG_STEPS_MAX])
{
	unsigned count = 0;
	char *rest, *step;

	for (step = strtok_r(text, ";", &rest); step != NULL && count < RIG_STEPS_MAX; step = strtok_r(NULL, ";", &rest)) {
		while (*step == ' ' || *step == '\t' || *step == '\n')
			step++;
		if (*step != '\0')
			steps[count++] = step;
	}
	return count;
}

/* ---- states */

static uint64_t
hash(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len-- > 0)
		sum = (sum ^ *at++) * UINT64_C(0x100000001b3);
	return sum;
}

static void
show_data(FILE *out, struct rig *rig, struct node *node)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325), offset = 0;
	const void *data;
	ssize_t n;

	while ((n = file_read(rig->v, node, offset, FILE_IO_MAX, &data)) > 0) {
		sum = hash(sum, data, (size_t)n);
		offset += (uint64_t)n;
	}
	if (n < 0)
		fprintf(out, " READ-ERROR %d at %" PRIu64, (int)-n, offset);
	else
		fprintf(out, " data %" PRIx64, sum);
}

static void
show_xattrs(FILE *out, struct rig *rig, struct node *node)
{
	char list[4096], value[4096], *name;
	ssize_t len = xattrs_list(rig->v, node, list, sizeof(list), true), n;

	for (name = list; name < list + len; name += strlen(name) + 1) {
		if (strncmp(name, "user.", 5) != 0)
			continue;
		n = xattrs_get(rig->v, node, name, value, sizeof(value));
		fprintf(out, " %s=%" PRIx64, name, n < 0 ? 0 : hash(1, value, (size_t)n));
	}
}

static void
show_node(FILE *out, struct rig *rig, struct node *node, const char *path, const struct stat *st)
{
	char target[256];

	fprintf(out, "%s %o %u:%u", path, st->st_mode, st->st_uid, st->st_gid);
	if (!S_ISDIR(st->st_mode))
		fprintf(out, " links %lu", (unsigned long)st->st_nlink);
	if (st->st_mtim.tv_sec < SHOWN_MTIME_MAX)
		fprintf(out, " mtime %ld.%ld", (long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (S_ISLNK(st->st_mode) && attrs_readlink(rig->v, node, target, sizeof(target)) == 0)
		fprintf(out, " -> %s", target);
	if (S_ISREG(st->st_mode)) {
		fprintf(out, " size %lld", (long long)st->st_size);
		show_data(out, rig, node);
	}
	if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))
		show_xattrs(out, rig, node);
	fprintf(out, "\n");
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
show_below(FILE *out, struct rig *rig, struct node *node, const char *path)
{
	char *names[256], below[512];
	struct dir_entry entry;
	uint64_t offset = 2;
	struct node *child;
	unsigned count = 0, i;
	struct dir *dir;
	struct stat st;
	int rc;

	if ((rc = dir_open(rig->v, node, &dir)) != 0) {
		fprintf(out, "%s LIST-ERROR %d\n", path, -rc);
		return;
	}
	while (count < 256 && dir_read(rig->v, dir, offset, &entry, false) > 0) {
		offset = entry.next;
		names[count++] = strdup(entry.name);
	}
	dir_close(rig->v, dir);
	qsort(names, count, sizeof(*names), compare_names);
	for (i = 0; i < count; i++) {
		snprintf(below, sizeof(below), "%s/%s", path, names[i]);
		if ((rc = names_lookup(rig->v, node, names[i], &child, &st)) != 0) {
			fprintf(out, "%s LOOKUP-ERROR %d\n", below, -rc);
		} else {
			show_node(out, rig, child, below, &st);
			if (S_ISDIR(st.st_mode))
				show_below(out, rig, child, below);
			node_forget(rig->v, child, 1);
		}
		free(names[i]);
	}
}

char *
rig_tree(struct rig *rig)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	show_below(out, rig, volume_root(rig->v), "");
	fclose(out);
	return text;
}

static void
copy_inode(FILE *out, const char *path, const struct stat *st)
{
	char target[PATH_MAX], list[4096], *name;
	uint64_t sum = 1;
	uint8_t data[8192];
	ssize_t len, n;
	int fd;

	fprintf(out, " %o %u:%u %lld %lu", st->st_mode, st->st_uid, st->st_gid,
	    S_ISDIR(st->st_mode) ? 0LL : (long long)st->st_size, S_ISDIR(st->st_mode) ? 0UL : (unsigned long)st->st_nlink);
	if (S_ISLNK(st->st_mode) && (len = readlink(path, target, sizeof(target))) > 0)
		fprintf(out, " -> %.*s", (int)len, target);
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return;
	fprintf(out, " %ld.%09ld", (long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (S_ISREG(st->st_mode) && (fd = open(path, O_RDONLY)) >= 0) {
		while ((n = read(fd, data, sizeof(data))) > 0)
			sum = hash(sum, data, (size_t)n);
		close(fd);
		fprintf(out, " data %" PRIx64, sum);
	}
	len = listxattr(path, list, sizeof(list));
	for (sum = 0, name = list; name < list + len; name += strlen(name) + 1) {
		if (strcmp(name, INDEX_XATTR) == 0)
			continue;
		n = getxattr(path, name, data, sizeof(data));
		sum ^= hash(hash(1, name, strlen(name)), data, n < 0 ? 0 : (size_t)n);
	}
	fprintf(out, " xattrs %" PRIx64, sum);
}

static void
copy_below(FILE *out, const char *top, const char *path)
{
	char full[PATH_MAX], below[PATH_MAX / 2];
	struct dirent **names;
	struct stat st;
	int count, i;

	snprintf(full, sizeof(full), "%s%s", top, path);
	count = scandir(full, &names, NULL, alphasort);
	for (i = 0; i < count; i++) {
		if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0 &&
		    strcmp(names[i]->d_name, REPLICA_META) != 0) {
			snprintf(below, sizeof(below), "%s/%s", path, names[i]->d_name);
			snprintf(full, sizeof(full), "%s%s", top, below);
			if (lstat(full, &st) == 0) {
				fprintf(out, "%s", below);
				copy_inode(out, full, &st);
				fprintf(out, "\n");
				if (S_ISDIR(st.st_mode))
					copy_below(out, top, below);
			}
		}
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

char *
rig_copy(struct rig *rig, unsigned i)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	copy_below(out, rig->path[i], "");
	fclose(out);
	return text;
}

/* The program, for its library has names in common with the volume's. */
int
rig_fsck(struct rig *rig, char **out)
{
	const char *build = getenv("BUILD");
	char command[PATH_MAX * 2], line[512];
	size_t len, at = 0;
	FILE *said, *text;
	unsigned i;
	int status;

	at = (size_t)snprintf(command, sizeof(command), "exec '%s/fsck.mendfs' -n", build != NULL ? build : ".");
	for (i = 0; i < rig->members; i++)
		at += (size_t)snprintf(command + at, sizeof(command) - at, " '%s'", rig->path[i]);
	snprintf(command + at, sizeof(command) - at, " 2>&1");
	text = open_memstream(out, &len);
	if ((said = popen(command, "r")) == NULL)
		give_up("fsck.mendfs");
	while (fgets(line, sizeof(line), said) != NULL)
		fputs(line, text);
	status = pclose(said);
	fclose(text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
