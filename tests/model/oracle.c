#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "oracle.h"

#define FUSE_MAGIC 0x65735546
#define ENTRIES_FEW 120
#define ENTRIES_MANY 600
#define CHECK_ALL_EVERY 4000

static const struct {
	const char *name;
	operation *run;
	unsigned weight;
	int grows;			/* 1: makes names, -1: removes them */
} operations[] = {
	{ "open", op_open, 110, 0 },
	{ "close", op_close, 60, 0 },
	{ "tmpfile", op_tmpfile, 4, 0 },
	{ "mkdir", op_mkdir, 14, 1 },
	{ "rmdir", op_rmdir, 10, -1 },
	{ "unlink", op_unlink, 45, -1 },
	{ "symlink", op_symlink, 10, 1 },
	{ "readlink", op_readlink, 6, 0 },
	{ "mknod", op_mknod, 10, 1 },
	{ "link", op_link, 15, 1 },
	{ "link by handle", op_link_handle, 6, 0 },
	{ "rename", op_rename, 45, 0 },
	{ "lookup", op_lookup_errors, 10, 0 },
	{ "readdir", op_readdir, 10, 0 },
	{ "read", op_read, 120, 0 },
	{ "write", op_write, 200, 0 },
	{ "truncate", op_truncate, 25, 0 },
	{ "ftruncate", op_ftruncate, 25, 0 },
	{ "copy", op_copy, 25, 0 },
	{ "seek", op_seek, 20, 0 },
	{ "fallocate", op_fallocate, 45, 0 },
	{ "sync", op_sync, 8, 0 },
	{ "locks", op_locks, 6, 0 },
	{ "map", op_map, 20, 0 },
	{ "map use", op_map_use, 40, 0 },
	{ "chmod", op_chmod, 20, 0 },
	{ "chown", op_chown, 15, 0 },
	{ "utimens", op_utimens, 20, 0 },
	{ "setxattr", op_setxattr, 30, 0 },
	{ "removexattr", op_removexattr, 12, 0 },
	{ "getxattr", op_getxattr, 10, 0 },
	{ "statfs", op_statfs, 2, 0 },
	{ "check", op_check_file, 30, 0 },
	{ "drop caches", op_drop_caches, 8, 0 }
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static volatile sig_atomic_t stop;

bool
op_check_file(struct world *world)
{
	struct inode *inode = pick_inode(world, S_IFREG);

	if (inode == NULL)
		return false;
	note(world, inode, "check");
	check_inode(world, inode);
	check_contents(world, inode, chance(world, 30));
	return true;
}

bool
op_drop_caches(struct world *world)
{
	struct handle *handle = pick_handle(world, -1);

	if (handle == NULL)
		return false;
	note(world, handle->inode, "fadvise dontneed");
	posix_fadvise(handle->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (world->options->replica_count > 0 && chance(world, 4)) {
		note(world, NULL, "drop caches");
		drop_caches(3);
	}
	return true;
}

static void
one_operation(struct world *world)
{
	unsigned weight, total = 0, tries, i;

	for (i = 0; i < OPERATIONS; i++)
		total += operations[i].weight;
	for (tries = 0; tries < 100; tries++) {
		weight = (unsigned)random_below(world, total);
		for (i = 0; weight >= operations[i].weight; i++)
			weight -= operations[i].weight;
		if (operations[i].grows > 0 && world->entry_count > ENTRIES_MANY && chance(world, 80))
			continue;
		if (operations[i].grows < 0 && world->entry_count < ENTRIES_FEW && chance(world, 80))
			continue;
		if (operations[i].run(world))
			return;
	}
}

static void
world_init(struct world *world, const struct options *options, unsigned thread)
{
	struct statfs fs;
	struct stat st;

	world->options = options;
	world->thread = thread;
	world->spoiling = -1;
	random_seed(world, options->seed + thread);
	snprintf(world->path, sizeof(world->path), "%s", options->mount);
	if (options->threads > 1) {
		snprintf(world->inner, sizeof(world->inner), "/t%u", thread);
		snprintf(world->path, sizeof(world->path), "%s%s", options->mount, world->inner);
		if (mkdir(world->path, 0755) != 0)
			fail(world, NULL, "mkdir %s: %s", world->path, strerrorname_np(errno));
	}
	world->scratch = aligned_alloc(4096, SCRATCH);
	world->scratch2 = aligned_alloc(4096, SCRATCH);
	if (world->scratch == NULL || world->scratch2 == NULL || lstat(world->path, &st) != 0 || statfs(world->path, &fs) != 0)
		fail(world, NULL, "%s: %s", world->path, strerrorname_np(errno));
	world->fuse = fs.f_type == FUSE_MAGIC;
	/* Of replicas on Btrfs and others, each tells its own. */
	world->counts_dirs = st.st_nlink >= 2 && !options->members_go;
	world->root = inode_new(world, st.st_mode);
	world->root->uid = st.st_uid;
	world->root->gid = st.st_gid;
	world->root->nlink = st.st_nlink;
	world->root->mtime = st.st_mtim;
	world->root->ctime = st.st_ctim;
	check_stat(world, world->root, &st);
}

static void
open_log(struct world *world, unsigned thread)
{
	char path[PATH_BYTES_MAX + 20];

	if (world->options->log == NULL)
		return;
	snprintf(path, sizeof(path), thread == 0 ? "%s" : "%s.%u", world->options->log, thread);
	if ((world->log = fopen(path, "w")) == NULL)
		fail(world, NULL, "%s: %s", path, strerrorname_np(errno));
}

/* Enough: what is left of the operations is left out. */
static void
on_term(int number)
{

	(void)number;
	stop = 1;
}

static void
run_operations(struct world *world)
{
	uint64_t i;

	for (i = 0; i < world->options->ops && !stop; i++) {
		world->op++;
		full_look(world);
		clock_gettime(CLOCK_REALTIME_COARSE, &world->began);
		one_operation(world);
		if (world->options->pause_us > 0)
			usleep(world->options->pause_us);
		if (world->options->spoil && random_below(world, world->options->spoil_every) == 0)
			spoil_some(world);
		if (world->op % CHECK_ALL_EVERY == 0)
			check_all(world, false);
		if (world->options->verbose && world->op % 1000 == 0)
			fprintf(stderr, "seed %" PRIu64 ": %" PRIu64 " operations, %zu names, %" PRIu64 " spoils\n", world->seed,
			    world->op, world->entry_count, world->spoils);
	}
}

static void
last_checks(struct world *world)
{
	size_t i;
	int fd;

	note(world, NULL, "the last checks");
	for (i = 0; i < world->inode_count; i++)
		settle(world, world->inodes[i]);
	check_all(world, false);
	inode_close(world, NULL);
	expect(world, NULL, "open", fd = open(world->path, O_RDONLY), 0);
	expect(world, NULL, "syncfs", WITH_ROOM(world, syncfs(fd)), 0);
	close(fd);
	if (world->options->spoil)
		spoil_mend_all(world, true);
	if (world->options->replica_count > 0)
		drop_caches(3);
	check_all(world, true);
	check_all(world, false);
}

static void
world_free(struct world *world)
{

	tree_free(world);
	free(world->scratch);
	free(world->scratch2);
	if (world->log != NULL)
		fclose(world->log);
}

static void *
world_run(void *cookie)
{
	struct world *world = cookie;

	report_world = world;
	if (world->options->all_spoiled)
		all_spoiled(world);
	else
		run_operations(world);
	last_checks(world);
	return NULL;
}

static void
on_bus_error(int number)
{

	(void)number;
	fail(report_world, NULL, "SIGBUS: a page of a mapping could not be read");
}

static const char usage[] =
    "usage: oracle [OPTION]... DIRECTORY\n"
    "  --seed N          (1) determines all of it\n"
    "  --ops N           (10000) operations, for each thread\n"
    "  --threads N       (1) each in a subdirectory, with seeds N, N+1, ...\n"
    "  --replica DIR     a replica of the mount; all of them, in order\n"
    "  --no-spoil        leave the replicas alone\n"
    "  --spoil-every N   (60) operations between two spoils, on average\n"
    "  --mended-later    what reading does not mend, --finish does\n"
    "  --all-spoiled     test blocks without a proved copy instead\n"
    "  --pause US        (0) microseconds of rest after each operation\n"
    "  --members-go      replicas are lost and come back: links and special files may change their st_ino\n"
    "  --full FILE       while it is there, and FILE.0, FILE.1 ... of each thread, a disk may be full\n"
    "  --finish COMMAND  unmounts; the replicas are compared afterwards\n"
    "  --reference DIR   on the backing file system: what fallocate knows there\n"
    "  --log FILE        all operations\n"
    "  --verbose\n"
    "DIRECTORY must be empty.  SIGTERM: no further operations.\n";

static void
parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "seed", required_argument, NULL, 's' }, { "ops", required_argument, NULL, 'o' },
		{ "threads", required_argument, NULL, 't' }, { "replica", required_argument, NULL, 'r' },
		{ "no-spoil", no_argument, NULL, 'n' }, { "spoil-every", required_argument, NULL, 'e' },
		{ "mended-later", no_argument, NULL, 'm' }, { "all-spoiled", no_argument, NULL, 'a' },
		{ "finish", required_argument, NULL, 'f' }, { "members-go", no_argument, NULL, 'g' }, { "pause", required_argument, NULL, 'p' }, { "full", required_argument, NULL, 'F' }, { "reference", required_argument, NULL, 'R' },
		{ "log", required_argument, NULL, 'l' }, { "verbose", no_argument, NULL, 'v' }, { NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's': options->seed = strtoull(optarg, NULL, 10); break;
		case 'o': options->ops = strtoull(optarg, NULL, 10); break;
		case 't': options->threads = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'r':
			if (options->replica_count < REPLICAS_MAX)
				options->replicas[options->replica_count++] = optarg;
			break;
		case 'n': options->spoil = false; break;
		case 'e': options->spoil_every = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'm': options->mending = MENDED_LATER; break;
		case 'a': options->all_spoiled = true; break;
		case 'f': options->finish = optarg; break;
		case 'p': options->pause_us = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'g': options->members_go = true; break;
		case 'F': options->full = optarg; break;
		case 'R': options->reference = optarg; break;
		case 'l': options->log = optarg; break;
		case 'v': options->verbose = true; break;
		default: fputs(usage, stderr); exit(2);
		}
	}
	if (optind + 1 != argc || options->threads < 1 || options->spoil_every < 1) {
		fputs(usage, stderr);
		exit(2);
	}
	options->mount = argv[optind];
}

static void
settle_options(struct options *options)
{
	static char reference[PATH_BYTES_MAX];
	char path[PATH_BYTES_MAX];
	size_t length;
	unsigned i;

	if (options->replica_count < 2 || options->all_spoiled)
		options->spoil = false;
	if (options->all_spoiled && options->replica_count == 0) {
		fprintf(stderr, "oracle: --all-spoiled needs --replica\n");
		exit(2);
	}
	if (options->reference == NULL && options->replica_count > 0) {
		snprintf(reference, sizeof(reference), "%s", options->replicas[0]);
		options->reference = dirname(reference);
	}
	options->fallocate_modes = fallocate_probe(options->reference != NULL ? options->reference : options->mount);
	options->target_max = PATH_BYTES_MAX - 1;
	for (i = 0; i < options->replica_count; i++) {
		snprintf(path, sizeof(path), "%s", options->replicas[i]);
		length = target_probe(dirname(path));
		options->target_max = length < options->target_max ? length : options->target_max;
	}
	options->umask = (mode_t[]){ 022, 0, 077, 027 }[options->seed % 4];
	umask(options->umask);
}

static void
refuse_full_directory(const char *path)
{
	struct dirent *dirent;
	DIR *dir = opendir(path);

	if (dir == NULL) {
		fprintf(stderr, "oracle: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	while ((dirent = readdir(dir)) != NULL) {
		if (strcmp(dirent->d_name, ".") != 0 && strcmp(dirent->d_name, "..") != 0 &&
		    strcmp(dirent->d_name, "lost+found") != 0) {
			fprintf(stderr, "oracle: %s is not empty: %s\n", path, dirent->d_name);
			exit(2);
		}
	}
	closedir(dir);
}

int
main(int argc, char **argv)
{
	struct options options = { .seed = 1, .ops = 10000, .threads = 1, .spoil_every = 60, .spoil = true };
	uint64_t spoils = 0, mends = 0, ops = 0, full = 0;
	struct world *worlds;
	pthread_t *threads;
	unsigned i;

	parse(argc, argv, &options);
	refuse_full_directory(options.mount);
	settle_options(&options);
	signal(SIGBUS, on_bus_error);
	signal(SIGTERM, on_term);
	worlds = calloc(options.threads, sizeof(*worlds));
	threads = calloc(options.threads, sizeof(*threads));
	if (worlds == NULL || threads == NULL)
		return 2;
	for (i = 0; i < options.threads; i++) {
		report_world = &worlds[i];
		world_init(&worlds[i], &options, i);
		open_log(&worlds[i], i);
	}
	for (i = 0; i < options.threads; i++)
		if (pthread_create(&threads[i], NULL, world_run, &worlds[i]) != 0)
			return 2;
	for (i = 0; i < options.threads; i++)
		pthread_join(threads[i], NULL);
	/* The replicas can be compared only when nothing is under way any more. */
	report_world = &worlds[0];
	if (options.finish != NULL && system(options.finish) != 0)
		fail(&worlds[0], NULL, "the command '%s' failed", options.finish);
	for (i = 0; i < options.threads; i++) {
		replicas_verify(&worlds[i], options.finish != NULL);
		spoils += worlds[i].spoils;
		mends += worlds[i].mends;
		ops += worlds[i].op;
		full += worlds[i].full_count;
		world_free(&worlds[i]);
	}
	free(worlds);
	free(threads);
	printf("oracle: seed %" PRIu64 ": %" PRIu64 " operations in %u threads, %" PRIu64 " spoils, %" PRIu64
	    " files mended, %" PRIu64 " times no room: all right\n", options.seed, ops, options.threads, spoils, mends, full);
	return 0;
}
