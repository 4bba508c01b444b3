#include "kept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "meta/label.h"
#include "meta/quarantine.h"
#include "replica/open.h"
#include "util/log.h"

struct collecting { struct kept *kept; const struct kept_replica *replica; };

static int
collect(void *arg, const struct quarantine_version *version)
{
	const struct collecting *c = arg;
	struct kept *kept = c->kept;
	struct kept_version *grown, *v;

	if ((grown = realloc(kept->versions, (kept->count + 1) * sizeof(*grown))) == NULL)
		return -ENOMEM;
	kept->versions = grown;
	v = &grown[kept->count++];
	*v = (struct kept_version){ .replica = c->replica, .slot = strdup(version->slot), .path = strdup(version->path),
	    .reason = strdup(version->reason), .when = version->when, .mode = version->mode, .size = version->size };
	if (asprintf(&v->id, "%s/%s", c->replica->name, version->slot) < 0)
		v->id = NULL;
	return v->id == NULL || v->slot == NULL || v->path == NULL || v->reason == NULL ? -ENOMEM : 0;
}

static int
by_time(const void *a, const void *b)
{
	const struct kept_version *x = a, *y = b;

	if (x->when != y->when)
		return x->when < y->when ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* One replica's; without a name yet it takes its label's. */
static int
read_one(struct kept *kept, struct kept_replica *replica)
{
	const struct replica_open_options looking = { .read_only = true };
	struct collecting c = { kept, replica };
	struct replica *r;
	struct label label;
	int rc;

	if ((rc = replica_open(replica->path, &looking, &r)) != 0)
		return rc;
	if (replica->name[0] == '\0') {
		rc = label_read(r, &label);
		snprintf(replica->name, sizeof(replica->name), "%s", rc == 0 ? label_name(&label) : replica->path);
		/* Whatever its label is: what is kept can be had. */
		rc = rc == -ENOENT || rc == -ENOTDIR ? -ENODATA : 0;
	}
	if (rc == 0)
		rc = quarantine_list(r, collect, &c);
	r->ops->free(r);
	return rc;
}

static int
read_all(struct kept *kept)
{
	struct kept_replica *replica;
	int rc, status = EXIT_DONE;

	for (replica = kept->replicas; replica < kept->replicas + kept->replica_count; replica++) {
		if (replica->unread)
			status = EXIT_FAILED;
		if (replica->unread || (rc = read_one(kept, replica)) == 0)
			continue;
		if (rc == -ENODATA)
			log_error("%s: no replica: it has no label", replica->path);
		else
			log_error("%s: its quarantine cannot be read: %s", replica->path, strerror(-rc));
		replica->unread = true;
		status = EXIT_FAILED;
	}
	if (kept->count > 0)
		qsort(kept->versions, kept->count, sizeof(*kept->versions), by_time);
	return status;
}

static void
take_replica(void *arg, const json_t *line)
{
	struct kept *kept = arg;
	struct kept_replica *replica;
	const char *name = jsonline_get_text(line, "name");

	if (kept->replica_count == KEPT_REPLICAS_MAX || name == NULL)
		return;
	replica = &kept->replicas[kept->replica_count++];
	snprintf(replica->name, sizeof(replica->name), "%s", name);
	if (jsonline_get_name(line, "path", replica->path, sizeof(replica->path)) == 0)
		return;
	log_warning("replica %s: not part of this mount; what is kept there is not known", name);
	replica->unread = true;
}

int
kept_of_mount(struct kept *kept, const char *mountpoint)
{
	int status;

	memset(kept, 0, sizeof(*kept));
	kept->mountpoint = mountpoint;
	if ((status = ask_for(mountpoint, "replicas", take_replica, kept)) != EXIT_DONE)
		return status;
	return read_all(kept);
}

int
kept_of_replicas(struct kept *kept, char *const *paths, unsigned count)
{
	unsigned i;

	memset(kept, 0, sizeof(*kept));
	if (count > KEPT_REPLICAS_MAX) {
		log_error("%u replicas: %d at most at a time", count, KEPT_REPLICAS_MAX);
		return EXIT_USAGE;
	}
	for (i = 0; i < count; i++)
		snprintf(kept->replicas[i].path, PATH_MAX, "%s", paths[i]);
	kept->replica_count = count;
	return read_all(kept);
}

void
kept_free(struct kept *kept)
{
	size_t i;

	for (i = 0; i < kept->count; i++) {
		free(kept->versions[i].id);
		free(kept->versions[i].slot);
		free(kept->versions[i].path);
		free(kept->versions[i].reason);
	}
	free(kept->versions);
	memset(kept, 0, sizeof(*kept));
}

const struct kept_version *
kept_find(const struct kept *kept, const char *id)
{
	size_t i;

	for (i = 0; i < kept->count; i++) {
		if (strcmp(kept->versions[i].id, id) == 0)
			return &kept->versions[i];
	}
	return NULL;
}
