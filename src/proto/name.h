/*
 * proto/name -- is it a single name?
 */

#ifndef PROTO_NAME_H
#define PROTO_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* proto_name_valid(name, len): a component: not empty, not "." or "..", no slash among its ${len} bytes. */
bool proto_name_valid(const char *name, size_t len);

#endif
