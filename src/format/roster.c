#include "format/roster.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool
roster_given_up(const struct label *label)
{
	return label->events == 1 && !label->moving;
}

bool
roster_unfilled(const struct label *label)
{
	return label->events == 0 || roster_given_up(label);
}

bool
roster_removed(const struct label *label)
{
	return label->write_features == LABEL_REMOVED;
}

static const struct label_member *
find(const struct label *label, const struct uuid *uuid)
{
	unsigned i;

	for (i = 0; i < label->member_count; i++) {
		if (uuid_equal(&label->members[i].uuid, uuid))
			return &label->members[i];
	}
	return NULL;
}

bool
roster_has(const struct label *label, const struct uuid *uuid)
{
	return find(label, uuid) != NULL;
}

int
roster_add(struct label *label, const struct uuid *uuid, const char *name)
{
	struct label_member *member;

	if (roster_has(label, uuid))
		return 0;
	if (label->member_count == LABEL_MEMBERS_MAX)
		return -ENOSPC;
	member = &label->members[label->member_count++];
	memset(member, 0, sizeof(*member));
	member->uuid = *uuid;
	snprintf(member->name, sizeof(member->name), "%s", name);
	return 0;
}

void
roster_remove(struct label *label, const struct uuid *uuid)
{
	struct label_member *member = label_member(label, uuid);
	size_t behind;

	if (member == NULL || uuid_equal(uuid, &label->replica))
		return;
	behind = (size_t)(label->members + label->member_count - (member + 1));
	memmove(member, member + 1, behind * sizeof(*member));
	label->member_count--;
}

void
roster_replace(struct label *label, const struct uuid *old, const struct uuid *new)
{
	struct label_member *member = label_member(label, old);

	if (member == NULL || roster_has(label, new))
		return;
	member->uuid = *new;
	member->seen = 0;
}

void
roster_take(struct label *label, const struct label *from)
{
	struct label_member members[LABEL_MEMBERS_MAX];
	const struct label_member *known;
	unsigned i;

	memcpy(members, from->members, sizeof(members));
	for (i = 0; i < from->member_count; i++) {
		known = find(label, &members[i].uuid);
		members[i].seen = known != NULL ? known->seen : 0;
	}
	memcpy(label->members, members, sizeof(members));
	label->member_count = from->member_count;
}

void
roster_name(const struct label *label, char *name)
{
	unsigned number, i;

	for (number = 0; ; number++) {
		snprintf(name, LABEL_NAME_MAX, "r%u", number);
		for (i = 0; i < label->member_count && strcmp(label->members[i].name, name) != 0; i++)
			continue;
		if (i == label->member_count)
			return;
	}
}

void
roster_successor(const struct uuid *old, struct uuid *new)
{
	static const struct digest plain = { .codec = DIGEST_XXH3 };
	uint8_t sum[DIGEST_SIZE];

	digest_bytes(&plain, DIGEST_LABEL, old->bytes, sizeof(old->bytes), sum);
	memcpy(new->bytes, sum, sizeof(new->bytes));
	/* RFC 9562, version 8: made in a way of one's own. */
	new->bytes[6] = (uint8_t)((new->bytes[6] & 0x0f) | 0x80);
	new->bytes[8] = (uint8_t)((new->bytes[8] & 0x3f) | 0x80);
}

/* As after event ${event}, at which all others were there. */
static void
unfilled(const struct label *of, const struct uuid *uuid, uint64_t event, struct label *label)
{
	unsigned i;

	*label = *of;
	label->replica = *uuid;
	label->events = event;
	label->moving = false;
	label->clean = true;
	for (i = 0; i < label->member_count; i++)
		label->members[i].seen = uuid_equal(&label->members[i].uuid, uuid) ? 0 : event;
}

void
roster_new(const struct label *of, const struct uuid *uuid, struct label *label)
{
	unfilled(of, uuid, 0, label);
}

void
roster_give_up(const struct label *of, const struct uuid *uuid, struct label *label)
{
	unfilled(of, uuid, 1, label);
}
