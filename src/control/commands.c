#include <string.h>

#include "control/request.h"

static const struct control_command commands[] = {
	{ "add", control_add },
	{ "remove", control_remove },
	{ "replace", control_replace },
	{ "replicas", control_replicas },
	{ "explain", control_explain },
	{ "fsck", control_fsck },
	{ "metrics", control_metrics },
	{ "purge", control_purge },
	{ "resync", control_resync },
	{ "scrub", control_scrub },
	{ "status", control_status },
};

const struct control_command *
control_command_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}
