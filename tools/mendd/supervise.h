/*
 * mendd/supervise -- the process that reads the configuration and starts those that serve.
 *
 * It alone has the rights that mendd was started with, and hears nothing from
 * the network.  Each configuration is one process, confined to that one's
 * exports.  At a reload another one is started, and the one before serves those
 * of its clients that the new configuration lets in, too, until they leave.
 */

#ifndef MENDD_SUPERVISE_H
#define MENDD_SUPERVISE_H

#include <stdbool.h>

#define SUPERVISE_PROCESSES_MAX 4	/* that serve at a time; the oldest has to end for a new one */

/*
 * supervise(conf_file, foreground, failure_status):
 * Run until SIGTERM or SIGINT.  SIGHUP: reload; a bad configuration is logged,
 * and the old one kept.  0, or a negative errno value, already logged.  In the
 * background only the daemon returns, as daemon_fork().
 */
int supervise(const char *conf_file, bool foreground, int failure_status);

#endif
