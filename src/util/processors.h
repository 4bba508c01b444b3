/*
 * util/processors -- how many processors there are for this process.
 */

#ifndef UTIL_PROCESSORS_H
#define UTIL_PROCESSORS_H

/* processors_count(): that it may run on; at least 1.  Asked of the kernel once. */
unsigned processors_count(void);

#endif
