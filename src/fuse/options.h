/*
 * fuse/options -- from command line, environment and file to what shall be done.
 *
 *   mendfs [-fdhV] [-o OPT,...] [--OPT...] REPLICA... MOUNTPOINT
 *   mendfs [...] NAME [MOUNTPOINT]		reads NAME.conf
 *   mount.mendfs SPEC MOUNTPOINT [-sfnv] [-o OPT,...]
 *
 * Reads the configuration file and looks which arguments are directories;
 * changes nothing but the struct.
 */

#ifndef FUSE_OPTIONS_H
#define FUSE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "fuse/settings.h"
#include "util/log.h"
#include "volume/volume.h"

#define OPTIONS_CONF_DIR "/etc/mendfs"

enum options_action { OPTIONS_MOUNT, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_NOTHING };

struct options_input {
	int argc;
	char **argv;
	char *const *environment;	/* as environ(7) */
	const char *conf_dir;
	bool privileged;		/* root: other defaults, more allowed */
};

struct options {
	enum options_action action;
	bool helper;			/* called as mount.mendfs */
	int exit_usage, exit_failed;	/* exit statuses: as mount.mendfs, mount(8)'s */
	bool foreground;
	bool debug;
	struct volume_options volume;	/* all its strings belong to this struct */
	const char *mountpoint;
	char *name;			/* NAME.conf was read; or NULL */
	enum log_level log_level;
	unsigned max_threads;
	const char *on_event;		/* the program to be called, checked; or NULL */
	char *mount_options;		/* for libfuse, separated by commas, all but "ro" */
	char *paths[2];			/* mountpoint and key file, absolute */
	char *replicas[VOLUME_REPLICAS_MAX];
	struct settings settings;	/* settings.error: what is wrong, after a failure */
};

/*
 * options_parse(options, input):
 * Fill in ${options}; options_free in any case.  On a wrong word or line the
 * error's text is one line for the user.  Paths come out absolute, because the
 * daemon changes its directory.
 */
int options_parse(struct options *options, const struct options_input *input);
void options_free(struct options *options);

#endif
