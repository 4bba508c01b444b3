/*
 * proto/errors -- the protocol's own numbers of errors.
 *
 * errno's values differ from one platform to the next; these do not.  They are
 * listed in doc/PROTOCOL.md, and never change.
 */

#ifndef PROTO_ERRORS_H
#define PROTO_ERRORS_H

#include <stdint.h>

/*
 * proto_error_encode(error):
 * The protocol's number, always positive, of a (positive or negative) errno
 * value other than 0; what has none is EIO.
 */
uint32_t proto_error_encode(int error);

/*
 * proto_error_decode(number):
 * The positive errno value; EIO for a number that this version does not know.
 */
int proto_error_decode(uint32_t number);

#endif
