#include <errno.h>
#include <string.h>
#include <time.h>

#include "replica/replica.h"
#include "util/clock.h"
#include "util/log.h"

#define LOCK_WAIT_MS 10000	/* a daemon that ends has this long to store what it has */
#define LOCK_SILENT_MS 500	/* of these without a word */
#define LOCK_RETRY_NS 20000000L

bool
replica_error_is_own(int error)
{
	switch (error < 0 ? -error : error) {
	/* The disk, or its file system. */
	case EIO:
	case EROFS:
	case ENXIO:
	case ENODEV:
	case ENOMEDIUM:
	case EMEDIUMTYPE:
	case EUCLEAN:
	case EBADF:
	case ESTALE:
	case EREMOTEIO:
	case ENOSYS:
	/* The way to it. */
	case ENOTCONN:
	case ESHUTDOWN:
	case ETIMEDOUT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETDOWN:
	case ENETUNREACH:
	case ENETRESET:
	case ECONNABORTED:
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOLINK:
	case ECOMM:
	case EPIPE:
	case EPROTO:
		return false;
	default:
		return true;
	}
}

void
replica_privs_get(struct replica *r, struct replica_at at, struct replica_privs *privs)
{
	struct stat st;

	privs->mode = r->ops->stat(r, at, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) ? st.st_mode : 0;
	privs->len = r->ops->xattr_get(r, at, "security.capability", privs->capability, sizeof(privs->capability));
}

int
replica_privs_put(struct replica *r, struct replica_at at, const struct replica_privs *privs)
{
	struct stat st;
	int rc = 0;

	if (privs->mode != 0 && (rc = r->ops->stat(r, at, &st)) == 0 && st.st_mode != privs->mode)
		rc = r->ops->chmod(r, at, privs->mode & 07777);
	if (rc == 0 && privs->len > 0)
		rc = r->ops->xattr_set(r, at, "security.capability", privs->capability, (size_t)privs->len, 0);
	return rc;
}

int
replica_lock_wait(struct replica *r, bool exclusive)
{
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_NS };
	uint64_t waited, start = clock_monotonic_ms();
	bool said = false;
	int rc;

	while ((rc = r->ops->lock(r, exclusive)) == -EWOULDBLOCK) {
		waited = clock_monotonic_ms() - start;
		if (waited >= LOCK_WAIT_MS)
			break;
		if (!said && waited >= LOCK_SILENT_MS) {
			log_info("%s: in use; waiting, in case a mount or check of it is just ending", r->path);
			said = true;
		}
		(void)nanosleep(&pause, NULL);
	}
	return rc;
}

bool
replica_name_valid(const char *name)
{
	if (name == NULL || name[0] == '\0')
		return false;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	return strchr(name, '/') == NULL;
}
