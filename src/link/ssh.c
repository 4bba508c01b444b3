#include "link/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link/address.h"
#include "link/child.h"
#include "link/link_private.h"

#define TIMEOUT_MS 30000
#define ARGUMENTS_MAX 32
#define COMMAND_SIZE 20480	/* a path of quotes alone would fit, each of which becomes four characters */

/*
 * What the far shell is given.  sh, whatever the user's own shell is; and the
 * folders where mendd is installed, which an ordinary user's PATH has not.
 */
static const char prefix[] = "exec sh -c 'PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin exec mendd --stdio \"$0\"' ";

/* ${directory} in single quotes, in which only the quote itself means anything. */
static int
build_command(const char *directory, char out[COMMAND_SIZE])
{
	size_t used = sizeof(prefix) - 1;

	memcpy(out, prefix, used);
	out[used++] = '\'';
	for (const char *c = directory; *c != '\0'; c++) {
		/* Room for a quote of four, and for the end. */
		if (used + 6 > COMMAND_SIZE || (unsigned char)*c < ' ')
			return -EINVAL;
		if (*c == '\'') {
			memcpy(out + used, "'\\''", 4);
			used += 4;
		} else {
			out[used++] = *c;
		}
	}
	out[used++] = '\'';
	out[used] = '\0';
	return 0;
}

/* A user's name: as little as ssh or a shell could take for something else. */
static bool
user_is_sound(const char *user)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+\\";

	return *user != '\0' && *user != '-' && user[strspn(user, letters)] == '\0';
}

static int
check_target(const struct link_ssh_target *t, char command[COMMAND_SIZE], char *why, size_t why_size)
{
	struct address address;
	char text[ADDRESS_TEXT_SIZE];
	int n = snprintf(text, sizeof(text), strchr(t->host, ':') != NULL ? "[%s]" : "%s", t->host);

	if (n < 0 || (size_t)n >= sizeof(text) || address_parse(text, LINK_PORT, &address) != 0)
		snprintf(why, why_size, "\"%s\" is no name of a host", t->host);
	else if (t->user != NULL && !user_is_sound(t->user))
		snprintf(why, why_size, "\"%s\" is no name of a user", t->user);
	else if (t->port > UINT16_MAX)
		snprintf(why, why_size, "%u is no port", t->port);
	else if (*t->directory != '/')
		snprintf(why, why_size, "the directory \"%s\" does not begin with /", t->directory);
	else if (build_command(t->directory, command) != 0)
		snprintf(why, why_size, "the directory's name is too long, or has control characters in it");
	else
		return 0;
	return -EINVAL;
}

/* ssh's arguments, in ${argv}; ${port} and ${command} are what they point to. */
static void
fill_arguments(const struct link_ssh_target *t, const char *port, const char *command, const char *argv[ARGUMENTS_MAX])
{
	/*
	 * Never a question, never a terminal, no forwarding, no escape
	 * characters; a peer that is gone is noticed; zstd is ours.  The user's
	 * configuration holds for all else.
	 */
	static const char *const options[] = {
		"-T", "-x", "-a", "-e", "none", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", "-o", "Compression=no",
		"-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "ConnectTimeout=10", "-o", "RemoteCommand=none",
	};
	const char *ssh = getenv("MENDFS_SSH");
	size_t n = 0;

	argv[n++] = ssh != NULL && *ssh != '\0' ? ssh : "ssh";
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		argv[n++] = options[i];
	if (t->port != 0) {
		argv[n++] = "-p";
		argv[n++] = port;
	}
	if (t->user != NULL) {
		argv[n++] = "-l";
		argv[n++] = t->user;
	}
	argv[n++] = "--";
	argv[n++] = t->host;
	argv[n++] = command;
	argv[n] = NULL;
}

/* Why no greeting came. */
static int
explain_silence(struct child *child, int rc, char *why, size_t why_size)
{
	char words[CHILD_WORDS_SIZE];

	switch (rc) {
	case -ECONNRESET:
		child_last_words(child, words);
		if (*words != '\0')
			snprintf(why, why_size, "ssh ended: %s", words);
		else
			snprintf(why, why_size, "ssh ended without a word: does \"ssh HOST mendd --stdio DIRECTORY\" run by hand?");
		return -EPERM;
	case -EPROTO:
		snprintf(why, why_size, "not mendd spoke first: the far shell's start-up files must print nothing, and mendd must be installed there");
		return rc;
	case -ETIMEDOUT:
		snprintf(why, why_size, "mendd's greeting did not come in time");
		return rc;
	default:
		snprintf(why, why_size, "%s", link_explain(rc));
		return rc;
	}
}

int
link_open_ssh(const struct link_ssh_target *target, struct link **link, char *why, size_t why_size)
{
	const char *argv[ARGUMENTS_MAX];
	char command[COMMAND_SIZE], port[8], label[256], *const *args;
	struct link *l = NULL;
	struct child *child;
	int fd, rc;

	if ((rc = check_target(target, command, why, why_size)) != 0)
		return rc;
	snprintf(port, sizeof(port), "%u", target->port);
	snprintf(label, sizeof(label), "%s: ssh", target->name);
	fill_arguments(target, port, command, argv);
	/* exec's argv is not const for reasons older than const. */
	memcpy(&args, &(const char *const *){ argv }, sizeof(args));
	if ((rc = child_start(args, label, &child, &fd)) != 0) {
		snprintf(why, why_size, "cannot start %s: %s", argv[0], strerror(-rc));
		return rc;
	}
	if ((rc = link_from_pipes(fd, fd, 0, false, &l)) != 0) {
		/* It may have ended before it was spoken to. */
		close(fd);
		rc = explain_silence(child, rc, why, why_size);
		child_end(child);
		return rc;
	}
	l->child = child;
	if ((rc = receive_greeting(l, target->timeout_ms > 0 ? target->timeout_ms : TIMEOUT_MS)) != 0) {
		link_shutdown(l);
		rc = explain_silence(child, rc, why, why_size);
		link_free(l);
		return rc;
	}
	*link = l;
	return 0;
}
