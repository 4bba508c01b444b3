/*
 * mendd -- lends directories as replicas to mendfs on other machines.
 */

#include <stdio.h>

#include <sodium.h>

#include "mendd/options.h"
#include "mendd/serve.h"
#include "mendd/supervise.h"
#include "util/log.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2

int
main(int argc, char **argv)
{
	struct options options;
	int rc = 0;

	log_setup("mendd", LOG_LEVEL_INFO, false);
	if (options_parse(&options, argc, argv) != 0) {
		log_error("%s", options.error);
		return EXIT_USAGE;
	}
	if (sodium_init() < 0) {
		log_error("libsodium cannot be initialised");
		return EXIT_FAILED;
	}
	switch (options.action) {
	case OPTIONS_HELP:
		options_help();
		break;
	case OPTIONS_VERSION:
		(void)printf("mendd %s\n", PACKAGE_VERSION);
		break;
	case OPTIONS_STDIO:
		rc = serve_stdio(options.directory, options.read_only, options.trusted_xattrs);
		break;
	case OPTIONS_SERVE:
		rc = supervise(options.conf_file, options.foreground, EXIT_FAILED);
		break;
	}
	return rc == 0 ? 0 : EXIT_FAILED;
}
