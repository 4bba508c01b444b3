/*
 * volume/names -- looking up, making, moving and removing names.
 *
 * Each function that yields a node takes one kernel reference on it
 * (node_forget gives it back), and fills in ${st}.
 */

#ifndef VOLUME_NAMES_H
#define VOLUME_NAMES_H

#include "volume/node.h"

/* names_lookup: -ENOENT only if no replica in sync has the name. ".." and "." are understood (NFS export). */
int names_lookup(struct volume *volume, struct node *dir, const char *name, struct node **node, struct stat *st);
/* names_create: a regular file, and open it (as file_open with read and write). ${mode} as the caller gave it, before umask. */
int names_create(struct volume *volume, struct node *dir, const char *name, mode_t mode,
    const struct volume_caller *caller, struct node **node, struct stat *st);
/* names_mknod: any type but directory and link; names_mkdir: a directory. */
int names_mknod(struct volume *volume, struct node *dir, const char *name, mode_t mode, dev_t rdev,
    const struct volume_caller *caller, struct node **node, struct stat *st);
int names_mkdir(struct volume *volume, struct node *dir, const char *name, mode_t mode,
    const struct volume_caller *caller, struct node **node, struct stat *st);
int names_symlink(struct volume *volume, const char *target, struct node *dir, const char *name,
    const struct volume_caller *caller, struct node **node, struct stat *st);
int names_link(struct volume *volume, struct node *node, struct node *dir, const char *name, struct stat *st);
int names_unlink(struct volume *volume, struct node *dir, const char *name);
int names_rmdir(struct volume *volume, struct node *dir, const char *name);
/* names_rename: ${flags} RENAME_NOREPLACE or RENAME_EXCHANGE; others -EINVAL. */
int names_rename(struct volume *volume, struct node *dir, const char *name,
    struct node *new_dir, const char *new_name, unsigned flags);
/* names_tmpfile: a file without a name, open (O_TMPFILE); names_link gives it one. */
int names_tmpfile(struct volume *volume, struct node *dir, mode_t mode,
    const struct volume_caller *caller, struct node **node, struct stat *st);

#endif
