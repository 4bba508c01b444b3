/*
 * replica/url -- where a replica on another machine is.
 *
 *	mend://HOST[:PORT]/EXPORT		mendd's own port
 *	ssh://[USER@]HOST[:PORT]/DIR		mendd started at the far end, over ssh
 *
 * An IPv6 address stands in brackets.  Nothing is escaped: what follows the
 * host is taken as it stands.  HOST and USER never begin with '-', for ssh
 * would take that for an option.
 *
 * Pure.
 */

#ifndef REPLICA_URL_H
#define REPLICA_URL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define URL_MEND_PORT 6363
#define URL_SSH_PORT 22
#define URL_HOST_MAX 255	/* bytes: as the DNS has it */
#define URL_USER_MAX 64
#define URL_EXPORT_MAX 63

enum url_scheme { URL_MEND, URL_SSH };

struct url {
	enum url_scheme scheme;
	char user[URL_USER_MAX + 1];	/* "": none was given */
	char host[URL_HOST_MAX + 1];	/* without brackets */
	unsigned port;			/* the scheme's own if none was given */
	bool port_given;
	char path[PATH_MAX];		/* the export's name, or the directory with its first slash */
};

/* url_is(text): does it begin with a scheme of ours?  Everything else is a directory. */
bool url_is(const char *text);

/*
 * url_authority(text):
 * If ${text} begins with LETTERS://, the length of that and of what follows up
 * to the next slash: its colons belong to the URL, and part no list.  Else 0.
 */
size_t url_authority(const char *text);

/* url_parse(text, url, why): -EINVAL, and ${*why} is what is wrong with it, for a message. */
int url_parse(const char *text, struct url *url, const char **why);

/*
 * url_format(url, out, size):
 * One spelling for each place: a port that goes without saying is left out, and
 * so are repeated and last slashes of a directory.  -ENAMETOOLONG.
 */
int url_format(const struct url *url, char *out, size_t size);

#endif
