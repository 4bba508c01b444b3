/*
 * A replica put far away, in this process: a peer here, a session there, and a
 * pair of sockets between them.
 */

#ifndef TESTS_FAR_H
#define TESTS_FAR_H

#include "replica/peer.h"

struct far;

/*
 * far_put(inner, options, peer, far):
 * Lend ${inner}, which belongs to the far end from now on.  0, or a negative
 * errno value.
 */
int far_put(struct replica *inner, const struct peer_options *options, struct replica **peer, struct far **far);

/* far_cut(far): nothing goes through any more, and both ends know it. */
void far_cut(struct far *far);
/*
 * far_stop(far, stop): the far end takes nothing, and says nothing, as if the
 * cable were pulled out; far_stop(far, false): it goes on.
 */
void far_stop(struct far *far, bool stop);

/* far_done(far): after the peer was freed: wait for the far end's end, and free what was lent. */
void far_done(struct far *far);

#endif
