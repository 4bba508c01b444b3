/*
 * flip -- spoil a mounted volume's replicas, one at a time, all the while.
 *
 * Works in rounds.  A round takes the next replica in turn and flips a bit in
 * random files of it, at a steady rate, as a bad disk would.  It then makes
 * sure, before the next replica's turn, that nothing of that is left: each
 * spoiled block is read through the mount, past every cache, until the replica
 * holds what its neighbour holds, or the file is gone.  So no block is ever bad
 * on two replicas at once by our doing, and every error is the mount's.
 *
 * What a read of a spoiled block returns is not looked at here but by the
 * programs that run at the same time.  Only an error counts: the other replica
 * is sound, so none may come.
 *
 * A bit is flipped through a shared mapping and not by pwrite(2): a write that
 * races with a truncation would make the file longer, which no disk does.
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define FILES_MAX 50000		/* paths remembered per round */
#define ROUND_MAX 4096		/* flips per round */
#define REPLICAS_MAX 16
#define SETTLE_MS 300000	/* longest wait until a round's blocks are mended: on a busy machine the patrol may need minutes */

struct file {
	char *path;	/* below the replica, begins with '/' */
	uint64_t end;	/* sum of the sizes up to and with this one */
};

struct spoil {
	int fd;		/* the file on the replica: follows it through renames */
	off_t offset;
	char path[PATH_MAX];	/* as it was then, for messages */
};

static struct {
	const char *mount;
	char *replicas[REPLICAS_MAX];
	unsigned replica_count;
	double rate;
	unsigned per_round;
	unsigned seconds;
	uint64_t rng;
	bool verbose;
} set = { .rate = 20, .per_round = 40, .rng = 1 };

static struct {
	unsigned long flips, rounds, mended, gone, stuck, errors;
} count;

static struct file *files;
static size_t file_count;
static size_t walk_prefix;		/* length of the replica's path */
static ino_t walk_ino;			/* looked for by find_by_inode */
static char walk_found[PATH_MAX];
static volatile sig_atomic_t stop;
static sigjmp_buf fault;
static uint8_t direct[BLOCK] __attribute__((aligned(BLOCK)));

static void
on_stop(int sig)
{

	(void)sig;
	stop = 1;
}

/* The page was cut off between fstat and the store. */
static void
on_fault(int sig)
{

	(void)sig;
	siglongjmp(fault, 1);
}

/* xorshift64*: the run repeats with its seed, as far as the other programs do. */
static uint64_t
rng(void)
{

	set.rng ^= set.rng >> 12;
	set.rng ^= set.rng << 25;
	set.rng ^= set.rng >> 27;
	return set.rng * UINT64_C(0x2545f4914f6cdd1d);
}

static void
nap(double seconds)
{
	struct timespec ts;

	ts.tv_sec = (time_t)seconds;
	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	nanosleep(&ts, NULL);
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int
collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct file *f;

	if (type == FTW_D && ftw->level == 1 && strcmp(path + ftw->base, ".mendfs") == 0)
		return FTW_SKIP_SUBTREE;
	if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size == 0)
		return FTW_CONTINUE;
	if (file_count == FILES_MAX)
		return FTW_STOP;
	f = &files[file_count];
	if ((f->path = strdup(path + walk_prefix)) == NULL)
		return FTW_STOP;
	f->end = (file_count == 0 ? 0 : files[file_count - 1].end) + (uint64_t)st->st_size;
	file_count++;
	return FTW_CONTINUE;
}

static void
collect_all(const char *replica)
{

	while (file_count > 0)
		free(files[--file_count].path);
	walk_prefix = strlen(replica);
	(void)nftw(replica, collect, 32, FTW_PHYS | FTW_ACTIONRETVAL);
}

/* Every other time by size, else the large files would hardly be touched. */
static const char *
pick_file(void)
{
	uint64_t at;
	size_t low = 0, high = file_count - 1, mid;

	if (rng() & 1)
		return files[rng() % file_count].path;
	at = rng() % files[file_count - 1].end;
	while (low < high) {
		mid = (low + high) / 2;
		if (files[mid].end > at)
			high = mid;
		else
			low = mid + 1;
	}
	return files[low].path;
}

static bool
flip_bit(int fd, off_t offset, unsigned bit)
{
	volatile uint8_t *page;
	bool done = false;

	page = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset / BLOCK * BLOCK);
	if (page == MAP_FAILED)
		return false;
	if (sigsetjmp(fault, 1) == 0) {
		page[offset % BLOCK] ^= (uint8_t)(1u << bit);
		done = true;
	}
	munmap((void *)(uintptr_t)page, BLOCK);
	return done;
}

static bool
spoil_one(const char *replica, struct spoil *s)
{
	char path[PATH_MAX];
	struct stat st;

	if (file_count == 0)
		return false;
	snprintf(s->path, sizeof(s->path), "%s", pick_file());
	if ((size_t)snprintf(path, sizeof(path), "%s%s", replica, s->path) >= sizeof(path))
		return false;
	if ((s->fd = open(path, O_RDWR | O_NOFOLLOW | O_NOATIME | O_CLOEXEC)) < 0)
		return false;
	if (fstat(s->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		goto fail;
	s->offset = (off_t)(rng() % (uint64_t)st.st_size);
	if (!flip_bit(s->fd, s->offset, (unsigned)(rng() % 8)))
		goto fail;
	if (set.verbose) {
		printf("flip: %s offset %lld\n", path, (long long)s->offset);
		fflush(stdout);
	}
	return true;
fail:
	close(s->fd);
	return false;
}

static int
match_inode(const char *path, const struct stat *st, int type, struct FTW *ftw)
{

	(void)ftw;
	if (type != FTW_F || st->st_ino != walk_ino)
		return FTW_CONTINUE;
	snprintf(walk_found, sizeof(walk_found), "%s", path);
	return FTW_STOP;
}

/*
 * Where does the file stand now?  The kernel says so, unless the name that was
 * opened is gone and another hard link is left: that one must be searched for.
 */
static bool
find_name(const char *replica, int fd, ino_t ino, char *name, size_t size)
{
	char link[64], path[PATH_MAX];
	size_t prefix = strlen(replica);
	struct stat st;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((len = readlink(link, path, sizeof(path) - 1)) < 0)
		return false;
	path[len] = '\0';
	if (lstat(path, &st) != 0 || st.st_ino != ino) {
		walk_ino = ino;
		walk_found[0] = '\0';
		(void)nftw(replica, match_inode, 32, FTW_PHYS | FTW_ACTIONRETVAL);
		snprintf(path, sizeof(path), "%s", walk_found);
	}
	if (strncmp(path, replica, prefix) != 0 || path[prefix] != '/')
		return false;
	snprintf(name, size, "%s", path + prefix);
	return true;
}

/*
 * Read the block through the mount, now once and now twice: where replicas take
 * turns, ours must not come to meet the same one always.  Later also the whole
 * file, in case that helps.
 */
static void
read_through(const char *name, off_t block, bool whole)
{
	char path[2 * PATH_MAX];
	off_t at = whole ? 0 : block;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s%s", set.mount, name);
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_DIRECT | O_NOATIME | O_CLOEXEC)) < 0)
		return;		/* moved or removed just now: the caller looks again */
	len = rng() & 1 ? pread(fd, direct, BLOCK, block) : 0;
	if (len >= 0) {
		do {
			len = pread(fd, direct, BLOCK, at);
			at += BLOCK;
		} while (whole && len == BLOCK && !stop);
	}
	if (len < 0 && errno != EINTR) {
		fprintf(stderr, "flip: read of %s at %lld: %s\n", path, (long long)(at - BLOCK), strerror(errno));
		count.errors++;
	}
	close(fd);
}

/* Does the replica hold what its neighbour holds? */
static bool
same_block(int fd, const char *other, const char *name, off_t block)
{
	uint8_t a[BLOCK], b[BLOCK];
	char path[2 * PATH_MAX];
	ssize_t alen, blen;
	int twin;

	snprintf(path, sizeof(path), "%s%s", other, name);
	if ((twin = open(path, O_RDONLY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC)) < 0)
		return false;
	alen = pread(fd, a, BLOCK, block);
	blen = pread(twin, b, BLOCK, block);
	close(twin);
	return alen >= 0 && alen == blen && memcmp(a, b, (size_t)alen) == 0;
}

/* Is the block mended, or its file gone?  Else have it read. */
static bool
settled(unsigned replica, const struct spoil *s, unsigned try)
{
	const char *own = set.replicas[replica];
	const char *other = set.replicas[(replica + 1) % set.replica_count];
	off_t block = s->offset / BLOCK * BLOCK;
	char name[PATH_MAX];
	struct stat st;

	if (fstat(s->fd, &st) != 0 || st.st_nlink == 0) {
		count.gone++;
		return true;
	}
	if (!find_name(own, s->fd, st.st_ino, name, sizeof(name)))
		return false;
	if (same_block(s->fd, other, name, block)) {
		count.mended++;
		return true;
	}
	read_through(name, block, try % 64 == 63);
	return false;
}

/*
 * All of a round in turn, again and again: what is mended in the background,
 * after the file was opened, is waited for once and not for each block.
 */
static void
settle(unsigned replica, struct spoil *spoils, unsigned made)
{
	uint64_t deadline = now_ms() + SETTLE_MS;
	unsigned left = made, try, i;

	for (try = 0; left > 0 && now_ms() < deadline; try++) {
		for (i = 0; i < made; i++) {
			if (spoils[i].fd < 0 || !settled(replica, &spoils[i], try))
				continue;
			close(spoils[i].fd);
			spoils[i].fd = -1;
			left--;
		}
		if (try > 16)
			nap(0.02);
	}
	for (i = 0; i < made; i++) {
		if (spoils[i].fd < 0)
			continue;
		fprintf(stderr, "flip: %s%s: offset %lld was not mended\n", set.replicas[replica], spoils[i].path,
		    (long long)spoils[i].offset);
		count.stuck++;
		close(spoils[i].fd);
	}
}

static void
round_of(unsigned replica)
{
	static struct spoil spoils[ROUND_MAX];
	unsigned made = 0, i;

	collect_all(set.replicas[replica]);
	for (i = 0; i < set.per_round && !stop; i++) {
		if (spoil_one(set.replicas[replica], &spoils[made])) {
			made++;
			count.flips++;
		}
		nap(1 / set.rate);
	}
	settle(replica, spoils, made);
	count.rounds++;
}

static void
usage(void)
{

	fprintf(stderr, "usage: flip [-v] [-r flips-per-second] [-n flips-per-round] [-s seed] "
	    "[-d seconds] mountpoint replica replica...\n"
	    "Runs until SIGTERM, or for the seconds given; exit status 1: a read failed, or a block stayed bad.\n");
	exit(2);
}

static void
parse(int argc, char *argv[])
{
	int c;

	while ((c = getopt(argc, argv, "d:n:r:s:v")) != -1) {
		switch (c) {
		case 'd': set.seconds = (unsigned)atoi(optarg); break;
		case 'n': set.per_round = (unsigned)atoi(optarg); break;
		case 'r': set.rate = atof(optarg); break;
		case 's': set.rng = strtoull(optarg, NULL, 0); break;
		case 'v': set.verbose = true; break;
		default: usage();
		}
	}
	if (argc - optind < 3 || argc - optind > REPLICAS_MAX + 1)
		usage();
	if (set.rate <= 0 || set.per_round == 0 || set.per_round > ROUND_MAX || set.rng == 0)
		usage();
	set.mount = argv[optind++];
	for (; optind < argc; optind++) {
		if ((set.replicas[set.replica_count] = realpath(argv[optind], NULL)) == NULL) {
			perror(argv[optind]);
			exit(2);
		}
		set.replica_count++;
	}
}

int
main(int argc, char *argv[])
{
	struct sigaction act = { .sa_handler = on_stop };
	unsigned replica = 0;
	uint64_t end;

	parse(argc, argv);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	act.sa_handler = on_fault;
	sigaction(SIGBUS, &act, NULL);
	if ((files = calloc(FILES_MAX, sizeof(*files))) == NULL) {
		perror("flip");
		return 2;
	}
	end = set.seconds == 0 ? UINT64_MAX : now_ms() + (uint64_t)set.seconds * 1000;
	while (!stop && now_ms() < end) {
		round_of(replica);
		replica = (replica + 1) % set.replica_count;
	}
	printf("flip: %lu flips in %lu rounds: %lu blocks mended, %lu files gone, %lu not mended, %lu read errors\n",
	    count.flips, count.rounds, count.mended, count.gone, count.stuck, count.errors);
	return count.stuck != 0 || count.errors != 0;
}
