/*
 * format/intent -- sectors of the write-intent bitmap.
 *
 * Disk format: doc/FORMAT.md, "Intent".  A sector is INTENT_SECTOR_SIZE bytes
 * and holds INTENT_SECTOR_BITS bits, one for each region of INTENT_REGION file
 * ids.  Pure.
 */

#ifndef FORMAT_INTENT_H
#define FORMAT_INTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "hash/digest.h"

#define INTENT_REGION 1024
#define INTENT_SECTOR_SIZE 512
#define INTENT_SECTOR_BITS ((INTENT_SECTOR_SIZE - 24) * 8)	/* header: 8 magic+index, 16 check */

enum intent_kind {
	INTENT_REGIONS,		/* what was being changed; the way to some of it may not be marked */
	INTENT_REGIONS_ON_WAYS,	/* what was being changed; all ways to it are marked */
	INTENT_WAYS		/* directories on the way to what was being changed */
};

/* intent_encode(digest, kind, index, bits, sector): seal a sector; ${bits} INTENT_SECTOR_BITS/8 bytes. */
void intent_encode(const struct digest *digest, enum intent_kind kind, uint32_t index, const uint8_t *bits, uint8_t *sector);
/*
 * intent_decode(digest, kind, index, sector, bits):
 * A sector of zeros (never written) gives no bits.  -EBADMSG: spoiled, torn or
 * of another kind; then ${bits} are all set, for nothing may be taken as clean.
 */
int intent_decode(const struct digest *digest, enum intent_kind kind, uint32_t index, const uint8_t *sector, uint8_t *bits);
/* intent_is_kind(kind, sector): does it say that it is one?  Decoding proves it. */
bool intent_is_kind(enum intent_kind kind, const uint8_t *sector);

#endif
