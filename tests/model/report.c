#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oracle.h"

_Thread_local struct world *report_world;

const char *
escape(const char *bytes, char *out, size_t size)
{
	size_t at = 0;

	for (; *bytes != '\0' && at + 5 < size; bytes++) {
		unsigned char c = (unsigned char)*bytes;

		if (c > ' ' && c < 0x7f && c != '\\')
			out[at++] = (char)c;
		else
			at += (size_t)snprintf(out + at, size - at, "\\x%02x", c);
	}
	out[at] = '\0';
	return out;
}

void
note(struct world *world, struct inode *inode, const char *format, ...)
{
	char text[700];
	va_list ap;
	int len;

	len = snprintf(text, sizeof(text), "#%" PRIu64 " ", world->op);
	va_start(ap, format);
	vsnprintf(text + len, sizeof(text) - (size_t)len, format, ap);
	va_end(ap);
	if (world->log != NULL) {
		fprintf(world->log, "%s\n", text);
		fflush(world->log);
	}
	if (inode != NULL) {
		char **slot = &inode->history[inode->history_count++ % HISTORY];

		free(*slot);
		*slot = strdup(text);
	}
}

static void
print_history(const struct inode *inode)
{
	unsigned i, first = inode->history_count > HISTORY ? inode->history_count - HISTORY : 0;

	fprintf(stderr, "its last operations:\n");
	for (i = first; i < inode->history_count; i++)
		fprintf(stderr, "  %s\n", inode->history[i % HISTORY] != NULL ? inode->history[i % HISTORY] : "?");
}

void
fail(const struct world *world, const struct inode *inode, const char *format, ...)
{
	char path[PATH_BYTES_MAX], text[PATH_BYTES_MAX * 4];
	va_list ap;

	flockfile(stderr);
	fprintf(stderr, "oracle: MISMATCH: seed %" PRIu64 " operation %" PRIu64 ": ", world->seed, world->op);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (inode != NULL) {
		if (inode_full_path(world, inode, path))
			fprintf(stderr, "file: %s\n", escape(path, text, sizeof(text)));
		else
			fprintf(stderr, "file: has no name any more\n");
		fprintf(stderr, "ino %" PRIu64 " (0x%" PRIx64 ") mode %o size %" PRIu64 " nlink %" PRIu64
		    " handles %u maps %u%s; spoilt on replica %d (what %u)\n", inode->ino, inode->ino, inode->mode,
		    inode->data.size, inode->nlink, inode->handles, inode->maps, inode->fuzzy ? " fuzzy" : "",
		    inode->spoilt, inode->spoilt_what);
		print_history(inode);
	}
	fflush(NULL);
	_exit(1);
}

bool
expect(struct world *world, const struct inode *inode, const char *call, int64_t result, int want)
{
	int got = result < 0 ? errno : 0;

	/* POSIX leaves the choice, and XFS makes another one than the others. */
	if (want == ENOTEMPTY && got == EEXIST)
		got = want;
	if (got != want && !(want == ANY_ERRNO && got != 0))
		fail(world, inode, "%s gave %s, want %s", call, got == 0 ? "success" : strerrorname_np(got),
		    want == 0 ? "success" : want == ANY_ERRNO ? "an error" : strerrorname_np(want));
	return got == 0;
}
