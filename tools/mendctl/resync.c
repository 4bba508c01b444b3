#include "command.h"

#include <inttypes.h>
#include <stdio.h>

static void
answer(void *arg, const json_t *line)
{
	uint64_t away = jsonline_get_number(line, "away", 0);

	(void)arg;
	if (away == 0)
		puts("all replicas are in sync");
	else
		printf("%" PRIu64 " not in sync: looking for them now\n", away);
}

int
resync_run(const struct command *command, int argc, char **argv)
{
	if (argc != 2)
		return usage_error(command, "%s", argc < 2 ? "which mountpoint?" : "one mountpoint at a time");
	return ask(argv[1], true, request_new(command), answer, NULL);
}
