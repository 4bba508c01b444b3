/*
 * link/squeeze -- zstd on frames, where it pays.
 *
 * It pays if the time that compressing a frame takes is less than the time
 * that the bytes it saves would have taken on the wire.  Both are measured as
 * frames go; where it does not pay it is tried again only after 64 frames,
 * then 128, up to 4,096, so that what cannot be compressed, and a wire that is
 * quicker than zstd, cost next to nothing.
 *
 * Costs are in picoseconds per byte.  No locking inside.
 */

#ifndef LINK_SQUEEZE_H
#define LINK_SQUEEZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQUEEZE_LEN_MIN 512	/* shorter bodies are not worth a look */
#define SQUEEZE_SKIP_MIN 64
#define SQUEEZE_SKIP_MAX 4096
#define SQUEEZE_POOR_MAX 4	/* trials that do not pay, before it is left off */

/* The decision, apart from zstd: what was measured, as moving averages. */
struct squeeze_rule {
	uint64_t zip_cost;	/* of compressing a byte */
	uint64_t saved;		/* of 1,000 bytes */
	unsigned poor;		/* trials in a row that did not pay */
	unsigned skip;		/* frames to go until the next trial */
	unsigned skip_next;	/* how many it will be next time */
};

void squeeze_rule_init(struct squeeze_rule *rule);
/* squeeze_rule_try(rule, len): is the next frame, of ${len} bytes, to be compressed?  Counts it. */
bool squeeze_rule_try(struct squeeze_rule *rule, size_t len);
/* squeeze_rule_result(rule, len, packed, took_ns, wire_cost): one was, from ${len} to ${packed} bytes. */
void squeeze_rule_result(struct squeeze_rule *rule, size_t len, size_t packed, uint64_t took_ns, uint64_t wire_cost);

/* What compresses.  Memory is there while it is used. */
struct squeeze;
int squeeze_new(struct squeeze **squeeze);
void squeeze_free(struct squeeze *squeeze);
/* squeeze_idle(squeeze): give memory back. */
void squeeze_idle(struct squeeze *squeeze);
/* squeeze_input(squeeze): LINK_FRAME_MAX bytes, for the caller to put a body into. */
uint8_t *squeeze_input(struct squeeze *squeeze);
/*
 * squeeze_pack(squeeze, len, packed, took_ns):
 * Compress the first ${len} bytes of the input.  Returns how many they became,
 * at *${packed} until the next call; ${len} if they did not get smaller by a
 * tenth, and nothing is at *${packed}.
 */
size_t squeeze_pack(struct squeeze *squeeze, size_t len, const uint8_t **packed, uint64_t *took_ns);

/* What undoes it. */
struct unsqueeze;
int unsqueeze_new(struct unsqueeze **unsqueeze);
void unsqueeze_free(struct unsqueeze *unsqueeze);
void unsqueeze_idle(struct unsqueeze *unsqueeze);
/*
 * unsqueeze(unsqueeze, packed, packed_len, body, len):
 * ${packed} must be one zstd frame that says its size, 1 to LINK_FRAME_MAX,
 * and no byte more.  *${body} is valid until the next call.  -EPROTO, -ENOMEM.
 */
int unsqueeze(struct unsqueeze *unsqueeze, const uint8_t *packed, size_t packed_len, uint8_t **body, size_t *len);

#endif
