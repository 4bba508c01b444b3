/*
 * mendd/listen -- the sockets on which clients are awaited.
 */

#ifndef MENDD_LISTEN_H
#define MENDD_LISTEN_H

#include "mendd/conf.h"

struct listeners { int fds[CONF_LISTEN_MAX]; unsigned count; };

/*
 * listen_open(conf, listeners):
 * Those that systemd hands over (LISTEN_FDS, sd_listen_fds(3)), else those of
 * ${conf}.  All or none; what is wrong is logged.
 */
int listen_open(const struct conf *conf, struct listeners *listeners);
void listen_close(struct listeners *listeners);

#endif
