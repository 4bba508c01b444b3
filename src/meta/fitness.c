#include "meta/fitness.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "format/record.h"

/* ".new": should this be cut off, what is left is without meaning to everybody. */
#define PROBE "probe.new"
#define OTHER "other.new"
#define OTHER_CASE "OTHER.NEW"
#define RAW_NAME "\xff\xc3(\x01.new"	/* no UTF-8 */
#define COMPOSED "\xc3\xa9.new"		/* one letter in two spellings */
#define DECOMPOSED "e\xcc\x81.new"
#define VALUE_SIZE 512			/* bytes; what a record commonly takes */
#define MODE (S_IFREG | 0641)

static const char *const all_names[] = { PROBE, OTHER, OTHER_CASE, RAW_NAME, COMPOSED, DECOMPOSED };

struct trial {
	struct replica *r;
	replica_handle meta;
	replica_handle file;
	const char *lacks;		/* what the file system lacks, when a step says -EOPNOTSUPP */
};

static int
lacks(struct trial *t, const char *what)
{
	t->lacks = what;
	return -EOPNOTSUPP;
}

static struct replica_at
named(const struct trial *t, const char *name)
{
	return (struct replica_at){ .handle = t->meta, .name = name };
}

static int
make(struct trial *t, const char *name, replica_handle *file)
{
	const struct replica_new new = { .mode = MODE, .uid = geteuid(), .gid = getegid(), .owned = true };

	return t->r->ops->create(t->r, t->meta, name, &new, file);
}

static int
try_modes(struct trial *t)
{
	struct stat st;
	int rc;

	/* A default ACL may have had a say before. */
	if ((rc = t->r->ops->chmod(t->r, named(t, PROBE), MODE & 07777)) != 0 || (rc = t->r->ops->stat(t->r, named(t, PROBE), &st)) != 0)
		return rc;
	if (st.st_mode != MODE)
		return lacks(t, "keeps no permission bits; mount it with those of Unix");
	if (st.st_uid != geteuid() && !t->r->far)
		return lacks(t, "gives files to another owner than who makes them; mount or export it without such a mapping (NFS: no_root_squash)");
	return 0;
}

static int
try_attributes(struct trial *t)
{
	const struct replica_at at = { .handle = t->file };
	uint8_t value[VALUE_SIZE], found[VALUE_SIZE];
	unsigned i;
	int rc;

	for (i = 0; i < VALUE_SIZE; i++)
		value[i] = (uint8_t)(i * 37);
	rc = t->r->ops->xattr_set(t->r, at, RECORD_XATTR, value, sizeof(value), 0);
	if (rc == -EOPNOTSUPP || rc == -EINVAL || rc == -ENOSYS)
		return lacks(t, "has no user extended attributes on files; use one that has, or mount it with them");
	if (rc != 0)
		return rc;
	if (t->r->ops->xattr_get(t->r, at, RECORD_XATTR, found, sizeof(found)) != VALUE_SIZE || memcmp(value, found, VALUE_SIZE) != 0)
		return lacks(t, "does not keep extended attributes as they are given; use another one");
	return 0;
}

static int
try_fsync(struct trial *t)
{
	int rc;

	if ((rc = t->r->ops->pwrite(t->r, t->file, "x", 1, 0) == 1 ? 0 : -EIO) != 0)
		return rc;
	if ((rc = t->r->ops->fsync(t->r, t->file, false)) == 0)
		rc = t->r->ops->dir_sync(t->r, t->meta);
	if (rc == -EINVAL || rc == -ENOSYS || rc == -EOPNOTSUPP)
		return lacks(t, "cannot make files and directories durable (fsync fails); use another one");
	return rc;
}

/* The file that takes another's name is the same as before, and the other is gone. */
static int
try_rename(struct trial *t)
{
	struct stat before, after;
	int rc;

	if ((rc = make(t, OTHER, NULL)) != 0 || (rc = t->r->ops->stat(t->r, named(t, PROBE), &before)) != 0)
		return rc;
	rc = t->r->ops->rename(t->r, t->meta, PROBE, t->meta, OTHER, 0);
	if (rc == -EEXIST || rc == -EPERM || rc == -EACCES || rc == -EBUSY)
		return lacks(t, "cannot rename a file over another one; use another file system");
	if (rc != 0)
		return rc;
	if ((rc = t->r->ops->stat(t->r, named(t, OTHER), &after)) != 0)
		return rc;
	if (after.st_ino != before.st_ino || after.st_size != before.st_size)
		return lacks(t, "does not know a file again after it was renamed: its inode numbers change; mount it with lasting ones");
	if (t->r->ops->stat(t->r, named(t, PROBE), &after) != -ENOENT)
		return lacks(t, "keeps the old name of a file that was renamed; use another file system");
	return 0;
}

struct search { const char *name; bool found; };

static int
search_call(void *arg, const char *name, unsigned char d_type, uint64_t ino)
{
	struct search *s = arg;

	(void)d_type;
	(void)ino;
	s->found = s->found || strcmp(name, s->name) == 0;
	return 0;
}

/* ${name} can be made, is listed as such, and is not ${likeness}. */
static int
try_name(struct trial *t, const char *name, const char *likeness)
{
	struct search s = { name, false };
	struct stat st;
	int rc;

	rc = make(t, name, NULL);
	if (rc == -EINVAL || rc == -EILSEQ || rc == -EPERM || rc == -EACCES || rc == -ENOENT)
		return lacks(t, "refuses names that are not in its character set; mount it so that names are bytes");
	if (rc != 0)
		return rc;
	if ((rc = t->r->ops->list(t->r, t->meta, search_call, &s)) != 0)
		return rc;
	if (!s.found)
		return lacks(t, "changes names into others; mount it so that names are bytes");
	if (likeness != NULL && t->r->ops->stat(t->r, named(t, likeness), &st) == 0)
		return lacks(t, "takes different names for the same (upper and lower case, or spellings of a letter); mount it so that names are bytes");
	return 0;
}

static int
try_all(struct trial *t)
{
	int rc;

	if ((rc = make(t, PROBE, &t->file)) != 0)
		return rc;
	if ((rc = try_modes(t)) != 0 || (rc = try_attributes(t)) != 0 || (rc = try_fsync(t)) != 0 || (rc = try_rename(t)) != 0)
		return rc;
	/* OTHER is there now. */
	if (t->r->ops->stat(t->r, named(t, OTHER_CASE), &(struct stat){ 0 }) == 0)
		return lacks(t, "does not tell upper case from lower; mount it so that it does");
	if ((rc = try_name(t, RAW_NAME, NULL)) != 0)
		return rc;
	return try_name(t, COMPOSED, DECOMPOSED);
}

static void
clear(struct replica *r, replica_handle meta)
{
	size_t i;

	for (i = 0; i < sizeof(all_names) / sizeof(all_names[0]); i++)
		(void)r->ops->unlink(r, meta, all_names[i], false);
}

int
fitness_check(struct replica *r, replica_handle meta, char *why)
{
	struct trial t = { .r = r, .meta = meta, .file = REPLICA_NONE };
	int rc;

	/* An earlier trial may have been cut off. */
	clear(r, meta);
	rc = try_all(&t);
	if (t.file != REPLICA_NONE)
		r->ops->close(r, t.file);
	clear(r, meta);
	if (rc != 0 && t.lacks != NULL)
		(void)snprintf(why, FITNESS_WHY_MAX, "its file system %s", t.lacks);
	else if (rc != 0)
		(void)snprintf(why, FITNESS_WHY_MAX, "trying what its file system can do: %s; check the disk", strerror(-rc));
	return rc;
}
