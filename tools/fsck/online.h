/*
 * fsck/online -- a mounted volume, checked by its daemon.
 */

#ifndef FSCK_ONLINE_H
#define FSCK_ONLINE_H

#include <stdatomic.h>

#include "check/check.h"
#include "control/place.h"

struct online_options {
	const struct control_place *place;
	const char *below;		/* what is looked at: the way from the mountpoint, "" for all */
	enum report_repair repair;	/* not REPAIR_ASK */
	const struct report_sink *sink;
	const struct check_progress *progress;	/* NULL: none wanted */
	const atomic_bool *stop;
};

/* online_run(options): returns fsck(8)'s exit bits. */
int online_run(const struct online_options *options);

#endif
