/*
 * Runs a fuzz harness as an ordinary test: on each file of its corpus, then on
 * inputs bred from them, the same ones in each run.  Speaks TAP.
 *
 * usage: fuzz_NAME [FILE|DIRECTORY]... [--random SEED COUNT]
 *
 * Without arguments: $SOURCE/tests/fuzz/corpus/NAME, and --random 1 20000 (fewer where an input takes long).
 */

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX 16384
#define INPUTS_MAX 1000
#define INPUTS_BRED 20000	/* unless the harness says otherwise: fuzz_inputs */

struct input { uint8_t *data; size_t len; };

static struct input corpus[INPUTS_MAX];
static size_t corpus_count;
static unsigned points;
static uint64_t state;			/* SplitMix64 */

/* What runs now, for the last words. */
static char now[4096];

static void
last_words(int number)
{
	static const char dies[] = "# died of ";
	struct sigaction action = { .sa_handler = SIG_DFL };

	if (write(STDOUT_FILENO, dies, sizeof(dies) - 1) < 0 ||
	    write(STDOUT_FILENO, now, strlen(now)) < 0 || write(STDOUT_FILENO, "\n", 1) < 0)
		_exit(1);
	sigaction(number, &action, NULL);
	raise(number);
}

static uint64_t
next(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t
below(size_t limit)
{
	return limit == 0 ? 0 : (size_t)(next() % limit);
}

static void
point(const char *what)
{
	printf("ok %u - %s\n", ++points, what);
	fflush(stdout);
}

static void
die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(99);
}

/* Keep a file's bytes, and run the harness on them. */
static void
run_file(const char *path)
{
	struct input *input = &corpus[corpus_count];
	FILE *file;

	if (corpus_count == INPUTS_MAX || (file = fopen(path, "rb")) == NULL) {
		die(path);
		return;
	}
	if ((input->data = malloc(INPUT_MAX)) == NULL)
		die(path);
	input->len = fread(input->data, 1, INPUT_MAX, file);
	fclose(file);
	corpus_count++;
	snprintf(now, sizeof(now), "%s", path);
	LLVMFuzzerTestOneInput(input->data, input->len);
	point(path);
}

static int
visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
run_path(const char *path)
{
	struct dirent **entries;
	char name[4096];
	struct stat st;
	int count;

	if (stat(path, &st) != 0)
		die(path);
	if (!S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	if ((count = scandir(path, &entries, visible, alphasort)) < 0)
		die(path);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		run_file(name);
		free(entries[i]);
	}
	free(entries);
}

/* Make room for, or take away, ${len} bytes at ${at}. */
static size_t
insert(uint8_t *data, size_t size, size_t at, size_t len)
{
	if (len > INPUT_MAX - size)
		len = INPUT_MAX - size;
	memmove(data + at + len, data + at, size - at);
	for (size_t i = 0; i < len; i++)
		data[at + i] = (uint8_t)next();
	return size + len;
}

static size_t
delete(uint8_t *data, size_t size, size_t at, size_t len)
{
	if (len > size - at)
		len = size - at;
	memmove(data + at, data + at + len, size - at - len);
	return size - len;
}

/* Change the ${size} bytes at ${data} a little; returns their new size. */
static size_t
mutate(uint8_t *data, size_t size)
{
	static const uint8_t special[] = { 0, 1, 0x7f, 0x80, 0xff, '\n', ' ', ';', '"', '=' };
	const struct input *other = &corpus[below(corpus_count)];
	size_t at = below(size), len = 1 + below(16);

	if (size == 0)
		return insert(data, size, 0, len);
	switch (below(8)) {
	case 0:
	case 1:
		data[at] ^= (uint8_t)(1 << below(8));
		return size;
	case 2:
		data[at] = (uint8_t)next();
		return size;
	case 3:
		data[at] = special[below(sizeof(special))];
		return size;
	case 4:
		return insert(data, size, at, len);
	case 5:
		return delete(data, size, at, len);
	case 6:
		return at;
	default:
		/* From here on as another one. */
		if (at >= other->len)
			return size;
		memcpy(data + at, other->data + at, other->len - at);
		return other->len;
	}
}

static void
run_random(uint64_t seed, unsigned long count)
{
	static uint8_t data[INPUT_MAX];
	char what[128];

	if (corpus_count == 0)
		die("--random: no corpus to breed from");
	state = seed;
	for (unsigned long i = 0; i < count; i++) {
		const struct input *parent = &corpus[below(corpus_count)];
		size_t size = parent->len;

		if (size > 0)
			memcpy(data, parent->data, size);
		for (size_t times = 1 + below(4); times > 0; times--)
			size = mutate(data, size);
		snprintf(now, sizeof(now), "input %lu of --random %llu", i, (unsigned long long)seed);
		LLVMFuzzerTestOneInput(data, size);
	}
	snprintf(what, sizeof(what), "%lu inputs of seed %llu", count, (unsigned long long)seed);
	point(what);
}

/* The corpus that belongs to a program named .../fuzz_NAME. */
static void
run_own(const char *program)
{
	const char *source = getenv("SOURCE"), *name = strstr(program, "fuzz_"), *more;
	char path[4096];

	while (name != NULL && (more = strstr(name + 1, "fuzz_")) != NULL)
		name = more;
	if (name == NULL) {
		errno = EINVAL;
		die(program);
		return;
	}
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", source == NULL ? "." : source, name + 5);
	run_path(path);
	run_random(1, &fuzz_inputs != NULL ? fuzz_inputs : INPUTS_BRED);
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = last_words };

	sigaction(SIGABRT, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	if (argc == 1)
		run_own(argv[0]);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--random") == 0 && i + 2 < argc) {
			run_random(strtoull(argv[i + 1], NULL, 0), strtoul(argv[i + 2], NULL, 0));
			i += 2;
		} else {
			run_path(argv[i]);
		}
	}
	printf("1..%u\n", points);
	for (size_t i = 0; i < corpus_count; i++)
		free(corpus[i].data);
	return 0;
}
