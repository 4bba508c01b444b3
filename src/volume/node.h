/*
 * volume/node -- the inodes that the kernel knows.
 *
 * A node stands for one file, directory, link or special file, whatever its
 * names.  It lives while the kernel (node_forget), an open file, a child or
 * the flusher holds it.
 */

#ifndef VOLUME_NODE_H
#define VOLUME_NODE_H

#include <stdint.h>
#include <sys/stat.h>

#include "volume/volume.h"

/* node_id(node): the file id, shown as st_ino. */
uint64_t node_id(const struct node *node);
/*
 * node_forget(volume, node, count):
 * The kernel drops ${count} of the references that names_lookup and the
 * functions that make names gave it.
 */
void node_forget(struct volume *volume, struct node *node, uint64_t count);

#endif
