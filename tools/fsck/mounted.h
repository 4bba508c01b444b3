/*
 * fsck/mounted -- is this a mounted volume, where replicas were asked for?
 */

#ifndef FSCK_MOUNTED_H
#define FSCK_MOUNTED_H

#include <stdbool.h>

/* mounted_volume(path): is ${path} the mountpoint of a mendfs, or below one?  False if it cannot be found out. */
bool mounted_volume(const char *path);

#endif
