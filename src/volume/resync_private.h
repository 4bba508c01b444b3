/*
 * volume/resync_private -- what the resync*.c files share; nobody else's.
 *
 * Errors: a negative errno value ends the attempt, and the member is away again.
 */

#ifndef VOLUME_RESYNC_PRIVATE_H
#define VOLUME_RESYNC_PRIVATE_H

#include "meta/copy.h"
#include "meta/judge.h"
#include "meta/listing.h"
#include "volume/handles.h"
#include "volume/state.h"

#define RESYNC_BATCH 128	/* files that wait for their records until their data is durable */

/* A file or directory on the member by its id, where it does not belong. */
struct parked {
	struct hashmap_link by_id;
	struct parked *dir;		/* what it is in, or NULL: see path */
	struct parked *next;		/* all that there are */
	char *name;			/* in dir */
	char *path;			/* from the member's top, if dir is NULL; NULL: gone */
	char *origin;			/* where it stood, if dir is NULL; NULL: not known */
	bool is_dir, indexed;
};

/* One name of what has several. */
struct placed { struct hashmap_link by_id; char *path; struct stat st; };

/* A file whose data is there, and whose record is to follow. */
struct sealed {
	struct node *node;		/* with a reference */
	replica_handle handle;
	ino_t ino;			/* on the member; in its */
	unsigned turn;
	struct replica_times times;
	uint8_t *record;
	size_t len;
};

struct resync {
	struct volume *v;
	struct member *m;
	bool keep;			/* the member lost a fork: all that differs goes to its quarantine */
	bool exclusive;			/* the tree lock is ours throughout */
	bool walk;			/* this round goes through the whole tree */
	unsigned walks;			/* how many did, this one included */
	bool deep;			/* all that is below as well */
	replica_handle staging;		/* .mendfs/resync */
	struct hashmap parked, placed;
	struct hashmap origins;		/* where what was renamed stood on the member, by id */
	struct hashmap ours;		/* inodes of the member that were made or written in this attempt */
	struct parked *all;
	unsigned slot;			/* for names in staging that have no id */
	struct sealed batch[RESYNC_BATCH];
	unsigned batch_count;
	bool batch_data;
	uint64_t batch_bytes;
	uint8_t *data, *theirs;		/* a page's worth of blocks each: the source's, the member's */
	uint64_t changed, renamed, removed, lost;
	uint64_t written, compared, tags;	/* bytes */
	unsigned unlinked;		/* files with fewer or more names than with the others */
	unsigned strayed;		/* nodes that were not found where they should be, in a row */
};

/* resync_stopped(r): the volume is being closed, or there is nobody to copy from. */
bool resync_stopped(const struct resync *r);

/* What this attempt has made or written (volume/resync_ours.c). */

/* resync_ours(r, st): this inode is as this attempt leaves it; not: as somebody else made it.  Which turn of it this is; 0: no memory. */
unsigned resync_ours(struct resync *r, const struct stat *st);
bool resync_is_ours(const struct resync *r, const struct stat *st);
/* resync_ours_again(r, ino, turn): it was begun anew since ${turn}, whose record no longer fits. */
bool resync_ours_again(const struct resync *r, ino_t ino, unsigned turn);
/*
 * resync_ours_sealed(r, ino), resync_is_sealed(r, st):
 * This attempt has compared it and stored its record, and has not begun to write it since.
 */
void resync_ours_sealed(struct resync *r, ino_t ino);
bool resync_is_sealed(const struct resync *r, const struct stat *st);
/* resync_foreign(r, st): it was last changed while the member was away, and not by us. */
bool resync_foreign(const struct resync *r, const struct stat *st);
void resync_ours_free(struct resync *r);

/* The tree lock, shared, unless it is ours. */
void resync_lock(struct resync *r);
void resync_unlock(struct resync *r);

/* Where things are (volume/resync_place.c). */

/* resync_path(v, node): its path from the top without a leading slash, malloc'd; NULL: it has no name. */
char *resync_path(struct volume *v, const struct node *node);
/* resync_join(dir, name): a path, malloc'd; ${dir} is "" for the top. */
char *resync_join(const char *dir, const char *name);
/* resync_open_parent(replica, path, dir, name): open the directory of a path, which is cut up, and point to its last component. */
int resync_open_parent(struct replica *replica, char *path, replica_handle *dir, const char **name);
/* resync_record_id(r, replica, at, is_dir): the id that the record there has; 0: none.  ${*is_dir} is left alone then. */
uint64_t resync_record_id(struct resync *r, struct replica *replica, struct replica_at at, bool *is_dir);
/*
 * resync_source(r, node, place):
 * The nearest member in sync on which ${node} is reached, and how, until handles_at_done; NULL: none.
 * Tree lock, and the node's if it may be open.
 */
struct member *resync_source(struct resync *r, struct node *node, struct handles_place *place);
/*
 * resync_open(r, node, handle):
 * The directory ${node} on the member, by its path with the others.  -ENOENT:
 * something else stands there, or nothing.  Close with listing_close.
 */
int resync_open(struct resync *r, struct node *node, replica_handle *handle);

/*
 * What the versions that are kept are told of (volume/resync_keep.c).  A path
 * from the top with a leading slash, malloc'd; NULL: no memory, or not known.
 *
 * resync_origin(r, dir, name): where the member had ${name} of ${dir}, or, with NULL, ${dir} itself.
 * resync_origin_of(p): where what is parked stood.
 * resync_moved(r, id, p): what is parked goes where it belongs, under another name.
 */
char *resync_origin(struct resync *r, const struct node *dir, const char *name);
char *resync_origin_of(const struct parked *p);
int resync_moved(struct resync *r, uint64_t id, const struct parked *p);

/* resync_origin_save(r, slot, origin), resync_origin_read(r, slot): of what is in staging; it outlives this attempt. */
int resync_origin_save(struct resync *r, const char *slot, const char *origin);
char *resync_origin_read(struct resync *r, const char *slot);
/* resync_is_origin(name): this name in staging is no slot, but tells of one. */
bool resync_is_origin(const char *name);

/*
 * resync_same_version(fact, record):
 * Is what ${fact} tells of, as far as users can tell, the version that
 * ${record} describes?  Not if somebody wrote since its own record was stored.
 */
bool resync_same_version(const struct judge_fact *fact, const struct record *record);

/*
 * resync_draft(r, node, at): store a record in a file that was just made, which says whose it is and vouches for nothing.
 * resync_is_draft(fact): it has such a one: an attempt that was cut off made it, and nobody else.
 */
int resync_draft(struct resync *r, const struct node *node, struct replica_at at);
bool resync_is_draft(const struct judge_fact *fact);

/* resync_reason(r): why a version is kept. */
const char *resync_reason(const struct resync *r);
/* resync_put_aside(r, handle, name, origin): move it to the quarantine, and say so. */
int resync_put_aside(struct resync *r, replica_handle handle, const char *name, const char *origin);
/* resync_keep_slot(r, slot): keep what is parked there, if there is anything in it but directories. */
int resync_keep_slot(struct resync *r, const char *slot);
void resync_keep_free(struct resync *r);

/*
 * resync_names(r, dir, handle, park):
 * Make the names in ${dir}, which is ${handle} on the member, what they are
 * with the others; with ${park} only put away what does not belong.  In a
 * walk, and in directories that are new, everything below as well.
 */
int resync_names(struct resync *r, struct node *dir, replica_handle handle, bool park);

/* What does not stand where it belongs (volume/resync_park.c). */

/* resync_parked_new(r), resync_parked_free(r): nothing is parked yet; forget what is. */
int resync_parked_new(struct resync *r);
void resync_parked_free(struct resync *r);
/* resync_park(r, dir, handle, name): this name does not belong here.  What has an id may be wanted elsewhere. */
int resync_park(struct resync *r, struct node *dir, replica_handle handle, const char *name);
/* resync_unpark(r, node, dir, handle, name): what is parked of it goes there.  -ENOENT: nothing is. */
int resync_unpark(struct resync *r, struct node *node, struct node *dir, replica_handle handle, const char *name);
/* resync_set_aside(r, dir, handle, name): it goes to the quarantine. */
int resync_set_aside(struct resync *r, struct node *dir, replica_handle handle, const char *name);
/* resync_staging(r): where things are parked; what an earlier attempt left there is known. */
int resync_staging(struct resync *r);
void resync_staging_remove(struct resync *r);
/* resync_purge(r): what is parked still is not needed, and goes; nothing is parked or placed any more. */
int resync_purge(struct resync *r);

/* What has several names (volume/resync_links.c). */

int resync_links_new(struct resync *r);
void resync_links_free(struct resync *r);
/* resync_link(r, node, dir, handle, name): make it a link to another name that the member has.  -ENOENT: it has none that is known. */
int resync_link(struct resync *r, struct node *node, const struct node *dir, replica_handle handle, const char *name);
/* resync_links(r, node, dir, handle, name): have the name be a link to those that were met before. 1: it is; 0: it is the first. */
int resync_links(struct resync *r, struct node *node, struct node *dir, replica_handle handle, const char *name);
/* resync_links_has(r, id, st): is this inode of the member in its place under some name? */
bool resync_links_has(const struct resync *r, uint64_t id, const struct stat *st);
/* resync_links_verify(r): count in r->unlinked what has fewer or more names than with the others. */
void resync_links_verify(struct resync *r);

/* Files (volume/resync_file.c). */

/*
 * resync_file(r, node, dir, name, fresh):
 * Bring the file, which is ${name} in ${dir} on the member, up to date.
 * ${fresh}: it was just made, and is empty.  -ESTALE: another file stands there.
 */
int resync_file(struct resync *r, struct node *node, replica_handle dir, const char *name, bool fresh);
/* resync_orphans(r): tags files that nobody else has go. */
int resync_orphans(struct resync *r);
/* resync_nameless(r, node): make an open file that has no name any more on the member too.  Tree lock, node lock. */
int resync_nameless(struct resync *r, struct node *node);
/* resync_seal(r): store the records of all files whose data is there. */
int resync_seal(struct resync *r);
/* resync_seal_drop(r): the records of the batch will not follow: what was written there is to be compared next time. */
void resync_seal_drop(struct resync *r);
/* resync_inode(r, node, to): owner, mode, xattrs, times and record of what is at ${to}.  Tree lock, node lock. */
int resync_inode(struct resync *r, struct node *node, struct replica_at to);

#endif
