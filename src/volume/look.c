#include "volume/look.h"

static _Thread_local bool looking;

void
look_begin(void)
{
	looking = true;
}

void
look_end(void)
{
	looking = false;
}

bool
look_only(const struct volume *v)
{
	return looking || v->no_writes;
}
