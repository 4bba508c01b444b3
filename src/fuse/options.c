#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/onevent.h"
#include "fuse/conffile.h"
#include "fuse/options.h"
#include "replica/open.h"

#define TIMEOUT_S 30			/* a replica without an answer for so long is lost unless timeout says otherwise */
#define THREADS_MAX 32			/* requests served at a time unless max_threads says otherwise */
#define FSNAME_MAX 1000			/* bytes; the kernel takes a page for all mount options */
#define ENVIRONMENT_PREFIX "MENDFS_"

/* What the command line says beside settings. */
struct words {
	bool sloppy;			/* -s of mount.mendfs: let unknown options pass */
	char **arg;			/* neither option nor value */
	int count;
};

/* One "name" or "name=value" of -o. */
static int
set_option(struct options *options, const struct words *words, char *text)
{
	char *value = strchr(text, '=');
	int rc;

	if (*text == '\0')
		return 0;
	if (value != NULL)
		*value++ = '\0';
	if (strcmp(text, "debug") == 0 && value == NULL) {
		options->debug = options->foreground = true;
		return 0;
	}
	rc = settings_set(&options->settings, SETTINGS_COMMAND_LINE, "-o", text, value);
	return rc == -ENOENT && words->sloppy ? 0 : rc;
}

/* Cut the list of -o at its commas; "\," and "\\" stand for themselves. */
static int
set_option_list(struct options *options, const struct words *words, const char *list)
{
	char *text, *end;
	int rc = 0;

	if ((text = malloc(strlen(list) + 1)) == NULL)
		return settings_fail(&options->settings, -ENOMEM, "out of memory");
	while (rc == 0) {
		for (end = text; *list != '\0' && *list != ','; list++) {
			if (list[0] == '\\' && (list[1] == ',' || list[1] == '\\'))
				list++;
			*end++ = *list;
		}
		*end = '\0';
		rc = set_option(options, words, text);
		if (*list++ == '\0')
			break;
	}
	free(text);
	return rc;
}

enum { LONG_HELP = SETTING_COUNT, LONG_VERSION, LONG_FOREGROUND, LONG_DEBUG, LONG_COUNT };

static void
list_long_options(struct option *list)
{
	static const char *const others[] = { "help", "version", "foreground", "debug" };
	int i;

	memset(list, 0, (LONG_COUNT + 1) * sizeof(*list));
	for (i = 0; i < LONG_COUNT; i++) {
		list[i].val = CHAR_MAX + 1 + i;
		if (i >= SETTING_COUNT) {
			list[i].name = others[i - SETTING_COUNT];
			continue;
		}
		list[i].name = settings_name((enum setting)i);
		list[i].has_arg = settings_is_flag((enum setting)i) ? optional_argument : required_argument;
	}
}

static int
take_long_option(struct options *options, int which, const char *value)
{
	char where[64];

	switch (which) {
	case LONG_HELP:
		options->action = OPTIONS_HELP;
		return 0;
	case LONG_VERSION:
		options->action = OPTIONS_VERSION;
		return 0;
	case LONG_DEBUG:
		options->debug = true;
		/* fall through */
	case LONG_FOREGROUND:
		options->foreground = true;
		return 0;
	default:
		(void)snprintf(where, sizeof(where), "--%s", settings_name((enum setting)which));
		return settings_set(&options->settings, SETTINGS_COMMAND_LINE, where,
		    settings_name((enum setting)which), value);
	}
}

static int
take_short_option(struct options *options, struct words *words, int letter, const char *value)
{
	switch (letter) {
	case 'o':
		return set_option_list(options, words, value);
	case 'f':
		/* mount(8): do everything but the mount itself. */
		if (options->helper)
			options->action = OPTIONS_NOTHING;
		options->foreground = true;
		return 0;
	case 'd':
		options->debug = options->foreground = true;
		return 0;
	case 's':
		words->sloppy = true;
		return 0;
	case 'n': case 'v': case 't':
		return 0;
	case 'r':
		return settings_set(&options->settings, SETTINGS_COMMAND_LINE, "-r", "ro", NULL);
	case 'w':
		return settings_set(&options->settings, SETTINGS_COMMAND_LINE, "-w", "rw", NULL);
	case 'h':
		options->action = OPTIONS_HELP;
		return 0;
	case 'V':
		options->action = OPTIONS_VERSION;
		return 0;
	default:
		return settings_fail(&options->settings, -EINVAL, "internal error: option %c", letter);
	}
}

/* -s may follow an -o that needs it. */
static bool
has_sloppy(int argc, char *const *argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1] != '-' && argv[i][1] != 'o' && strchr(argv[i], 's') != NULL)
			return true;
	}
	return false;
}

static int
parse_command_line(struct options *options, const struct options_input *input, struct words *words)
{
	struct option list[LONG_COUNT + 1];
	const char *base = strrchr(input->argv[0], '/');
	const char *letters;
	int letter, rc = 0;

	base = base != NULL ? base + 1 : input->argv[0];
	options->helper = strcmp(base, "mount.mendfs") == 0 || strcmp(base, "mount.fuse.mendfs") == 0;
	options->exit_usage = options->helper ? 1 : 2;
	options->exit_failed = options->helper ? 32 : 1;
	letters = options->helper ? ":o:sfnvrwt:hV" : ":o:fdhV";
	words->sloppy = options->helper && has_sloppy(input->argc, input->argv);
	list_long_options(list);

	opterr = 0;
	optind = 0;	/* glibc: begin anew, whatever was parsed before */
	while (rc == 0 && (letter = getopt_long(input->argc, input->argv, letters, list, NULL)) != -1) {
		if (letter == ':' || letter == '?') {
			rc = settings_fail(&options->settings, -EINVAL, "%s: %s; mendfs -h shows the usage",
			    input->argv[optind - 1], letter == ':' ? "needs a value" : "unknown option");
		} else if (letter > CHAR_MAX) {
			rc = take_long_option(options, letter - CHAR_MAX - 1, optarg);
		} else {
			rc = take_short_option(options, words, letter, optarg);
		}
	}
	words->arg = input->argv + optind;
	words->count = input->argc - optind;
	return rc;
}

/* What remote replicas go by: link/key.h, link/ssh.h. */
static bool
is_links(const char *name, size_t len)
{
	static const char *const names[] = { "KEY", "KNOWN_SERVERS", "SSH" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
			return true;
	}
	return false;
}

/* MENDFS_KEY_FILE=x is key-file=x. */
static int
parse_environment(struct options *options, char *const *environment)
{
	char name[64], where[64 + sizeof(ENVIRONMENT_PREFIX)];
	const char *text, *value;
	size_t len, i;
	int rc = 0;

	for (; rc == 0 && environment != NULL && *environment != NULL; environment++) {
		if (strncmp(*environment, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0)
			continue;
		text = *environment + strlen(ENVIRONMENT_PREFIX);
		len = strcspn(text, "=");
		if (text[len] != '=' || len >= sizeof(name) || is_links(text, len))
			continue;
		for (i = 0; i < len; i++)
			name[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
		name[len] = '\0';
		value = text + len + 1;
		(void)snprintf(where, sizeof(where), "%s%.*s", ENVIRONMENT_PREFIX, (int)len, text);
		rc = settings_set(&options->settings, SETTINGS_ENVIRONMENT, where, name, value);
		if (rc == -ENOENT) {
			log_warning("environment variable %s names no option; mendfs(8) lists them", where);
			rc = 0;
		}
	}
	return rc;
}

static bool
is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Could ${word} be the NAME of a configuration file? */
static bool
is_name(const char *word)
{
	return *word != '\0' && *word != '.' && strpbrk(word, "/:") == NULL && !is_directory(word);
}

/* Read NAME.conf.  ${must}: its absence is an error, else ${*found} tells. */
static int
parse_file(struct options *options, const char *conf_dir, const char *name, bool must, bool *found)
{
	char path[PATH_MAX];
	FILE *file;
	int rc;

	*found = false;
	if (snprintf(path, sizeof(path), "%s/%s.conf", conf_dir, name) >= (int)sizeof(path))
		return settings_fail(&options->settings, -EINVAL, "%s: name too long; give replicas and a mountpoint", name);
	if ((file = fopen(path, "re")) == NULL) {
		if (errno == ENOENT && !must)
			return 0;
		if (errno == ENOENT) {
			return settings_fail(&options->settings, -EINVAL,
			    "%s: no such directory, and no file %s; give replicas and a mountpoint, or write that file",
			    name, path);
		}
		return settings_fail(&options->settings, -EINVAL, "%s: cannot be read: %s", path, strerror(errno));
	}
	rc = conffile_read(file, path, &options->settings);
	(void)fclose(file);
	if (rc != 0)
		return -EINVAL;
	if ((options->name = strdup(name)) == NULL)
		return settings_fail(&options->settings, -ENOMEM, "out of memory");
	*found = true;
	return 0;
}

/* One REPLICA argument: a directory as it stands, a URL, or a list a:b:c of these as fstab has it. */
static int
take_replica(struct options *options, const char *word)
{
	char *path, *at;
	int rc;

	if (!replica_open_local(word) || !is_directory(word) || strchr(word, ':') == NULL)
		return settings_add_replicas(&options->settings, SETTINGS_COMMAND_LINE, word, word);

	/* An existing directory with colons in its name: escape them again. */
	if ((path = malloc(2 * strlen(word) + 1)) == NULL)
		return settings_fail(&options->settings, -ENOMEM, "out of memory");
	for (at = path; *word != '\0'; word++) {
		if (*word == ':' || *word == '\\')
			*at++ = '\\';
		*at++ = *word;
	}
	*at = '\0';
	rc = settings_add_replicas(&options->settings, SETTINGS_COMMAND_LINE, path, path);
	free(path);
	return rc;
}

/* What the words mean that are no options; reads the file if one is named. */
static int
parse_words(struct options *options, const struct options_input *input, const struct words *words)
{
	struct settings *settings = &options->settings;
	bool found = false;
	int i, rc = 0;

	if (options->helper && words->count != 2)
		return settings_fail(settings, -EINVAL, "two words needed: what to mount, and where; mount.mendfs -h shows the usage");
	if (words->count == 1 && is_name(words->arg[0]))
		return parse_file(options, input->conf_dir, words->arg[0], true, &found);
	if (words->count == 2 && is_name(words->arg[0])) {
		if ((rc = parse_file(options, input->conf_dir, words->arg[0], false, &found)) != 0)
			return rc;
	}
	for (i = 0; rc == 0 && !found && i + 1 < words->count; i++)
		rc = take_replica(options, words->arg[i]);
	if (rc == 0 && words->count > 0)
		rc = settings_set(settings, SETTINGS_COMMAND_LINE, "mountpoint", "mountpoint", words->arg[words->count - 1]);
	return rc;
}

/* ${path} without links if it exists, else merely absolute: the volume says what is wrong with it.  A URL as it is. */
static char *
absolute(const char *path)
{
	char *full, *cwd;

	if (!replica_open_local(path))
		return strdup(path);
	if ((full = realpath(path, NULL)) != NULL)
		return full;
	if (*path == '/')
		return strdup(path);
	if ((cwd = getcwd(NULL, 0)) == NULL)
		return NULL;
	if (asprintf(&full, "%s/%s", cwd, path) < 0)
		full = NULL;
	free(cwd);
	return full;
}

static int
resolve_mountpoint(struct options *options, const char *path)
{
	const char *remedy = "name a directory that you may enter";
	struct stat st;

	if (path == NULL)
		return settings_fail(&options->settings, -EINVAL, "no mountpoint given; name it last, or in the file as mountpoint = DIRECTORY");
	if (stat(path, &st) != 0) {
		if (errno == ENOTCONN)
			remedy = "unmount the dead file system there first";
		else if (errno == ENOENT)
			remedy = "make a directory there";
		return settings_fail(&options->settings, -EINVAL, "mountpoint %s: %s; %s", path, strerror(errno), remedy);
	}
	if (!S_ISDIR(st.st_mode))
		return settings_fail(&options->settings, -EINVAL, "mountpoint %s: not a directory; name one", path);
	if ((options->paths[0] = absolute(path)) == NULL)
		return settings_fail(&options->settings, -ENOMEM, "mountpoint %s: %s", path, strerror(errno));
	options->mountpoint = options->volume.mountpoint = options->paths[0];
	return 0;
}

static int
check_on_event(struct options *options)
{
	const char *program = settings_text(&options->settings, SETTING_ON_EVENT, NULL), *wrong;

	if (program != NULL && (wrong = onevent_check(program)) != NULL)
		return settings_fail(&options->settings, -EINVAL, "on-event: %s: %s", program, wrong);
	options->on_event = program;
	return 0;
}

static int
resolve_paths(struct options *options)
{
	struct settings *settings = &options->settings;
	const char *key_file = settings_text(settings, SETTING_KEY_FILE, NULL);
	unsigned i;
	int rc;

	if ((rc = resolve_mountpoint(options, settings_text(settings, SETTING_MOUNTPOINT, NULL))) != 0)
		return rc;
	if (settings->replica_count == 0)
		return settings_fail(settings, -EINVAL, "no replica given; name directories before the mountpoint, or in the file as replica = DIRECTORY");
	if (key_file != NULL && (options->paths[1] = absolute(key_file)) == NULL)
		return settings_fail(settings, -ENOMEM, "key file %s: %s", key_file, strerror(errno));
	options->volume.key_file = options->paths[1];
	if ((rc = check_on_event(options)) != 0)
		return rc;
	for (i = 0; i < settings->replica_count; i++) {
		if ((options->replicas[i] = absolute(settings->replicas[i])) == NULL)
			return settings_fail(settings, -ENOMEM, "replica %s: %s", settings->replicas[i], strerror(errno));
	}
	options->volume.replicas = (const char *const *)options->replicas;
	options->volume.replica_count = settings->replica_count;
	return 0;
}

/* What was parsed as text and cannot fail any more. */
static void
convert(struct options *options)
{
	const struct settings *settings = &options->settings;
	struct volume_options *volume = &options->volume;
	const char *codec = settings_text(settings, SETTING_CODEC, NULL);

	volume->read_only = settings_flag(settings, SETTING_RO, false);
	volume->degraded = settings_flag(settings, SETTING_DEGRADED, false);
	volume->adopt = settings_flag(settings, SETTING_ADOPT, false);
	volume->min_replicas = settings_number(settings, SETTING_MIN_REPLICAS, 1);
	volume->timeout_ms = 1000 * settings_number(settings, SETTING_TIMEOUT, TIMEOUT_S);
	volume->watch_all = strcmp(settings_text(settings, SETTING_WATCH, "auto"), "all") == 0;
	volume->peer.ack_fsync = strcmp(settings_text(settings, SETTING_ACK, "write"), "fsync") == 0;
	volume->peer.link_timeout_ms = 1000 * settings_number(settings, SETTING_LINK_TIMEOUT, PEER_LINK_TIMEOUT_MS / 1000);
	volume->peer.window_bytes = (uint64_t)settings_number(settings, SETTING_WINDOW, PEER_WINDOW_BYTES >> 20) << 20;
	volume->codec_given = codec != NULL;
	if (codec != NULL)
		(void)digest_codec_parse(codec, &volume->codec);
	(void)settings_read_policy(settings_text(settings, SETTING_READ, "auto"), &volume->read_policy);
	(void)log_parse_level(settings_text(settings, SETTING_LOG_LEVEL, "info"), &options->log_level);
	if (options->debug)
		options->log_level = LOG_LEVEL_DEBUG;
	options->max_threads = settings_number(settings, SETTING_MAX_THREADS, THREADS_MAX);
}

/* "NAME=TEXT" with libfuse's escapes. */
static void
write_option(FILE *out, const char *name, const char *text)
{
	(void)fprintf(out, ",%s=", name);
	for (; *text != '\0'; text++) {
		if (*text == ',' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
}

/* How the mount table calls this mount's source: as fstab does, or all replicas. */
static void
write_fsname(FILE *out, const struct options *options, const struct words *words)
{
	char fsname[FSNAME_MAX + 1] = "";
	size_t len = 0;
	unsigned i;

	if (options->name != NULL || (words->count == 2 && words->arg[0][0] == '/')) {
		write_option(out, "fsname", settings_text(&options->settings, SETTING_FSNAME,
		    options->name != NULL ? options->name : words->arg[0]));
		return;
	}
	for (i = 0; i < options->volume.replica_count && len < FSNAME_MAX; i++) {
		len += (size_t)snprintf(fsname + len, sizeof(fsname) - len, "%s%s",
		    i > 0 ? ":" : "", options->volume.replicas[i]);
	}
	write_option(out, "fsname", settings_text(&options->settings, SETTING_FSNAME, fsname));
}

static int
build_mount_options(struct options *options, const struct options_input *input, const struct words *words)
{
	static const enum setting texts[] = { SETTING_CONTEXT, SETTING_FSCONTEXT, SETTING_DEFCONTEXT, SETTING_ROOTCONTEXT };
	const struct settings *settings = &options->settings;
	bool allow_root = settings_flag(settings, SETTING_ALLOW_ROOT, false);
	size_t size, i;
	FILE *out;

	if ((out = open_memstream(&options->mount_options, &size)) == NULL)
		return settings_fail(&options->settings, -ENOMEM, "out of memory");
	(void)fputs("default_permissions,noatime", out);
	if (allow_root)
		(void)fputs(",allow_root", out);
	else if (settings_flag(settings, SETTING_ALLOW_OTHER, input->privileged))
		(void)fputs(",allow_other", out);
	if (settings_flag(settings, SETTING_AUTO_UNMOUNT, false))
		(void)fputs(",auto_unmount", out);
	(void)fputs(settings_flag(settings, SETTING_DEV, input->privileged) ? ",dev" : ",nodev", out);
	(void)fputs(settings_flag(settings, SETTING_SUID, input->privileged) ? ",suid" : ",nosuid", out);
	(void)fputs(settings_flag(settings, SETTING_EXEC, true) ? "" : ",noexec", out);
	(void)fputs(settings_flag(settings, SETTING_SYNC, false) ? ",sync" : "", out);
	(void)fputs(settings_flag(settings, SETTING_DIRSYNC, false) ? ",dirsync" : "", out);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (settings_text(settings, texts[i], NULL) != NULL)
			write_option(out, settings_name(texts[i]), settings_text(settings, texts[i], NULL));
	}
	write_option(out, "subtype", settings_text(settings, SETTING_SUBTYPE, "mendfs"));
	write_fsname(out, options, words);
	if (fclose(out) != 0)
		return settings_fail(&options->settings, -ENOMEM, "out of memory");
	return 0;
}

int
options_parse(struct options *options, const struct options_input *input)
{
	struct words words = { false, NULL, 0 };
	int rc;

	memset(options, 0, sizeof(*options));
	settings_init(&options->settings);
	if ((rc = parse_command_line(options, input, &words)) != 0)
		return rc;
	if (options->action == OPTIONS_HELP || options->action == OPTIONS_VERSION)
		return 0;
	if ((rc = parse_environment(options, input->environment)) != 0)
		return rc;
	if ((rc = parse_words(options, input, &words)) != 0)
		return rc;
	if ((rc = resolve_paths(options)) != 0)
		return rc;
	convert(options);
	return build_mount_options(options, input, &words);
}

void
options_free(struct options *options)
{
	size_t i;

	for (i = 0; i < sizeof(options->paths) / sizeof(options->paths[0]); i++)
		free(options->paths[i]);
	for (i = 0; i < VOLUME_REPLICAS_MAX; i++)
		free(options->replicas[i]);
	free(options->name);
	free(options->mount_options);
	settings_free(&options->settings);
}
