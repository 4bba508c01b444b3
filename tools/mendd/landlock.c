#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mendd/landlock.h"
#include "util/log.h"

/*
 * The kernel's interface, from Documentation/userspace-api/landlock.rst: the
 * headers that we are built with may be older than the kernel that we meet.
 */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#define CREATE_VERSION 1u
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1u << 0)
#define FS_WRITE_FILE (1u << 1)
#define FS_READ_FILE (1u << 2)
#define FS_READ_DIR (1u << 3)
#define FS_VERSION_1 ((1u << 13) - 1)	/* the above, and removing and making of each type */
#define FS_REFER (1u << 13)		/* from 2 on; before, moving between directories is refused to all */
#define FS_TRUNCATE (1u << 14)		/* 3 */
#define FS_IOCTL_DEV (1u << 15)		/* 5 */
#define NET_TCP 3u			/* 4: bind, connect */
#define SCOPE_ALL 3u			/* 6: abstract Unix sockets, signals */

struct ruleset_attr { uint64_t fs, net, scoped; };
struct path_beneath_attr { uint64_t allowed; int32_t parent; } __attribute__((packed));

/* What version ${abi} can be asked to refuse; its size in the third versions' struct. */
static size_t
refusable(int abi, struct ruleset_attr *attr)
{
	attr->fs = FS_VERSION_1 | FS_REFER;
	attr->net = attr->scoped = 0;
	if (abi >= 3)
		attr->fs |= FS_TRUNCATE;
	if (abi >= 5)
		attr->fs |= FS_IOCTL_DEV;
	if (abi >= 4)
		attr->net = NET_TCP;
	if (abi >= 6)
		attr->scoped = SCOPE_ALL;
	return abi >= 6 ? sizeof(*attr) : abi >= 4 ? offsetof(struct ruleset_attr, scoped) : offsetof(struct ruleset_attr, net);
}

static int
add_directory(int ruleset, const struct landlock_directory *directory, uint64_t refusable_fs)
{
	struct path_beneath_attr beneath = { .allowed = directory->write ?
	    refusable_fs & ~(uint64_t)(FS_EXECUTE | FS_IOCTL_DEV) : FS_READ_FILE | FS_READ_DIR };
	int rc = 0;

	if ((beneath.parent = open(directory->path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) {
		log_warning("%s: %m; not to be reached until it is there and mendd is reloaded", directory->path);
		return 0;
	}
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &beneath, 0) != 0)
		rc = -errno;
	(void)close(beneath.parent);
	return rc;
}

int
landlock_confine(const struct landlock_directory *directories, unsigned count)
{
	struct ruleset_attr attr;
	unsigned i;
	size_t size;
	int ruleset, rc = 0;
	long abi;

	if ((abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION)) < 2)
		return -EOPNOTSUPP;
	size = refusable((int)abi, &attr);
	if ((ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0)) < 0)
		return -errno;
	for (i = 0; i < count && rc == 0; i++)
		rc = add_directory(ruleset, &directories[i], attr.fs);
	if (rc == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		rc = -errno;
	(void)close(ruleset);
	return rc;
}
