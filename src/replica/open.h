/*
 * replica/open -- a replica by its name: a directory, or a URL.
 *
 * A name that begins with mend:// or ssh:// is one on another machine
 * (replica/url, replica/peer), everything else a local directory
 * (replica/dir); a directory of such a name can be had as ./mend:...
 */

#ifndef REPLICA_OPEN_H
#define REPLICA_OPEN_H

#include <stdbool.h>

#include "replica/peer.h"
#include "replica/replica.h"

#define REPLICA_OPEN_WHY_MAX 512

struct replica_open_options {
	bool read_only;			/* nothing is ever written there */
	struct peer_options peer;	/* for one on another machine */
	char *why;			/* REPLICA_OPEN_WHY_MAX bytes: one line, without the name, that says what is wrong and what to do */
};					/* NULL: nobody wants to know */

/*
 * replica_open(name, options, out):
 * Open the replica ${name}; NULL for ${options} stands for all zeros.  ${*out}
 * has no lock yet, and its path is ${name}.  Errors are dir_replica_open's or
 * peer_open's; then ${options}->why is filled in.
 */
int replica_open(const char *name, const struct replica_open_options *options, struct replica **out);

/* replica_open_local(name): is it a directory of this machine's, as far as its name says? */
bool replica_open_local(const char *name);

/*
 * replica_open_real(name, out):
 * The one spelling of ${name} by which two are compared: a directory's path as
 * realpath(3) has it, a URL's as url_format has it.  ${*out} is to be freed.
 * realpath's errors; -EINVAL: no URL.
 */
int replica_open_real(const char *name, char **out);

/*
 * replica_open_explain(name, error, why):
 * What an error of replica_open_real, or of an operation on a replica that was
 * just opened, means, as replica_open's ${why}.
 */
void replica_open_explain(const char *name, int error, char *why);

#endif
