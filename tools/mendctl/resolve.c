#include "command.h"

#include <string.h>

#include "check/resolve.h"

/* Which side of a fork wins; of replicas that are not mounted. */
int
resolve_run(const struct command *command, int argc, char **argv)
{
	if (argc < 3 || strcmp(argv[1], "--keep") != 0)
		return usage_error(command, "which one is to be kept?");
	if (argc < 5)
		return usage_error(command, "name all replicas of the volume, those that lose as well");
	return resolve_fork((const char *const *)argv + 3, (unsigned)argc - 3, argv[2]) == 0 ? EXIT_DONE : EXIT_FAILED;
}
