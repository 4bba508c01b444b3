#include "command.h"

#include <stdio.h>

static void
answer(void *arg, const json_t *line)
{
	const char *text = jsonline_get_text(line, "text");

	(void)arg;
	if (text != NULL)
		fputs(text, stdout);
}

int
metrics_run(const struct command *command, int argc, char **argv)
{
	if (argc != 2)
		return usage_error(command, "%s", argc < 2 ? "which mountpoint?" : "one mountpoint at a time");
	return ask(argv[1], true, request_new(command), answer, NULL);
}
