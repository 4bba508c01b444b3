#include "check/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/choose.h"
#include "check/run.h"
#include "check/subject.h"
#include "meta/tagfile.h"

/* Pages that members may differ in and still be sorted out together. */
#define SLOTS_MAX 4096
#define PAGE_DATA ((uint64_t)TAGPAGE_TAGS * BLOCK)

/* A page that members differ in, or that some have not. */
struct slot {
	uint64_t index;
	struct choose_slot choice;
	uint8_t *anew;			/* the page made from data, or NULL */
};

struct pages {
	struct subject *s;
	const struct record *record;
	uint64_t count;			/* of pages; 0 for a small file */
	replica_handle file[MEMBERS_MAX];
	struct slot *slots;		/* by rising index */
	unsigned slot_count, slot_room;
	uint8_t base[DIGEST_SIZE];	/* sum of the pages that are beyond doubt */
	bool proved;
	bool any_bad;			/* some member has not all pages right */
};

static int
read_page(const struct pages *p, unsigned i, uint64_t index, uint8_t *page)
{
	if (p->file[i] == REPLICA_NONE && !digest_is_zero(p->record->sum))
		return -ENOENT;
	if (p->file[i] == REPLICA_NONE) {
		/* A file of nothing but holes need not have a tags file. */
		memset(page, 0, TAGPAGE_SIZE);
		return 0;
	}
	return tagfile_read(p->s->c->members[i].r, p->file[i], &p->s->c->digest,
	    p->record->id, index, page);
}

static struct slot *
add_slot(struct pages *p, uint64_t index)
{
	struct slot *grown;
	unsigned room;

	if (p->slot_count == p->slot_room) {
		room = p->slot_room == 0 ? 16 : 2 * p->slot_room;
		if (p->slot_count >= SLOTS_MAX ||
		    (grown = reallocarray(p->slots, room, sizeof(*grown))) == NULL)
			return NULL;
		p->slots = grown;
		p->slot_room = room;
	}
	memset(&p->slots[p->slot_count], 0, sizeof(*p->slots));
	p->slots[p->slot_count].index = index;
	return &p->slots[p->slot_count++];
}

/* Collect what the members say about one page. */
static void
survey_page(struct pages *p, uint64_t index)
{
	struct choose_slot choice = { 0 };
	uint8_t page[TAGPAGE_SIZE];
	bool doubt = false, has[MEMBERS_MAX] = { false };
	struct slot *slot;

	for (unsigned i = 0; i < p->s->c->count; i++) {
		if (!subject_present(p->s, i))
			continue;
		has[i] = read_page(p, i, index, page) == 0;
		if (has[i])
			choice.of[i] = (uint8_t)choose_option(&choice, tagpage_sum(page));
		else
			doubt = true;
	}
	if (choice.option_count != 1)
		doubt = true;
	p->any_bad |= doubt;
	slot = doubt ? add_slot(p, index) : NULL;
	if (slot != NULL)
		slot->choice = choice;
	else if (choice.option_count > 0)
		digest_xor(p->base, choice.option[0]);
}

/* What the page would be if member ${i}'s data is right. */
static int
page_from_data(const struct pages *p, unsigned i, uint64_t index, uint8_t *page)
{
	struct replica *r = p->s->c->members[i].r;
	uint64_t offset = index * PAGE_DATA, size = p->record->size;
	size_t want = size - offset < PAGE_DATA ? (size_t)(size - offset) : (size_t)PAGE_DATA;
	replica_handle file = REPLICA_NONE;
	uint8_t *data;
	int rc;

	if ((data = calloc(1, (size_t)PAGE_DATA)) == NULL)
		return -ENOMEM;
	if ((rc = r->ops->open(r, p->s->at[i], false, &file, NULL)) == 0) {
		rc = r->ops->pread(r, file, data, want, offset) < 0 ? -EIO : 0;
		r->ops->close(r, file);
	}
	memset(page, 0, TAGPAGE_SIZE);
	for (size_t at = 0; rc == 0 && at < want; at += BLOCK)
		digest_tag(&p->s->c->digest, data + at, want - at < BLOCK ? want - at : BLOCK,
		    tagpage_tag(page, (unsigned)(at / BLOCK)));
	tagpage_seal(&p->s->c->digest, p->record->id, index, page);
	free(data);
	return rc;
}

/* A further option, of the first member whose data makes up a page that was not there yet. */
static void
add_anew(struct pages *p, struct slot *slot)
{
	unsigned before = slot->choice.option_count;
	uint8_t page[TAGPAGE_SIZE];

	for (unsigned i = 0; i < p->s->c->count; i++) {
		if (!subject_present(p->s, i) || page_from_data(p, i, slot->index, page) != 0)
			continue;
		if (choose_option(&slot->choice, tagpage_sum(page)) < before)
			continue;
		if ((slot->anew = malloc(TAGPAGE_SIZE)) != NULL)
			memcpy(slot->anew, page, TAGPAGE_SIZE);
		return;
	}
}

static bool
add_up(struct pages *p)
{
	struct choose_slot *choices;
	uint8_t target[DIGEST_SIZE];
	int rc;

	memcpy(target, p->record->sum, DIGEST_SIZE);
	digest_xor(target, p->base);
	if (p->slot_count == 0)
		return digest_is_zero(target);
	if ((choices = calloc(p->slot_count, sizeof(*choices))) == NULL)
		return false;
	for (unsigned k = 0; k < p->slot_count; k++)
		choices[k] = p->slots[k].choice;
	rc = choose_sum(choices, p->slot_count, p->s->c->count, target);
	for (unsigned k = 0; k < p->slot_count; k++)
		p->slots[k].choice.chosen = choices[k].chosen;
	free(choices);
	return rc == 0;
}

static bool
every_slot_filled(const struct pages *p)
{
	for (unsigned k = 0; k < p->slot_count; k++) {
		if (p->slots[k].choice.option_count == 0)
			return false;
	}
	return true;
}

static void
prove(struct pages *p)
{
	for (uint64_t index = 0; index < p->count && !check_stopped(p->s->c); index++)
		survey_page(p, index);
	if (every_slot_filled(p) && add_up(p)) {
		p->proved = true;
		return;
	}
	for (unsigned k = 0; k < p->slot_count; k++)
		add_anew(p, &p->slots[k]);
	p->proved = every_slot_filled(p) && add_up(p);
	if (p->proved)
		return;
	/* What was made from data proves nothing by itself: forget it. */
	for (unsigned k = 0; k < p->slot_count; k++) {
		if (p->slots[k].anew != NULL)
			p->slots[k].choice.option_count--;
		free(p->slots[k].anew);
		p->slots[k].anew = NULL;
	}
}

int
pages_new(struct subject *s, const struct record *record, struct pages **out)
{
	struct pages *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return -ENOMEM;
	p->s = s;
	p->record = record;
	p->proved = true;
	for (unsigned i = 0; i < MEMBERS_MAX; i++)
		p->file[i] = REPLICA_NONE;
	if (record->kind == RECORD_PAGED) {
		p->count = tagfile_page_count(record->size);
		for (unsigned i = 0; i < s->c->count; i++) {
			if (s->asked[i])
				(void)tagfile_open(s->c->members[i].r, s->c->members[i].tags,
				    record->id, false, &p->file[i]);
		}
		prove(p);
	}
	*out = p;
	return 0;
}

void
pages_free(struct pages *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->s->c->count; i++) {
		if (p->file[i] != REPLICA_NONE)
			p->s->c->members[i].r->ops->close(p->s->c->members[i].r, p->file[i]);
	}
	for (unsigned k = 0; k < p->slot_count; k++)
		free(p->slots[k].anew);
	free(p->slots);
	free(p);
}

bool
pages_proved(const struct pages *p)
{
	return p->proved;
}

static const struct slot *
find_slot(const struct pages *p, uint64_t index)
{
	unsigned low = 0, high = p->slot_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (p->slots[middle].index == index)
			return &p->slots[middle];
		if (p->slots[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The right page, from whichever member has it. */
static int
right_page(const struct pages *p, uint64_t index, uint8_t *page)
{
	const struct slot *slot = find_slot(p, index);
	const uint8_t *want = NULL;

	if (slot != NULL) {
		if (slot->choice.option_count == 0)
			return -ENODATA;
		want = slot->choice.option[slot->choice.chosen];
		if (slot->anew != NULL && slot->choice.chosen == slot->choice.option_count - 1) {
			memcpy(page, slot->anew, TAGPAGE_SIZE);
			return 0;
		}
	}
	for (unsigned i = 0; i < p->s->c->count; i++) {
		if (!subject_present(p->s, i) || read_page(p, i, index, page) != 0)
			continue;
		if (want == NULL || memcmp(want, tagpage_sum(page), DIGEST_SIZE) == 0)
			return 0;
	}
	return -ENODATA;
}

int
pages_load(const struct pages *p, uint64_t first, unsigned count, uint8_t *tags)
{
	uint8_t page[TAGPAGE_SIZE];
	int rc;

	memset(tags, 0, (size_t)count * DIGEST_SIZE);
	if (p->record->kind != RECORD_PAGED) {
		if (first < p->record->tag_count) {
			if (count > p->record->tag_count - first)
				count = (unsigned)(p->record->tag_count - first);
			memcpy(tags, p->record->tags + first * DIGEST_SIZE, (size_t)count * DIGEST_SIZE);
		}
		return 0;
	}
	if ((rc = right_page(p, first / TAGPAGE_TAGS, page)) != 0)
		return rc;
	memcpy(tags, tagpage_tag(page, (unsigned)(first % TAGPAGE_TAGS)), (size_t)count * DIGEST_SIZE);
	return 0;
}

static int
write_page(struct pages *p, unsigned i, uint64_t index, const uint8_t *page)
{
	struct member *m = &p->s->c->members[i];
	int rc;

	/* A handle for reading is no good any more, and there may be no file yet. */
	if (p->file[i] != REPLICA_NONE)
		m->r->ops->close(m->r, p->file[i]);
	if ((rc = tagfile_open(m->r, m->tags, p->record->id, true, &p->file[i])) != 0)
		return rc;
	atomic_store(&p->s->c->touched, true);
	return tagfile_write(m->r, p->file[i], index, page);
}

/* Of a file that is made or replaced as a whole, the tags are no news. */
static bool
is_news(const struct pages *p, unsigned i)
{
	return !p->s->fresh[i] && p->s->verdict.state[i] != JUDGE_RECORD;
}

static void
mend_page(struct pages *p, unsigned i, uint64_t index, const uint8_t *right, struct run *run)
{
	uint8_t page[TAGPAGE_SIZE];
	bool may;
	int rc;

	if (!p->s->asked[i] || (!p->s->fresh[i] && !subject_present(p->s, i)))
		return;
	if (read_page(p, i, index, page) == 0 &&
	    memcmp(tagpage_sum(page), tagpage_sum(right), DIGEST_SIZE) == 0)
		return;
	may = p->proved && p->s->c->repairing &&
	    (!is_news(p, i) || report_may(p->s->c->report, TAGS_SPOILED));
	rc = may ? write_page(p, i, index, right) : 0;
	if (is_news(p, i) || rc != 0)
		run_add(run, TAGS_SPOILED, subject_mended(rc, may), index * PAGE_DATA, PAGE_DATA);
}

static bool
any_fresh(const struct subject *s)
{
	for (unsigned i = 0; i < s->c->count; i++) {
		if (s->fresh[i])
			return true;
	}
	return false;
}

void
pages_mend(struct pages *p)
{
	struct run runs[MEMBERS_MAX], lost;
	uint8_t page[TAGPAGE_SIZE];

	if (p->count == 0 || (!p->any_bad && !any_fresh(p->s)))
		return;
	run_init(&lost, p->s, -1);
	for (unsigned i = 0; i < p->s->c->count; i++)
		run_init(&runs[i], p->s, (int)i);
	for (uint64_t index = 0; index < p->count; index++) {
		if (right_page(p, index, page) != 0) {
			run_add(&lost, TAGS_LOST, OUTCOME_LEFT, index * PAGE_DATA, PAGE_DATA);
			continue;
		}
		for (unsigned i = 0; i < p->s->c->count; i++)
			mend_page(p, i, index, page, &runs[i]);
	}
	run_flush(&lost);
	for (unsigned i = 0; i < p->s->c->count; i++)
		run_flush(&runs[i]);
}
