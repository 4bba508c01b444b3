#include "proto/name.h"

#include <string.h>

bool
proto_name_valid(const char *name, size_t len)
{
	if (len == 0 || memchr(name, '/', len) != NULL)
		return false;
	return !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}
