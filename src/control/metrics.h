/*
 * control/metrics -- a volume's state in Prometheus' text format, version 0.0.4.
 *
 * Each metric's HELP and TYPE come once, then all of its samples: a textfile
 * collector takes it as it is.  Counters count from the mount on, and begin
 * anew with the next.
 */

#ifndef CONTROL_METRICS_H
#define CONTROL_METRICS_H

#include <stdio.h>

#include "volume/status.h"

/* metrics_write(out, mountpoint, status): errors are those of ${out}. */
void metrics_write(FILE *out, const char *mountpoint, const struct volume_status *status);

#endif
