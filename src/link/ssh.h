/*
 * link/ssh -- a link through ssh: `mendd --stdio DIRECTORY' at the other end.
 *
 * ssh authenticates and encrypts, so frames go as they are.  The user's
 * ~/.ssh/config holds; nothing is asked for (BatchMode).  What ssh says on its
 * standard error goes to our log.  MENDFS_SSH in the environment: another
 * program than ssh, which gets the same arguments.
 */

#ifndef LINK_SSH_H
#define LINK_SSH_H

#include "link/link.h"

struct link_ssh_target {
	const char *name;	/* of the replica, for the log; copied */
	const char *user;	/* NULL: as ssh is configured */
	const char *host;
	unsigned port;		/* 0: as ssh is configured */
	const char *directory;	/* absolute */
	int timeout_ms;		/* until the far mendd's greeting is here; 0: 30 s */
};

/*
 * link_open_ssh(target, link, why, why_size):
 * Start ssh and wait for the greeting.  The child belongs to the link.
 * -EINVAL: a name that cannot be given to ssh.  -EPERM: ssh ended without a
 * greeting (it was refused, or the far end has no mendd; the log has what ssh
 * said).  -EPROTO: something else than mendd spoke.  -ETIMEDOUT.  -ENOENT: no
 * ssh on this machine.
 */
int link_open_ssh(const struct link_ssh_target *target, struct link **link, char *why, size_t why_size);

#endif
