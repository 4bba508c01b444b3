/*
 * volume/show -- a node's attributes as stat(2) shows them.
 */

#ifndef VOLUME_SHOW_H
#define VOLUME_SHOW_H

#include "volume/state.h"

/*
 * show_attributes(volume, node, st):
 * Node lock; exclusively, and the tree lock, if node->blocks_stale: then a
 * member is asked for the space taken.
 */
void show_attributes(struct volume *volume, struct node *node, struct stat *st);

#endif
