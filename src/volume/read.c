#include <errno.h>

#include "volume/blocks.h"
#include "volume/file.h"
#include "volume/files.h"

static ssize_t
read_locked(struct volume *v, struct node *node, uint64_t offset, size_t len, uint8_t *data)
{
	uint64_t first, last;
	int rc;

	if (offset >= node->size || len == 0)
		return 0;
	if (len > node->size - offset)
		len = (size_t)(node->size - offset);
	first = offset / BLOCK;
	last = (offset + len - 1) / BLOCK;
	if ((rc = blocks_read(v, node, first, last - first + 1, data)) != 0)
		return rc;
	return (ssize_t)len;
}

ssize_t
file_read(struct volume *v, struct node *node, uint64_t offset, size_t len, const void **data)
{
	uint8_t *scratch = blocks_scratch();
	enum files_access access = v->read_policy == VOLUME_READ_ROUND_ROBIN ? FILES_READ_ALL : FILES_READ;
	ssize_t n;
	int rc = 0;

	if (scratch == NULL)
		return -ENOMEM;
	if (len > FILE_IO_MAX)
		len = FILE_IO_MAX;
	do {
		pthread_rwlock_rdlock(&node->lock);
		if (!files_ready(v, node, access)) {
			n = -EAGAIN;
		} else if ((n = read_locked(v, node, offset, len, scratch)) == -EAGAIN) {
			/* Another member has to be asked. */
			access = FILES_READ_ALL;
		}
		pthread_rwlock_unlock(&node->lock);
	} while (n == -EAGAIN && (rc = files_use(v, node, access)) == 0);
	*data = scratch + offset % BLOCK;
	return n == -EAGAIN ? rc : n;
}
