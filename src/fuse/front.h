/*
 * fuse/front -- what every handler starts from: the session's own data.
 */

#ifndef FUSE_FRONT_H
#define FUSE_FRONT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fuse/libfuse.h"
#include "fuse/wire.h"
#include "util/list.h"
#include "volume/volume.h"

/*
 * How long the kernel may believe what it was told, in seconds: for ever,
 * because the mount is the only writer, and the kernel itself drops what a
 * request of its own has changed.
 */
#define FRONT_VALID_S 1e9

struct front {
	struct volume *volume;
	struct fuse_session *session;
	struct wire wire;
	bool no_opendir;		/* the kernel opens directories by itself, if told so once */
	pthread_mutex_t listings_lock;
	struct list_link listings;	/* listings_lock; of ops_dir.c: directories that are being read */
	unsigned listings_count;	/* listings_lock */
	/* What is learned of the kernel's wishes; a race costs a request at worst. */
	_Atomic fuse_ino_t listed;	/* the directory last listed without attributes; 0: none */
	atomic_int full_listings;	/* how many more are listed with them */
};

/* front_of(req): the session's data. */
static inline struct front *
front_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

#endif
