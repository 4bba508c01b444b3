/*
 * mendd/options -- the command line.
 *
 *   mendd [-f] [-c FILE]
 *   mendd --stdio DIRECTORY [--read-only] [--trusted-xattrs]
 */

#ifndef MENDD_OPTIONS_H
#define MENDD_OPTIONS_H

#include <stdbool.h>

struct options {
	enum { OPTIONS_SERVE, OPTIONS_STDIO, OPTIONS_HELP, OPTIONS_VERSION } action;
	bool foreground;
	const char *conf_file;
	const char *directory;		/* OPTIONS_STDIO: what is lent */
	bool read_only, trusted_xattrs;	/* likewise */
	char error[256];		/* one line, after a failure */
};

/* options_parse(options, argc, argv): strings belong to ${argv}.  -EINVAL. */
int options_parse(struct options *options, int argc, char **argv);

void options_help(void);

#endif
