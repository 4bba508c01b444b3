#include "check/corner.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/subject.h"
#include "meta/listing.h"
#include "meta/tagfile.h"

static void
found(struct check *c, const struct member *m, enum report_code code, const char *path,
    enum report_outcome outcome, int error)
{
	const struct report_finding finding = {
		.code = code, .path = path, .replica = m->r->path,
		.offset = REPORT_NO_OFFSET, .outcome = outcome, .error = error,
	};

	report_add(c->report, &finding);
}

static void
check_tags(struct check *c, struct member *m, replica_handle fan, const char *fan_name, const char *name)
{
	char path[3 * NAME_MAX];
	uint64_t id;
	bool may;
	int rc;

	snprintf(path, sizeof(path), REPLICA_META "/tags/%s/%s", fan_name, name);
	if (tagfile_parse(name, &id) != 0) {
		found(c, m, CORNER_FOREIGN, path, OUTCOME_NOTED, 0);
		return;
	}
	if (idset_has(c->paged, id) || atomic_load(&c->incomplete))
		return;
	may = report_may(c->report, TAGS_ORPHAN);
	rc = may ? m->r->ops->unlink(m->r, fan, name, false) : 0;
	if (may)
		atomic_store(&c->touched, true);
	found(c, m, TAGS_ORPHAN, path, subject_mended(rc, may), rc);
}

static void
check_fan(struct check *c, struct member *m, const char *fan_name)
{
	struct listing files;
	replica_handle fan;

	if (m->r->ops->dir_open(m->r, m->tags, fan_name, &fan) != 0)
		return;
	if (listing_read(m->r, fan, &files) == 0) {
		for (size_t i = 0; i < files.count && !check_stopped(c); i++)
			check_tags(c, m, fan, fan_name, files.names[i]);
	}
	listing_free(&files);
	m->r->ops->dir_close(m->r, fan);
}

static void
check_all_tags(struct check *c, struct member *m)
{
	struct listing fans;

	if (m->tags == REPLICA_NONE || listing_read(m->r, m->tags, &fans) != 0)
		return;
	for (size_t i = 0; i < fans.count && !check_stopped(c); i++)
		check_fan(c, m, fans.names[i]);
	listing_free(&fans);
}

static bool
is_leftover(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".new") == 0;
}

static bool
is_known(const char *name)
{
	static const char *const known[] = { "label", "label.spare", "lock", "intent", "tags", "pending", "quarantine", "resync", "scrub", "ways" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i], name) == 0)
			return true;
	}
	return false;
}

static void
check_top(struct check *c, struct member *m, const char *name)
{
	char path[NAME_MAX + 16];
	bool may;
	int rc;

	if (is_known(name))
		return;
	snprintf(path, sizeof(path), REPLICA_META "/%s", name);
	if (!is_leftover(name)) {
		found(c, m, CORNER_FOREIGN, path, OUTCOME_NOTED, 0);
		return;
	}
	may = report_may(c->report, LEFTOVER);
	rc = may ? m->r->ops->unlink(m->r, m->meta, name, false) : 0;
	if (may)
		atomic_store(&c->touched, true);
	found(c, m, LEFTOVER, path, subject_mended(rc, may), rc);
}

void
corner_check(struct check *c)
{
	struct listing names;
	struct member *m;

	for (m = c->members; m < c->members + c->count; m++) {
		if (m->meta == REPLICA_NONE || listing_read(m->r, m->meta, &names) != 0)
			continue;
		for (size_t i = 0; i < names.count && !check_stopped(c); i++)
			check_top(c, m, names.names[i]);
		listing_free(&names);
		check_all_tags(c, m);
	}
}
