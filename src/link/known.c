#include "link/known.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"

/* What a search of the file found. */
struct search { const char *path, *server; uint8_t *key; bool found; unsigned line; char *why; size_t why_size; };

/* One line: "HOST:PORT KEY", or nothing. */
static int
look_at_line(struct search *s, char *line, unsigned number)
{
	char *rest, *host = strtok_r(line, " \t\n", &rest), *text, *more, name[ADDRESS_TEXT_SIZE];
	uint8_t key[LINK_KEY_SIZE];
	struct address address;

	if (host == NULL || *host == '#')
		return 0;
	text = strtok_r(NULL, " \t\n", &rest);
	more = strtok_r(NULL, " \t\n", &rest);
	if (text == NULL || (more != NULL && *more != '#') || address_parse(host, LINK_PORT, &address) != 0 || key_from_text(text, key) != 0) {
		snprintf(s->why, s->why_size, "line %u of %s is not \"HOST:PORT mendfs-key:...\": correct or remove it", number, s->path);
		return -EINVAL;
	}
	address_to_text(&address, name);
	if (strcmp(name, s->server) != 0)
		return 0;
	if (s->found && !key_equal(s->key, key)) {
		snprintf(s->why, s->why_size, "lines %u and %u of %s give two keys for %s: remove the wrong one", s->line, number, s->path, s->server);
		return -EEXIST;
	}
	s->found = true;
	s->line = number;
	memcpy(s->key, key, sizeof(key));
	return 0;
}

static int
search_file(struct search *s, FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	for (unsigned number = 1; rc == 0 && getline(&line, &size, file) >= 0; number++)
		rc = look_at_line(s, line, number);
	if (rc == 0 && ferror(file)) {
		rc = -EIO;
		snprintf(s->why, s->why_size, "cannot read %s", s->path);
	}
	free(line);
	return rc;
}

/* Who can write to it decides whom we believe. */
static int
check_owner(const char *path, int fd, char *why, size_t why_size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (S_ISREG(st.st_mode) && (st.st_mode & 022) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()))
		return 0;
	snprintf(why, why_size, "%s can be written by others (owner %u, mode %03o): chown it to yourself and chmod 644",
	    path, (unsigned)st.st_uid, (unsigned)st.st_mode & 0777);
	return -EPERM;
}

/* Search an open file, from its start.  ${fd} stays open. */
static int
search_fd(struct search *s, int fd)
{
	FILE *file;
	int copy, rc;

	if ((rc = check_owner(s->path, fd, s->why, s->why_size)) != 0)
		return rc;
	if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0 || (file = fdopen(copy, "r")) == NULL) {
		rc = -errno;
		if (copy >= 0)
			close(copy);
		snprintf(s->why, s->why_size, "cannot read %s: %s", s->path, strerror(-rc));
		return rc;
	}
	rc = search_file(s, file);
	fclose(file);
	return rc;
}

static const char *
path_or_default(const char *path, char room[PATH_MAX], int *rc, char *why, size_t why_size)
{
	if (path != NULL)
		return path;
	if ((*rc = key_default_path("known-servers", room, PATH_MAX)) == 0)
		return room;
	snprintf(why, why_size, "no place for known servers: HOME and MENDFS_KNOWN_SERVERS are not set, or too long");
	return NULL;
}

int
known_find(const char *path, const struct address *server, uint8_t key[LINK_KEY_SIZE], char *why, size_t why_size)
{
	char room[PATH_MAX], name[ADDRESS_TEXT_SIZE];
	struct search s = { .server = name, .key = key, .why = why, .why_size = why_size };
	int fd, rc;

	if ((s.path = path_or_default(path, room, &rc, why, why_size)) == NULL)
		return rc;
	address_to_text(server, name);
	if ((fd = open(s.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) < 0) {
		rc = -errno;
		if (rc != -ENOENT)
			snprintf(why, why_size, "cannot open %s: %s", s.path, strerror(-rc));
	} else {
		rc = search_fd(&s, fd);
		close(fd);
		if (rc == 0 && !s.found)
			rc = -ENOENT;
	}
	if (rc == -ENOENT)
		snprintf(why, why_size, "%s is no known server: add the line \"%s KEY\" to %s with \"mendctl key trust %s KEY\"; "
		    "the KEY is what \"mendctl key show\" says there", name, name, s.path, name);
	return rc;
}

/* The line, after a newline if the file does not end in one. */
static int
append(int fd, const char *server, const uint8_t key[LINK_KEY_SIZE])
{
	char line[ADDRESS_TEXT_SIZE + KEY_TEXT_SIZE + 4], text[KEY_TEXT_SIZE], last = '\n';
	off_t end = lseek(fd, 0, SEEK_END);
	int len, rc;

	if (end < 0)
		return -errno;
	if (end > 0 && io_pread(fd, &last, 1, end - 1) != 1)
		return -EIO;
	key_to_text(key, text);
	len = snprintf(line, sizeof(line), "%s%s %s\n", last == '\n' ? "" : "\n", server, text);
	if ((rc = io_write(fd, line, (size_t)len)) != 0)
		return rc;
	return fsync(fd) == 0 ? 0 : -errno;
}

int
known_add(const char *path, const struct address *server, const uint8_t key[LINK_KEY_SIZE], char *why, size_t why_size)
{
	char room[PATH_MAX], name[ADDRESS_TEXT_SIZE];
	uint8_t there[LINK_KEY_SIZE];
	struct search s = { .server = name, .key = there, .why = why, .why_size = why_size };
	int fd = -1, rc;

	if ((s.path = path_or_default(path, room, &rc, why, why_size)) == NULL)
		return rc;
	address_to_text(server, name);
	if ((rc = key_make_folder(s.path)) != 0 ||
	    (fd = open(s.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644)) < 0) {
		rc = rc != 0 ? rc : -errno;
		snprintf(why, why_size, "cannot write %s: %s", s.path, strerror(-rc));
		return rc;
	}
	/* Two that add at once each see what the other one added. */
	(void)flock(fd, LOCK_EX);
	if ((rc = search_fd(&s, fd)) != 0)
		goto done;
	if (s.found && key_equal(there, key))
		goto done;
	if (s.found) {
		rc = -EEXIST;
		snprintf(why, why_size, "line %u of %s gives another key for %s: if the server's key was changed on purpose, remove that line first",
		    s.line, s.path, name);
		goto done;
	}
	if ((rc = append(fd, name, key)) != 0)
		snprintf(why, why_size, "cannot write %s: %s", s.path, strerror(-rc));

done:
	close(fd);
	return rc;
}
