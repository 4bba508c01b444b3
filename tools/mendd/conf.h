/*
 * mendd/conf -- /etc/mendfs/mendd.conf: what is exported, and to whom.
 *
 * Syntax and keys: mendd(8).  A struct conf never changes once it is read:
 * another one is read for a reload.  Pure, but for the file that is handed in.
 */

#ifndef MENDD_CONF_H
#define MENDD_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "link/link.h"
#include "util/log.h"

#define CONF_FILE "/etc/mendfs/mendd.conf"
#define CONF_LISTEN_MAX 16		/* addresses */
#define CONF_EXPORT_MAX 1024		/* each is a rule of the kernel's that every opening is held against */
#define CONF_SESSIONS 256		/* at a time, unless max-sessions says otherwise */
#define CONF_SESSIONS_MAX 4096
#define CONF_ERROR_MAX 8192		/* bytes of an error's text: a path and words */

struct conf_key {
	uint8_t key[LINK_KEY_SIZE];	/* a client's public key */
	bool write;			/* else it may only read */
};

struct conf_export {
	char *name;
	char *directory;		/* absolute */
	struct conf_key *keys;
	unsigned key_count;
	uint64_t size_max;		/* bytes; 0: what the file system has */
	char *where;			/* "PATH:LINE" of its first line */
};

struct conf {
	char *listen[CONF_LISTEN_MAX];	/* "HOST:PORT", as said */
	unsigned listen_count;		/* 0: all addresses, the usual port */
	char *key_file;			/* NULL: the usual one */
	unsigned sessions_max;
	enum log_level log_level;
	bool trusted_xattrs;		/* clients may set trusted.*: keeps CAP_SYS_ADMIN */
	struct conf_export *exports;
	unsigned export_count;
	char error[CONF_ERROR_MAX];	/* one line, after a failure */
};

/*
 * conf_read(conf, file, path):
 * Read ${file}, which errors call ${path}, into ${conf}, which need not be
 * initialised; conf_free in any case.  -EINVAL, -EIO, -ENOMEM: conf->error has
 * file, line, and what to do.
 */
int conf_read(struct conf *conf, FILE *file, const char *path);
void conf_free(struct conf *conf);

/* conf_find(conf, name): the export, or NULL. */
const struct conf_export *conf_find(const struct conf *conf, const char *name);

enum conf_right { CONF_NONE, CONF_READ_ONLY, CONF_WRITE };

/*
 * conf_right(export, key): what ${key} may do there.
 * conf_knows(conf, key): is ${key} in any export's list?  Neither tells by
 * its time which key it was.
 */
enum conf_right conf_right(const struct conf_export *export, const uint8_t key[LINK_KEY_SIZE]);
bool conf_knows(const struct conf *conf, const uint8_t key[LINK_KEY_SIZE]);

/*
 * conf_allows(conf, export, key, write):
 * Would a session on ${export}, which another configuration had, with this key
 * and right be let in by ${conf}?
 */
bool conf_allows(const struct conf *conf, const struct conf_export *export, const uint8_t key[LINK_KEY_SIZE], bool write);

#endif
