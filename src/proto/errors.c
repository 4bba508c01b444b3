#include "proto/errors.h"

#include <errno.h>
#include <stddef.h>

/* Only ever grows.  Numbers below 128 are Linux's on most architectures, to make a dump readable. */
static const struct { uint32_t number; int error; } errors[] = {
	{ 1, EPERM }, { 2, ENOENT }, { 4, EINTR }, { 5, EIO }, { 6, ENXIO }, { 7, E2BIG }, { 9, EBADF },
	{ 11, EAGAIN }, { 12, ENOMEM }, { 13, EACCES }, { 14, EFAULT }, { 16, EBUSY }, { 17, EEXIST }, { 18, EXDEV },
	{ 19, ENODEV }, { 20, ENOTDIR }, { 21, EISDIR }, { 22, EINVAL }, { 23, ENFILE }, { 24, EMFILE },
	{ 25, ENOTTY }, { 26, ETXTBSY }, { 27, EFBIG }, { 28, ENOSPC }, { 29, ESPIPE }, { 30, EROFS },
	{ 31, EMLINK }, { 32, EPIPE }, { 33, EDOM }, { 34, ERANGE }, { 35, EDEADLK }, { 36, ENAMETOOLONG },
	{ 37, ENOLCK }, { 38, ENOSYS }, { 39, ENOTEMPTY }, { 40, ELOOP }, { 61, ENODATA }, { 62, ETIME },
	{ 67, ENOLINK }, { 70, ECOMM }, { 71, EPROTO }, { 74, EBADMSG }, { 75, EOVERFLOW }, { 84, EILSEQ },
	{ 93, EPROTONOSUPPORT }, { 95, EOPNOTSUPP }, { 100, ENETDOWN }, { 101, ENETUNREACH }, { 102, ENETRESET },
	{ 103, ECONNABORTED }, { 104, ECONNRESET }, { 107, ENOTCONN }, { 108, ESHUTDOWN }, { 110, ETIMEDOUT },
	{ 111, ECONNREFUSED }, { 112, EHOSTDOWN }, { 113, EHOSTUNREACH }, { 116, ESTALE }, { 117, EUCLEAN },
	{ 121, EREMOTEIO }, { 122, EDQUOT }, { 123, ENOMEDIUM }, { 124, EMEDIUMTYPE }, { 125, ECANCELED },
};

#define COUNT (sizeof(errors) / sizeof(errors[0]))

uint32_t
proto_error_encode(int error)
{
	if (error < 0)
		error = -error;
	for (size_t i = 0; i < COUNT; i++)
		if (errors[i].error == error)
			return errors[i].number;
	return proto_error_encode(EIO);
}

int
proto_error_decode(uint32_t number)
{
	for (size_t i = 0; i < COUNT; i++)
		if (errors[i].number == number)
			return errors[i].error;
	return EIO;
}
