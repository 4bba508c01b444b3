#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "mendd/conf.h"
#include "mendd/options.h"

enum { LONG_STDIO = 256, LONG_READ_ONLY, LONG_TRUSTED };

void
options_help(void)
{
	(void)fputs(
	    "usage: mendd [-f] [-c FILE]\n"
	    "       mendd --stdio DIRECTORY [--read-only] [--trusted-xattrs]\n"
	    "\n"
	    "Lend directories as replicas to mendfs on other machines.\n"
	    "\n"
	    "  -f, --foreground    stay in the foreground, log to standard error\n"
	    "  -c, --config FILE   what is exported, and to whom (" CONF_FILE ")\n"
	    "  --stdio DIRECTORY   serve who started us, through ssh, until the end of standard input\n"
	    "  --read-only         and take no changes\n"
	    "  --trusted-xattrs    and let trusted.* attributes be set\n"
	    "  -h, --help; -V, --version\n", stdout);
}

static int
take(struct options *options, int which)
{
	switch (which) {
	case 'f':
		options->foreground = true;
		return 0;
	case 'c':
		options->conf_file = optarg;
		return 0;
	case 'h':
		options->action = OPTIONS_HELP;
		return 0;
	case 'V':
		options->action = OPTIONS_VERSION;
		return 0;
	case LONG_STDIO:
		options->action = OPTIONS_STDIO;
		options->directory = optarg;
		return 0;
	case LONG_READ_ONLY:
		options->read_only = true;
		return 0;
	case LONG_TRUSTED:
		options->trusted_xattrs = true;
		return 0;
	default:
		return -EINVAL;
	}
}

int
options_parse(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "foreground", no_argument, NULL, 'f' }, { "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
		{ "stdio", required_argument, NULL, LONG_STDIO }, { "read-only", no_argument, NULL, LONG_READ_ONLY },
		{ "trusted-xattrs", no_argument, NULL, LONG_TRUSTED }, { NULL, 0, NULL, 0 },
	};
	int which;

	memset(options, 0, sizeof(*options));
	options->conf_file = CONF_FILE;
	opterr = 0;
	optind = 0;	/* glibc: begin anew */
	while ((which = getopt_long(argc, argv, "fc:hV", longs, NULL)) != -1) {
		if (take(options, which) != 0) {
			(void)snprintf(options->error, sizeof(options->error), "%.100s: unknown, or needs a value; mendd -h shows the usage",
			    argv[optind - 1]);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		(void)snprintf(options->error, sizeof(options->error), "\"%.100s\" is too much; mendd -h shows the usage", argv[optind]);
		return -EINVAL;
	}
	if (options->action == OPTIONS_STDIO && *options->directory != '/') {
		(void)snprintf(options->error, sizeof(options->error), "--stdio %.100s: say an absolute path", options->directory);
		return -EINVAL;
	}
	if (options->action != OPTIONS_STDIO && (options->read_only || options->trusted_xattrs)) {
		(void)snprintf(options->error, sizeof(options->error), "--read-only and --trusted-xattrs go with --stdio; else the configuration says so");
		return -EINVAL;
	}
	return 0;
}
