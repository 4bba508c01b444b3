#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/options.h"

#include "../check_main.h"

#define ARGS_MAX 16

static char base[64];		/* holds the directories a, b, c:d, mnt and the file v.conf */
static struct options options;
static const char *environment[8];

static void
make_dir(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void
write_conf(const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/v.conf", base);
	ck_assert_ptr_nonnull(file = fopen(path, "w"));
	fputs(text, file);
	fclose(file);
}

static void
setup(void)
{
	strcpy(base, "/tmp/test_options.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(chdir(base), 0);
	make_dir("a");
	make_dir("b");
	make_dir("c:d");
	make_dir("mnt");
	make_dir("other");
	memset(environment, 0, sizeof(environment));
}

static void
teardown(void)
{
	char command[128];

	options_free(&options);
	snprintf(command, sizeof(command), "rm -rf %s", base);
	ck_assert_int_eq(system(command), 0);
}

/* Parse a command line of words separated by one blank; root's if ${privileged}. */
static int
parse_as(const char *line, bool privileged)
{
	static char copy[1024];
	char *argv[ARGS_MAX + 1] = { NULL };
	struct options_input input = {
		.argv = argv,
		.environment = (char *const *)(uintptr_t)environment,
		.conf_dir = base,
		.privileged = privileged,
	};
	char *word;

	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word != NULL && input.argc < ARGS_MAX; word = strtok(NULL, " "))
		argv[input.argc++] = word;
	options_free(&options);
	return options_parse(&options, &input);
}

static int
parse(const char *line)
{
	return parse_as(line, true);
}

/* Is ${path} ${name} below the test's directory? */
static bool
is_below(const char *path, const char *name)
{
	char full[128];

	snprintf(full, sizeof(full), "%s/%s", base, name);
	return strcmp(path, full) == 0;
}

static void
assert_has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in \"%s\"", part, text);
}

static void
assert_has_not(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) == NULL, "\"%s\" is in \"%s\"", part, text);
}

START_TEST(plain_command_line)
{
	ck_assert_int_eq(parse("mendfs a b mnt"), 0);
	ck_assert_int_eq(options.action, OPTIONS_MOUNT);
	ck_assert(!options.foreground && !options.debug && !options.helper);
	ck_assert_uint_eq(options.volume.replica_count, 2);
	ck_assert(is_below(options.volume.replicas[0], "a"));
	ck_assert(is_below(options.volume.replicas[1], "b"));
	ck_assert(is_below(options.mountpoint, "mnt"));
	ck_assert_ptr_eq(options.volume.mountpoint, options.mountpoint);
	ck_assert(!options.volume.read_only && !options.volume.degraded && !options.volume.adopt);
	ck_assert(!options.volume.codec_given);
	ck_assert_uint_eq(options.volume.min_replicas, 1);
	ck_assert_uint_eq(options.volume.timeout_ms, 30000);
	ck_assert(!options.volume.watch_all);
	ck_assert(!options.volume.peer.ack_fsync);
	ck_assert_uint_eq(options.volume.peer.link_timeout_ms, 10000);
	ck_assert_uint_eq(options.volume.peer.window_bytes, 16u << 20);
	ck_assert_int_eq(options.volume.read_policy, VOLUME_READ_AUTO);
	ck_assert_int_eq(options.log_level, LOG_LEVEL_INFO);
	ck_assert_ptr_null(options.volume.key_file);
	ck_assert_int_eq(options.exit_usage, 2);
	ck_assert_int_eq(options.exit_failed, 1);
}
END_TEST

START_TEST(on_event)
{
	ck_assert_int_eq(parse("mendfs a b mnt"), 0);
	ck_assert_ptr_null(options.on_event);
	ck_assert_int_eq(parse("mendfs -o on-event=/bin/true a b mnt"), 0);
	ck_assert_str_eq(options.on_event, "/bin/true");
	ck_assert_int_eq(parse("mendfs --on-event /bin/true a b mnt"), 0);
	ck_assert_int_eq(parse("mendfs -o on-event=true a b mnt"), -EINVAL);
	assert_has(options.settings.error, "on-event: true: is no absolute path");
	ck_assert_int_eq(parse("mendfs -o on-event=/nothing/there a b mnt"), -EINVAL);
	assert_has(options.settings.error, "on-event: /nothing/there: is not there");
}
END_TEST

START_TEST(urls_are_replicas)
{
	ck_assert_int_eq(parse("mendfs a mend://Host:7/x mnt"), 0);
	ck_assert_uint_eq(options.volume.replica_count, 2);
	ck_assert(is_below(options.volume.replicas[0], "a"));
	ck_assert_str_eq(options.volume.replicas[1], "mend://Host:7/x");
	ck_assert_int_eq(parse_as("mount.mendfs /a:ssh://h:2/b:mend://h/x mnt", true), 0);
	ck_assert_uint_eq(options.volume.replica_count, 3);
	ck_assert_str_eq(options.volume.replicas[1], "ssh://h:2/b");
	ck_assert_str_eq(options.volume.replicas[2], "mend://h/x");
}
END_TEST

START_TEST(all_options)
{
	ck_assert_int_eq(parse("mendfs -f -o ro,degraded,adopt,codec=blake2b,key-file=k,read=first a b mnt "
	    "-o min-replicas=2,timeout=5,watch=all,log-level=warning,max_threads=7,"
	    "ack=fsync,link-timeout=3,window=2"), 0);
	ck_assert(options.foreground);
	ck_assert(options.volume.read_only && options.volume.degraded && options.volume.adopt);
	ck_assert(options.volume.codec_given);
	ck_assert_int_eq(options.volume.codec, DIGEST_BLAKE2B);
	ck_assert(is_below(options.volume.key_file, "k"));
	ck_assert_int_eq(options.volume.read_policy, VOLUME_READ_FIRST);
	ck_assert_uint_eq(options.volume.min_replicas, 2);
	ck_assert_uint_eq(options.volume.timeout_ms, 5000);
	ck_assert(options.volume.watch_all);
	ck_assert(options.volume.peer.ack_fsync);
	ck_assert_uint_eq(options.volume.peer.link_timeout_ms, 3000);
	ck_assert_uint_eq(options.volume.peer.window_bytes, 2u << 20);
	ck_assert_int_eq(options.log_level, LOG_LEVEL_WARNING);
	ck_assert_uint_eq(options.max_threads, 7);

	ck_assert_int_eq(parse("mendfs --ro --codec=xxh3 --read round-robin --key_file k a mnt"), -EINVAL);
	ck_assert_int_eq(parse("mendfs --ro --codec=xxh3 --read round-robin --key-file k a mnt"), 0);
	ck_assert(options.volume.read_only);
	ck_assert_int_eq(options.volume.codec, DIGEST_XXH3);
	ck_assert_int_eq(options.volume.read_policy, VOLUME_READ_ROUND_ROBIN);
}
END_TEST

START_TEST(debug_is_in_the_foreground)
{
	ck_assert_int_eq(parse("mendfs -d a mnt"), 0);
	ck_assert(options.foreground && options.debug);
	ck_assert_int_eq(options.log_level, LOG_LEVEL_DEBUG);
}
END_TEST

START_TEST(help_and_version_need_nothing_else)
{
	ck_assert_int_eq(parse("mendfs -h"), 0);
	ck_assert_int_eq(options.action, OPTIONS_HELP);
	ck_assert_int_eq(parse("mendfs --version"), 0);
	ck_assert_int_eq(options.action, OPTIONS_VERSION);
}
END_TEST

START_TEST(a_list_is_a_replica_argument_too)
{
	ck_assert_int_eq(parse("mendfs a:b mnt"), 0);
	ck_assert_uint_eq(options.volume.replica_count, 2);
	ck_assert(is_below(options.volume.replicas[1], "b"));

	ck_assert_int_eq(parse("mendfs c:d a mnt"), 0);
	ck_assert_uint_eq(options.volume.replica_count, 2);
	ck_assert(is_below(options.volume.replicas[0], "c:d"));

	ck_assert_int_eq(parse("mendfs c\\:d:b mnt"), 0);
	ck_assert_uint_eq(options.volume.replica_count, 2);
	ck_assert(is_below(options.volume.replicas[0], "c:d"));
}
END_TEST

START_TEST(precedence)
{
	write_conf("replica = b\nmountpoint = mnt\ncodec = xxh3\nmin-replicas = 3\nread = first\nlog-level = error\n");
	environment[0] = "MENDFS_MIN_REPLICAS=4";
	environment[1] = "MENDFS_READ=round-robin";
	environment[2] = "PATH=/bin";
	ck_assert_int_eq(parse("mendfs v -o min-replicas=5"), 0);
	ck_assert_uint_eq(options.volume.min_replicas, 5);
	ck_assert_int_eq(options.volume.read_policy, VOLUME_READ_ROUND_ROBIN);
	ck_assert_int_eq(options.log_level, LOG_LEVEL_ERROR);
	ck_assert_uint_eq(options.max_threads, 32);
	ck_assert_uint_eq(options.volume.replica_count, 1);
	ck_assert(is_below(options.volume.replicas[0], "b"));
	ck_assert(is_below(options.mountpoint, "mnt"));
	ck_assert_str_eq(options.name, "v");
}
END_TEST

START_TEST(a_mountpoint_beats_the_files)
{
	write_conf("replica = b\nmountpoint = mnt\n");
	ck_assert_int_eq(parse("mendfs v other"), 0);
	ck_assert(is_below(options.mountpoint, "other"));
	ck_assert_int_eq(parse("mount.mendfs v other -o rw"), 0);
	ck_assert(is_below(options.mountpoint, "other"));
	assert_has(options.mount_options, ",fsname=v");
}
END_TEST

START_TEST(the_environment_alone_suffices)
{
	environment[0] = "MENDFS_REPLICA=a:b";
	environment[1] = "MENDFS_MOUNTPOINT=mnt";
	environment[2] = "MENDFS_NO_SUCH_THING=1";
	ck_assert_int_eq(parse("mendfs"), 0);
	ck_assert_uint_eq(options.volume.replica_count, 2);
	environment[2] = "MENDFS_CODEC=md5";
	ck_assert_int_eq(parse("mendfs"), -EINVAL);
	assert_has(options.settings.error, "MENDFS_CODEC");
}
END_TEST

START_TEST(mount_helper)
{
	ck_assert_int_eq(parse("/sbin/mount.mendfs a:b mnt -sn -v -o rw,noauto,nosuchoption,x-y=z,codec=xxh3"), 0);
	ck_assert(options.helper);
	ck_assert_int_eq(options.exit_usage, 1);
	ck_assert_int_eq(options.exit_failed, 32);
	ck_assert(options.volume.codec_given);
	ck_assert_int_eq(parse("mount.mendfs a:b mnt -o nosuchoption"), -ENOENT);
	assert_has(options.settings.error, "nosuchoption");
	ck_assert_int_eq(parse("mount.mendfs a:b mnt -f"), 0);
	ck_assert_int_eq(options.action, OPTIONS_NOTHING);
	ck_assert_int_eq(parse("mount.mendfs a:b"), -EINVAL);
}
END_TEST

START_TEST(mount_options_of_root_and_others)
{
	ck_assert_int_eq(parse_as("mendfs a b mnt", true), 0);
	assert_has(options.mount_options, "default_permissions");
	assert_has(options.mount_options, ",allow_other");
	assert_has(options.mount_options, ",dev,suid");
	assert_has(options.mount_options, ",subtype=mendfs");
	assert_has(options.mount_options, "/a:/");

	ck_assert_int_eq(parse_as("mendfs a b mnt", false), 0);
	assert_has_not(options.mount_options, "allow_other");
	assert_has(options.mount_options, ",nodev,nosuid");

	ck_assert_int_eq(parse_as("mendfs a b mnt -o allow_other=no,nosuid,noexec,sync,fsname=x\\,y", true), 0);
	assert_has_not(options.mount_options, "allow_other");
	assert_has(options.mount_options, ",dev,nosuid,noexec,sync");
	assert_has(options.mount_options, ",fsname=x\\,y");

	ck_assert_int_eq(parse_as("mendfs a b mnt -o allow_root", true), 0);
	assert_has(options.mount_options, ",allow_root");
	assert_has_not(options.mount_options, "allow_other");
}
END_TEST

/* Each is refused with one line that names the thing. */
static const struct { const char *line, *what; } bad[] = {
	{ "mendfs", "no mountpoint" },
	{ "mendfs nothere", "nothere" },
	{ "mendfs ./nothere", "nothere" },
	{ "mendfs mnt", "no replica" },
	{ "mendfs a b nothere", "nothere" },
	{ "mendfs a b /etc/passwd", "not a directory" },
	{ "mendfs -o codec=md5 a b mnt", "md5" },
	{ "mendfs -o kodec=xxh3 a b mnt", "kodec" },
	{ "mendfs -o codec a b mnt", "codec" },
	{ "mendfs -x a b mnt", "-x" },
	{ "mendfs --nosuch a b mnt", "--nosuch" },
	{ "mendfs a b mnt -o", "-o" },
	{ "mendfs a b mnt -o remount,ro", "remount" },
	{ "mendfs mend://h:1x/x mnt", "mend://h:1x/x" },
	{ "mendfs nfs://h/x mnt", "nfs://h/x" },
	{ "mendfs a::b mnt", "empty path" },
};

START_TEST(bad_command_lines)
{
	ck_assert_int_ne(parse(bad[_i].line), 0);
	assert_has(options.settings.error, bad[_i].what);
	ck_assert_ptr_null(strchr(options.settings.error, '\n'));
}
END_TEST

START_TEST(a_bad_file_is_named_with_its_line)
{
	write_conf("replica = a\nnonsense\n");
	ck_assert_int_eq(parse("mendfs v"), -EINVAL);
	assert_has(options.settings.error, "v.conf:2: ");
	write_conf("replica = a\n");
	ck_assert_int_eq(parse("mendfs v"), -EINVAL);
	assert_has(options.settings.error, "no mountpoint");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("options");
	TCase *tcase = tcase_create("options");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, plain_command_line);
	tcase_add_test(tcase, on_event);
	tcase_add_test(tcase, urls_are_replicas);
	tcase_add_test(tcase, all_options);
	tcase_add_test(tcase, debug_is_in_the_foreground);
	tcase_add_test(tcase, help_and_version_need_nothing_else);
	tcase_add_test(tcase, a_list_is_a_replica_argument_too);
	tcase_add_test(tcase, precedence);
	tcase_add_test(tcase, a_mountpoint_beats_the_files);
	tcase_add_test(tcase, the_environment_alone_suffices);
	tcase_add_test(tcase, mount_helper);
	tcase_add_test(tcase, mount_options_of_root_and_others);
	tcase_add_loop_test(tcase, bad_command_lines, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tcase, a_bad_file_is_named_with_its_line);
	suite_add_tcase(suite, tcase);
	return check_main(suite);
}
