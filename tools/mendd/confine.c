#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "mendd/confine.h"
#include "mendd/seccomp.h"
#include "util/log.h"

#define CAP_MAX 64	/* numbers that a kernel may have */

/* What it takes to make and keep other users' files as they are elsewhere. */
static uint64_t
wanted_capabilities(bool trusted_xattrs)
{
	uint64_t wanted = UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_DAC_READ_SEARCH |
	    UINT64_C(1) << CAP_FOWNER | UINT64_C(1) << CAP_FSETID | UINT64_C(1) << CAP_MKNOD | UINT64_C(1) << CAP_SETFCAP;

	return trusted_xattrs ? wanted | UINT64_C(1) << CAP_SYS_ADMIN : wanted;
}

static int
drop_capabilities(bool trusted_xattrs)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	const uint64_t wanted = wanted_capabilities(trusted_xattrs);
	unsigned i;

	/* Refused to who has none to begin with, and nothing is to be dropped there. */
	for (i = 0; i < CAP_MAX; i++) {
		if ((wanted >> i & 1) == 0)
			(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capget, &header, data) != 0)
		return -errno;
	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(wanted >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) != 0 ? -errno : 0;
}

/* Handles are descriptors; and a core would have the key in it. */
static void
set_limits(void)
{
	struct rlimit limit = { .rlim_cur = 0, .rlim_max = 0 };

	(void)setrlimit(RLIMIT_CORE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int
unless_unsupported(const char *what, int rc)
{
	if (rc == -EOPNOTSUPP) {
		log_info("%s: not here; mendd goes without", what);
		return 0;
	}
	if (rc != 0)
		log_error("%s: %s; mendd does not serve unconfined", what, strerror(-rc));
	return rc;
}

int
confine_process(const struct confine *confine)
{
	int rc;

	/* What libc would read later: the time zone, for syslog. */
	tzset();
	set_limits();
	if ((rc = unless_unsupported("dropping capabilities", drop_capabilities(confine->trusted_xattrs))) != 0)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return unless_unsupported("prctl", -errno);
	if ((rc = unless_unsupported("Landlock", landlock_confine(confine->directories, confine->count))) != 0)
		return rc;
	return unless_unsupported("seccomp", seccomp_confine());
}
