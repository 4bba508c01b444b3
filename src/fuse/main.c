/*
 * mendfs -- mount one file tree over several directories that hold it.
 */

#include <unistd.h>

#include "fuse/options.h"
#include "fuse/serve.h"
#include "fuse/usage.h"
#include "util/log.h"

static int
run(const struct options *options)
{
	switch (options->action) {
	case OPTIONS_HELP:
		usage_help();
		return 0;
	case OPTIONS_VERSION:
		usage_version();
		return 0;
	case OPTIONS_NOTHING:
		return 0;
	case OPTIONS_MOUNT:
		break;
	}
	log_setup("mendfs", options->log_level, false);
	return serve(options);
}

int
main(int argc, char **argv)
{
	struct options_input input = {
		.argc = argc,
		.argv = argv,
		.environment = environ,
		.conf_dir = OPTIONS_CONF_DIR,
		.privileged = geteuid() == 0,
	};
	struct options options;
	int status = 0;

	log_setup("mendfs", LOG_LEVEL_INFO, false);
	if (options_parse(&options, &input) != 0) {
		log_error("%s", options.settings.error);
		status = options.exit_usage;
	} else if (run(&options) != 0) {
		status = options.exit_failed;
	}
	options_free(&options);
	return status;
}
