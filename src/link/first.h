/*
 * link/first -- the bytes of the first two messages, the same for both sides.
 *
 *	server -> client  greeting                        GREETING_SIZE
 *	client -> server  greeting, first Noise message   FIRST_FLIGHT_SIZE
 *	server -> client  second Noise message            SECOND_FLIGHT_SIZE
 */

#ifndef LINK_FIRST_H
#define LINK_FIRST_H

#include "link/greeting.h"
#include "link/noise.h"
#include "link/terms.h"

#define FIRST_MESSAGE_SIZE (NOISE_FIRST_OVERHEAD + TERMS_REQUEST_SIZE)
#define FIRST_FLIGHT_SIZE (GREETING_SIZE + FIRST_MESSAGE_SIZE)
#define SECOND_FLIGHT_SIZE (NOISE_SECOND_OVERHEAD + TERMS_ANSWER_SIZE)
#define PROLOGUE_SIZE (2 * GREETING_SIZE)	/* the server's greeting, the client's */

/* first_tune(fd): what a socket of ours needs (tcp(7)); what it is not for is left out. */
void first_tune(int fd);

#endif
