/*
 * link/address -- HOST[:PORT], an IPv6 address in brackets.
 */

#ifndef LINK_ADDRESS_H
#define LINK_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#define ADDRESS_HOST_SIZE 256
#define ADDRESS_TEXT_SIZE (ADDRESS_HOST_SIZE + 8)

struct address { char host[ADDRESS_HOST_SIZE]; uint16_t port; };

/*
 * address_parse(text, port, a):
 * ${port}: what it is if ${text} has none.  A host is letters, digits and
 * ".-_:%", in lower case then, and does not begin with "-": it may become an
 * argument of a program.  -EINVAL.
 */
int address_parse(const char *text, uint16_t port, struct address *a);
/* address_to_text(a, text): always with the port; what address_parse() reads. */
void address_to_text(const struct address *a, char text[ADDRESS_TEXT_SIZE]);

#endif
