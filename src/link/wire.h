/*
 * link/wire -- how long a byte takes on the way, for link/squeeze.
 */

#ifndef LINK_WIRE_H
#define LINK_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_SAMPLE_MIN ((size_t)16 * 1024)	/* shorter writes say more about the system call */

/* wire_average(cost, len, took_ns): a write of ${len} bytes took so long, waiting included; ${cost} in picoseconds a byte. */
void wire_average(uint64_t *cost, size_t len, uint64_t took_ns);

/*
 * wire_delivery_cost(fd):
 * What TCP has measured: picoseconds a byte, 0 if it is no TCP socket or
 * nothing was measured.  It tells of a slow wire where a socket's buffer takes
 * all that is written at once.
 */
uint64_t wire_delivery_cost(int fd);

#endif
