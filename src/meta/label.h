/*
 * meta/label -- a replica's label on its disk.
 */

#ifndef META_LABEL_H
#define META_LABEL_H

#include <time.h>

#include "format/label.h"
#include "replica/replica.h"

/*
 * label_read(r, label):
 * -ENOENT: there is none (no .mendfs, or no label in it); -ENOTDIR: .mendfs is
 * not a directory; -ESTALE: the label is not a regular file; else as label_decode.
 */
int label_read(struct replica *r, struct label *label);

/* label_time(r): when the label was written last; 0: not known. */
time_t label_time(struct replica *r);

/* label_write(r, label): replace the label, durably.  Makes .mendfs if missing. */
int label_write(struct replica *r, const struct label *label);

#endif
