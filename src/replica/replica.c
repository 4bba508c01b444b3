#include <errno.h>
#include <string.h>

#include "replica/replica.h"

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

bool
replica_name_valid(const char *name)
{
	if (name == NULL || name[0] == '\0')
		return false;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	return strchr(name, '/') == NULL;
}
