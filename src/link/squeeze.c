#include "link/squeeze.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <zstd.h>

#include "link/link.h"
#include "util/bulk.h"
#include "util/clock.h"

#define LEVEL 1			/* zstd's fastest that compresses well: a wire does not wait */

void
squeeze_rule_init(struct squeeze_rule *rule)
{
	*rule = (struct squeeze_rule){ .skip_next = SQUEEZE_SKIP_MIN };
}

bool
squeeze_rule_try(struct squeeze_rule *rule, size_t len)
{
	if (len < SQUEEZE_LEN_MIN)
		return false;
	if (rule->skip == 0)
		return true;
	rule->skip--;
	return false;
}

/* A moving average over some eight values; the first one counts in full. */
static void
average(uint64_t *value, uint64_t next)
{
	*value = *value == 0 ? next : (*value * 7 + next) / 8;
}

void
squeeze_rule_result(struct squeeze_rule *rule, size_t len, size_t packed, uint64_t took_ns, uint64_t wire_cost)
{
	average(&rule->zip_cost, took_ns * 1000 / len);
	average(&rule->saved, (len - packed) * 1000 / len);
	if (rule->saved * wire_cost > rule->zip_cost * 1000) {
		rule->poor = 0;
		rule->skip_next = SQUEEZE_SKIP_MIN;
		return;
	}
	if (++rule->poor < SQUEEZE_POOR_MAX)
		return;
	rule->skip = rule->skip_next;
	if (rule->skip_next < SQUEEZE_SKIP_MAX)
		rule->skip_next *= 2;
	/* The next trial stands alone: one that does not pay is enough then; and what was measured is forgotten. */
	rule->poor = SQUEEZE_POOR_MAX - 1;
	rule->zip_cost = rule->saved = 0;
}

/* A context is some hundred kilobytes, which malloc() would keep for the next one. */
static void
give_back(void)
{
	malloc_trim(0);
}

struct squeeze { ZSTD_CCtx *zstd; uint8_t *input, *output; };

int
squeeze_new(struct squeeze **squeeze)
{
	struct squeeze *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -ENOMEM;
	s->input = bulk_new(LINK_FRAME_MAX);
	s->output = bulk_new(LINK_FRAME_MAX);
	if (s->input == NULL || s->output == NULL) {
		squeeze_free(s);
		return -ENOMEM;
	}
	*squeeze = s;
	return 0;
}

void
squeeze_free(struct squeeze *squeeze)
{
	if (squeeze == NULL)
		return;
	ZSTD_freeCCtx(squeeze->zstd);
	bulk_free(squeeze->input, LINK_FRAME_MAX);
	bulk_free(squeeze->output, LINK_FRAME_MAX);
	free(squeeze);
}

void
squeeze_idle(struct squeeze *squeeze)
{
	bulk_idle(squeeze->input, LINK_FRAME_MAX);
	bulk_idle(squeeze->output, LINK_FRAME_MAX);
	if (squeeze->zstd == NULL)
		return;
	ZSTD_freeCCtx(squeeze->zstd);
	squeeze->zstd = NULL;
	give_back();
}

uint8_t *
squeeze_input(struct squeeze *squeeze)
{
	return squeeze->input;
}

size_t
squeeze_pack(struct squeeze *squeeze, size_t len, const uint8_t **packed, uint64_t *took_ns)
{
	uint64_t before = clock_monotonic_ns();
	size_t got;

	*took_ns = 0;
	if (squeeze->zstd == NULL && (squeeze->zstd = ZSTD_createCCtx()) == NULL)
		return len;
	/* No room for more than nine tenths: a result that does not fit is none. */
	got = ZSTD_compressCCtx(squeeze->zstd, squeeze->output, len - len / 10, squeeze->input, len, LEVEL);
	*took_ns = clock_monotonic_ns() - before;
	if (ZSTD_isError(got))
		return len;
	*packed = squeeze->output;
	return got;
}

struct unsqueeze { ZSTD_DCtx *zstd; uint8_t *output; };

int
unsqueeze_new(struct unsqueeze **unsqueeze)
{
	struct unsqueeze *u;

	if ((u = calloc(1, sizeof(*u))) == NULL)
		return -ENOMEM;
	if ((u->output = bulk_new(LINK_FRAME_MAX)) == NULL) {
		free(u);
		return -ENOMEM;
	}
	*unsqueeze = u;
	return 0;
}

void
unsqueeze_free(struct unsqueeze *unsqueeze)
{
	if (unsqueeze == NULL)
		return;
	ZSTD_freeDCtx(unsqueeze->zstd);
	bulk_free(unsqueeze->output, LINK_FRAME_MAX);
	free(unsqueeze);
}

void
unsqueeze_idle(struct unsqueeze *unsqueeze)
{
	bulk_idle(unsqueeze->output, LINK_FRAME_MAX);
	if (unsqueeze->zstd == NULL)
		return;
	ZSTD_freeDCtx(unsqueeze->zstd);
	unsqueeze->zstd = NULL;
	give_back();
}

int
unsqueeze(struct unsqueeze *unsqueeze, const uint8_t *packed, size_t packed_len, uint8_t **body, size_t *len)
{
	unsigned long long size = ZSTD_getFrameContentSize(packed, packed_len);
	size_t got;

	/* Both kinds of "unknown" are larger than any size. */
	if (size == 0 || size > LINK_FRAME_MAX)
		return -EPROTO;
	if (ZSTD_findFrameCompressedSize(packed, packed_len) != packed_len)
		return -EPROTO;
	if (unsqueeze->zstd == NULL && (unsqueeze->zstd = ZSTD_createDCtx()) == NULL)
		return -ENOMEM;
	/* In one go, with no more room than it said it needs: no window, and nothing to blow up. */
	got = ZSTD_decompressDCtx(unsqueeze->zstd, unsqueeze->output, (size_t)size, packed, packed_len);
	if (ZSTD_isError(got) || got != size)
		return -EPROTO;
	*body = unsqueeze->output;
	*len = got;
	return 0;
}
