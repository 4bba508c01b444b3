/*
 * A volume on replicas that a test can cut off, without a mount: steps are
 * words ("rename a d/b"), states are texts, so that they can be compared.
 *
 * Nothing is really made durable, for the machine goes on: what a power cut
 * would leave is power.h's matter.
 */

#ifndef TESTS_FAULT_RIG_H
#define TESTS_FAULT_RIG_H

#include <limits.h>
#include <stdio.h>

#include "replica/fault.h"
#include "volume/state.h"

#define RIG_MEMBERS_MAX 5
#define RIG_OPEN_MAX 8
#define RIG_STEPS_MAX 40

/* What the environment's variables of these names are unless they are set; the makefile may say so, too. */
#ifndef FAULT_FAR
#define FAULT_FAR 0
#endif
#ifndef FAULT_ACK
#define FAULT_ACK 0
#endif
#ifndef FAULT_STRIDE
#define FAULT_STRIDE 1
#endif
#ifndef FAULT_SECONDS
#define FAULT_SECONDS 20
#endif

struct rig {
	char base[PATH_MAX / 4];
	unsigned members;
	char path[RIG_MEMBERS_MAX][PATH_MAX / 2];
	bool degraded;			/* -o degraded */
	bool spread;			/* all that is made is of a region of its own */
	struct volume *v;
	struct fault_plug plug;
	/* Put around each replica, below the plug; NULL: nothing. */
	int (*wrap)(void *arg, unsigned index, struct replica **r);
	void *wrap_arg;
	uint32_t far;			/* a bit for each replica that is put far away (tests/far.h); FAULT_FAR in the environment */
	struct far *away[RIG_MEMBERS_MAX];	/* their far ends, until the volume is closed */
	bool ack_fsync;			/* which may lag behind then; FAULT_ACK=1 */
	unsigned timeout_ms;		/* of every call, once the threads are started; 0: none */
	struct { struct node *node; char name[160]; } open[RIG_OPEN_MAX];
	unsigned steps;		/* after which the flusher may have come by */
};

/* rig_begin, rig_end: in main, before and after the tests: whatever becomes of them, nothing is left behind. */
void rig_begin(void);
void rig_end(void);
/* rig_init(rig, members): a scratch directory; rig_done removes it. Both end the program if they cannot. */
void rig_init(struct rig *rig, unsigned members);
void rig_done(struct rig *rig);
/* rig_clear(rig): empty replicas. */
void rig_clear(struct rig *rig);

/* rig_plug(rig, nth, half): the power goes at the nth change from here on; 0: never. */
void rig_plug(struct rig *rig, uint64_t nth, bool half);
/* rig_pulled(rig): has it? The threads of the volume may have done it. */
bool rig_pulled(struct rig *rig);

int rig_open(struct rig *rig);
/* rig_close(rig): give back what steps left open, and unmount; 0 or the first error. */
int rig_close(struct rig *rig);
/* rig_settle(rig): start the threads, and wait until all is reconciled.  False: it did not come to an end. */
bool rig_settle(struct rig *rig);

/* rig_step(rig, step): do one; 0 or a negative errno value. */
int rig_step(struct rig *rig, const char *step);
/* rig_read(rig, path, data, len): all that the file holds, malloc'd; "@a" is what was opened as a.  0 or a negative errno value. */
int rig_read(struct rig *rig, const char *path, uint8_t **data, size_t *len);
/* rig_byte(what, offset): what "write a OFFSET LENGTH ${what}" puts there. */
uint8_t rig_byte(char what, uint64_t offset);
/* rig_words(text, steps): cut "a; b; c" up, in place; returns how many. */
unsigned rig_words(char *text, char *steps[RIG_STEPS_MAX]);

/* rig_tree(rig): all that the volume shows, as text; malloc'd. Errors stand in it. */
char *rig_tree(struct rig *rig);
/* rig_copy(rig, i): all that stands on replica ${i}, records and times with it; malloc'd. */
char *rig_copy(struct rig *rig, unsigned i);
/* rig_fsck(rig, out): fsck.mendfs -n; its exit bits, and what it says; malloc'd. */
int rig_fsck(struct rig *rig, char **out);

/* rig_far_cut(rig, i), rig_far_stop(rig, i, stop): as far_cut and far_stop, of a replica that is far away and in use. */
void rig_far_cut(struct rig *rig, unsigned i);
void rig_far_stop(struct rig *rig, unsigned i, bool stop);

/* rig_number(name, otherwise): the value of an environment variable. */
uint64_t rig_number(const char *name, uint64_t otherwise);
/* rig_stride(otherwise): of how many cuts one is taken: FAULT_STRIDE times FAULT_SPARSE, the former ${otherwise} unless it is set. */
uint64_t rig_stride(uint64_t otherwise);

#endif
