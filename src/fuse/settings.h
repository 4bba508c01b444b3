/*
 * fuse/settings -- what the administrator chose, wherever he said it.
 *
 * One table holds every setting's name; the command line (-o and --NAME), the
 * environment (MENDFS_NAME) and the configuration file use the same names and
 * the same values.  The source that ranks highest wins, in whatever order the
 * sources are read: command line, environment, file, default.  A value is
 * checked when it is given, also one that another source overrides.
 *
 * Pure: nothing here reads files or the environment.
 */

#ifndef FUSE_SETTINGS_H
#define FUSE_SETTINGS_H

#include <stdbool.h>

#include "volume/volume.h"

#define SETTINGS_ERROR_MAX 512	/* bytes of an error's text */

enum settings_source {
	SETTINGS_DEFAULT,	/* not given */
	SETTINGS_FILE,
	SETTINGS_ENVIRONMENT,
	SETTINGS_COMMAND_LINE
};

enum setting {
	SETTING_RO, SETTING_DEGRADED, SETTING_ADOPT,
	SETTING_CODEC, SETTING_KEY_FILE, SETTING_READ, SETTING_MIN_REPLICAS, SETTING_TIMEOUT, SETTING_WATCH,
	SETTING_ACK, SETTING_LINK_TIMEOUT, SETTING_WINDOW,
	SETTING_ON_EVENT,
	SETTING_LOG_LEVEL, SETTING_MAX_THREADS,
	SETTING_ALLOW_OTHER, SETTING_ALLOW_ROOT, SETTING_AUTO_UNMOUNT, SETTING_DEFAULT_PERMISSIONS,
	SETTING_DEV, SETTING_SUID, SETTING_EXEC, SETTING_SYNC, SETTING_DIRSYNC,
	SETTING_FSNAME, SETTING_SUBTYPE,
	SETTING_CONTEXT, SETTING_FSCONTEXT, SETTING_DEFCONTEXT, SETTING_ROOTCONTEXT,
	SETTING_MOUNTPOINT, SETTING_REPLICA,
	SETTING_COUNT
};

struct settings {
	struct {
		char *value;			/* NULL: not given; of a flag "yes" or "no" */
		enum settings_source source;
	} given[SETTING_COUNT];
	char *replicas[VOLUME_REPLICAS_MAX];	/* all of the source in given[SETTING_REPLICA] */
	unsigned replica_count;
	char error[SETTINGS_ERROR_MAX];		/* one line, set when a function fails */
};

void settings_init(struct settings *settings);
void settings_free(struct settings *settings);

/*
 * settings_set(settings, source, where, name, value):
 * Take in one setting.  ${value} NULL: a flag without a value, "yes".  ${where}
 * says in errors where it was given, as "-o", "MENDFS_CODEC" or
 * "/etc/mendfs/a.conf:3".  Options that only mount(8) or fstab(5) care for are
 * taken and do nothing.  Returns -ENOENT for an unknown name, -EINVAL for a
 * bad value, -ENOMEM; the text is in settings->error.
 */
int settings_set(struct settings *settings, enum settings_source source, const char *where,
    const char *name, const char *value);

/*
 * settings_add_replicas(settings, source, where, list):
 * Take in "a:b:c"; a colon or backslash within a path is written "\:" or "\\".
 * A part that begins with a scheme, as mend:// does, is a URL: its colons up to
 * the slash that follows the host are its own (replica/url).
 */
int settings_add_replicas(struct settings *settings, enum settings_source source, const char *where,
    const char *list);

/* settings_fail(settings, rc, format, ...): set the error's text; returns ${rc}. */
int settings_fail(struct settings *settings, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The value that counts, or ${otherwise} if none was given. */
bool settings_flag(const struct settings *settings, enum setting setting, bool otherwise);
unsigned settings_number(const struct settings *settings, enum setting setting, unsigned otherwise);
const char *settings_text(const struct settings *settings, enum setting setting, const char *otherwise);

/* settings_name(setting): as in the table; SETTING_COUNT - 1 is the last. */
const char *settings_name(enum setting setting);
/* settings_is_flag(setting): may it stand without a value? */
bool settings_is_flag(enum setting setting);
/* settings_read_policy(text, policy): "auto", "first", "round-robin"; -EINVAL. */
int settings_read_policy(const char *text, enum volume_read_policy *policy);

#endif
