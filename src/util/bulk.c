#include "util/bulk.h"

#include <sys/mman.h>

void *
bulk_new(size_t size)
{
	void *buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (buffer == MAP_FAILED)
		return NULL;
	/* A first byte touched is to cost one page, not two megabytes.  A kernel without huge pages refuses: fine. */
	(void)madvise(buffer, size, MADV_NOHUGEPAGE);
	return buffer;
}

void
bulk_idle(void *buffer, size_t size)
{
	if (buffer != NULL)
		(void)madvise(buffer, size, MADV_DONTNEED);
}

void
bulk_free(void *buffer, size_t size)
{
	if (buffer != NULL)
		(void)munmap(buffer, size);
}
