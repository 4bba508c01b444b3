#include "format/intent.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "util/buf.h"

/* "MINT", "MINW", "MWAY" on disk */
static const uint32_t magic[] = { [INTENT_REGIONS] = UINT32_C(0x544e494d), [INTENT_REGIONS_ON_WAYS] = UINT32_C(0x574e494d),
	[INTENT_WAYS] = UINT32_C(0x5941574d) };

#define BITS_SIZE (INTENT_SECTOR_BITS / 8)
#define SEALED_SIZE (INTENT_SECTOR_SIZE - DIGEST_SIZE)

_Static_assert(8 + BITS_SIZE == SEALED_SIZE, "header, bits and check fill a sector");

void
intent_encode(const struct digest *digest, enum intent_kind kind, uint32_t index, const uint8_t *bits, uint8_t *sector)
{
	struct buf_writer w;

	buf_writer_init(&w, sector, SEALED_SIZE);
	buf_put_u32(&w, magic[kind]);
	buf_put_u32(&w, index);
	buf_put_bytes(&w, bits, BITS_SIZE);
	assert(!w.failed && w.left == 0);
	digest_bytes(digest, DIGEST_INTENT, sector, SEALED_SIZE, sector + SEALED_SIZE);
}

int
intent_decode(const struct digest *digest, enum intent_kind kind, uint32_t index, const uint8_t *sector, uint8_t *bits)
{
	uint8_t check[DIGEST_SIZE];
	struct buf_reader r;

	if (digest_zeros(sector, INTENT_SECTOR_SIZE)) {
		memset(bits, 0, BITS_SIZE);
		return 0;
	}

	digest_bytes(digest, DIGEST_INTENT, sector, SEALED_SIZE, check);
	buf_reader_init(&r, sector, SEALED_SIZE);
	if (!digest_equal(check, sector + SEALED_SIZE) ||
	    buf_get_u32(&r) != magic[kind] || buf_get_u32(&r) != index) {
		memset(bits, 0xff, BITS_SIZE);
		return -EBADMSG;
	}
	buf_get_bytes(&r, bits, BITS_SIZE);
	return 0;
}

bool
intent_is_kind(enum intent_kind kind, const uint8_t *sector)
{
	struct buf_reader r;

	buf_reader_init(&r, sector, INTENT_SECTOR_SIZE);
	return buf_get_u32(&r) == magic[kind];
}
