/*
 * check/file -- one inode that is no directory: data, record, metadata.
 */

#ifndef CHECK_FILE_H
#define CHECK_FILE_H

#include "check/state.h"

/*
 * file_check(s):
 * Check a subject whose want is known, and mend what may be mended: a regular
 * file with its data, a link or special file by comparison.
 */
void file_check(struct subject *s);

#endif
