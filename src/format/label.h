/*
 * format/label -- the text that names a replica and its volume.
 *
 * Disk format: doc/FORMAT.md, "Label".  Pure: text in, struct out.
 */

#ifndef FORMAT_LABEL_H
#define FORMAT_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash/digest.h"
#include "util/uuid.h"

#define LABEL_VERSION 1
#define LABEL_MEMBERS_MAX 16
#define LABEL_NAME_MAX 64		/* bytes of a replica's name, with the NUL */
#define LABEL_TEXT_MAX 8192		/* bytes of the whole text */

struct label_member {
	struct uuid uuid;
	char name[LABEL_NAME_MAX];	/* "r0", "r1", ... unless renamed */
	uint64_t seen;			/* the last event at which it was in sync; own entry: unused, 0 */
};

struct label {
	uint32_t version;
	uint64_t read_features;		/* unknown bits: mount read-only */
	uint64_t write_features;	/* unknown bits: refuse */
	struct uuid volume;
	struct uuid replica;		/* which of the members this one is */
	enum digest_codec codec;
	uint8_t key_check[DIGEST_SIZE];	/* digest of nothing under the volume's key; zero for xxh3 */
	uint64_t events;		/* moves, durably, before the effect */
	bool moving;			/* the event's effect has not begun yet */
	bool clean;			/* cleanly unmounted */
	uint64_t next_id;		/* ids from here on are free, if clean */
	unsigned member_count;
	struct label_member members[LABEL_MEMBERS_MAX];
};

/*
 * label_encode(label, text, size):
 * Write the text with its check.  LABEL_TEXT_MAX always suffices.  Returns its
 * length, or -EINVAL (own uuid not a member, no or too many members, a name
 * with bytes other than graphic ASCII), -ENOSPC.
 */
int label_encode(const struct label *label, char *text, size_t size);

/*
 * label_decode(text, len, label):
 * Errors: -EBADMSG (not a label, or spoiled), -EPROTONOSUPPORT (a version this
 * program does not know; label->version is set).  Unknown keys are refused
 * (-EBADMSG): what may be skipped is said by the feature bits.
 */
int label_decode(const char *text, size_t len, struct label *label);

/* label_member(label, uuid): the member with ${uuid}, or NULL. */
struct label_member *label_member(struct label *label, const struct uuid *uuid);

/* label_name(label): the name of the replica that the label is of. */
const char *label_name(const struct label *label);

enum label_relation {
	LABEL_IN_SYNC,
	LABEL_A_BEHIND,		/* b went on without a */
	LABEL_B_BEHIND,
	LABEL_FORKED,		/* each went on without the other */
	LABEL_A_ROLLED_BACK,	/* a is older than what b has seen of it */
	LABEL_B_ROLLED_BACK,
	LABEL_STRANGERS		/* not of one volume, neither on the other's list, or one member twice */
};

/*
 * label_relate(a, b):
 * Who has events that the other never saw?  doc/FORMAT.md, "Events", has the
 * rule.  A member is in sync with the volume if it is behind none of the
 * others.  One that is not on the other's list joined after that one was seen
 * last, or was removed: the list of the newer label tells.  Version vectors: Parker et al., 1983.
 */
enum label_relation label_relate(const struct label *a, const struct label *b);

/*
 * The two steps of an event; doc/FORMAT.md, "Events", says why they are safe.
 *
 *	base = label_event_base(labels of those in sync, as far as they can be read);
 *	for each that stays in sync, if its events < base (a crash cut off the last event):
 *		label_event_begin(label, base - 1, staying, count); write
 *	for each that stays in sync, and each that joins:
 *		label_event_begin(label, base, staying, count); write
 *	for each of the same:
 *		label_event_finish(label, staying and joining, count); write
 *	... the effect ...
 *
 * Each line's writes are durable before the first of the next line.  A member
 * that cannot be written leaves the set of those that stay: begin anew, with
 * the labels as they are by then.
 */

/* label_event_base(labels, count): the number of the last event, complete or not. */
uint64_t label_event_base(const struct label *const *labels, unsigned count);

/*
 * label_event_begin(label, base, staying, count):
 * First step for one label, of event ${base} + 1.  ${staying}, ${count} uuids:
 * those in sync before and after it; the label's own may be among them.
 */
void label_event_begin(struct label *label, uint64_t base, const struct uuid *staying, unsigned count);

/*
 * label_event_finish(label, in_sync, count):
 * Second step: ${in_sync} are those in sync from this event on.
 */
void label_event_finish(struct label *label, const struct uuid *in_sync, unsigned count);

#endif
