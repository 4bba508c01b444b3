/*
 * util/bulk -- large buffers that cost memory only while they are in use.
 *
 * A buffer is address space; pages come when they are first touched, and
 * bulk_idle() gives them back.  malloc() would keep them: it raises its own
 * limit for what it gives back each time that such a buffer is freed.
 */

#ifndef UTIL_BULK_H
#define UTIL_BULK_H

#include <stddef.h>

/* bulk_new(size): ${size} bytes of zeros, or NULL. */
void *bulk_new(size_t size);
/* bulk_idle(buffer, size): nothing in it is wanted any more; it reads as zeros.  NULL is fine. */
void bulk_idle(void *buffer, size_t size);
/* bulk_free(buffer, size): NULL is fine. */
void bulk_free(void *buffer, size_t size);

#endif
