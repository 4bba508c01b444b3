#include <stddef.h>

#include "util/stall.h"

static _Thread_local struct stall_hook *current;

void
stall_hook_set(struct stall_hook *hook)
{
	current = hook;
}

void
stall_ahead(void)
{
	if (current != NULL)
		current->ahead(current);
}
