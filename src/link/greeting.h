/*
 * link/greeting -- the first 16 bytes in each direction.
 *
 *	server  "mendfs-s" u16 lowest version  u16 highest  u32 zero
 *	client  "mendfs-c" u16 chosen version  u16 zero     u32 zero
 *
 * It is all that a server says to somebody whom it does not know.  Over TCP
 * both are the handshake's prologue: whoever changes them breaks it.
 */

#ifndef LINK_GREETING_H
#define LINK_GREETING_H

#include <stdint.h>

#define GREETING_SIZE 16
#define GREETING_VERSION 1	/* of all that follows, frames and requests */

void greeting_server(uint8_t out[GREETING_SIZE]);
void greeting_client(uint8_t out[GREETING_SIZE]);
/* greeting_check_server(in): does the peer speak our version?  -EPROTO: nothing of ours; -EPROTONOSUPPORT: another version. */
int greeting_check_server(const uint8_t in[GREETING_SIZE]);
int greeting_check_client(const uint8_t in[GREETING_SIZE]);

#endif
