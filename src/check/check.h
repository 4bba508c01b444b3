/*
 * check/check -- fsck.mendfs without its options: replicas in, findings out.
 *
 * Offline: the replicas are locked, exclusively to repair, shared to look.
 */

#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "check/report.h"

/* Called now and then while data is read, and at last with ${done} == ${total}. */
struct check_progress {
	void (*show)(void *arg, unsigned pass, uint64_t done, uint64_t total);
	void *arg;
};

struct check_options {
	const char *const *replicas;	/* paths as the user gave them */
	unsigned replica_count;
	enum report_repair repair;
	const char *key_file;		/* NULL: none */
	unsigned threads;		/* 0: as many as fit */
	const struct report_sink *sink;
	const struct check_progress *progress;	/* NULL: none wanted */
	const atomic_bool *stop;	/* set by the caller to stop soon; may be NULL */
};

/* check_run(options): returns fsck(8)'s exit bits. */
int check_run(const struct check_options *options);

#endif
