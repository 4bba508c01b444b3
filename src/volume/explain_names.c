#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/listing.h"
#include "volume/explain_private.h"

struct merge {
	struct explain *x;
	struct listing listing[VOLUME_REPLICAS_MAX];
	size_t at[VOLUME_REPLICAS_MAX];
	uint32_t readable;		/* a bit for each that could be listed */
};

/* The first name that is left anywhere, and who has it; NULL: none is. */
static const char *
next_name(const struct merge *m, uint32_t *present)
{
	const char *first = NULL, *name;
	unsigned i;
	int order;

	*present = 0;
	for (i = 0; i < m->x->out->count; i++) {
		if (m->at[i] >= m->listing[i].count)
			continue;
		name = m->listing[i].names[m->at[i]];
		order = first == NULL ? -1 : strcmp(name, first);
		if (order < 0) {
			first = name;
			*present = 0;
		}
		if (order <= 0)
			*present |= UINT32_C(1) << i;
	}
	return first;
}

static void
note_difference(struct explanation *out, const char *name, uint32_t present, uint32_t readable)
{
	unsigned i;

	out->names_differ++;
	for (i = 0; i < out->count; i++)
		out->replicas[i].names_missing += (readable & ~present) >> i & 1;
	if (out->name_count == EXPLAIN_NAMES_MAX || (out->name[out->name_count].name = strdup(name)) == NULL)
		return;
	out->name[out->name_count++].present = present;
}

static void
merge(struct merge *m)
{
	const char *name;
	uint32_t present;
	unsigned i;

	while ((name = next_name(m, &present)) != NULL) {
		m->x->out->names++;
		if (present != m->readable)
			note_difference(m->x->out, name, present, m->readable);
		for (i = 0; i < m->x->out->count; i++)
			m->at[i] += present >> i & 1;
	}
}

static void
list(struct merge *m, unsigned i)
{
	struct explain *x = m->x;
	replica_handle handle = REPLICA_ROOT;
	int rc = 0;

	if (x->at[i].name != NULL)
		rc = x->r[i]->ops->dir_open(x->r[i], x->at[i].handle, x->at[i].name, &handle);
	if (rc == 0) {
		rc = listing_read(x->r[i], handle, &m->listing[i]);
		listing_close(x->r[i], handle);
	}
	if (rc == 0)
		m->readable |= UINT32_C(1) << i;
	else
		x->out->replicas[i].error = rc;
}

int
explain_names(struct explain *x)
{
	struct merge *m;
	unsigned i;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return -ENOMEM;
	m->x = x;
	for (i = 0; i < x->out->count; i++) {
		if (x->r[i] != NULL && x->facts[i].error == 0 && S_ISDIR(x->facts[i].st.st_mode))
			list(m, i);
	}
	merge(m);
	for (i = 0; i < x->out->count; i++)
		listing_free(&m->listing[i]);
	free(m);
	return 0;
}
