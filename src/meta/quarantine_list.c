/* What is kept, and its end. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/listing.h"
#include "meta/meta.h"
#include "meta/quarantine.h"
#include "util/text.h"

#define ORIGIN_MAX 65536	/* bytes of an origin; the longest path, escaped, is a quarter */
#define GONE ".gone"		/* a slot whose removal has begun */

/* The value of the line ${key}, in place, or "". */
static char *
line_of(char *text, const char *key)
{
	size_t len = strlen(key);
	char *at, *end;

	for (at = text; at != NULL && *at != '\0'; at = end != NULL ? end + 1 : NULL) {
		end = strchr(at, '\n');
		if (strncmp(at, key, len) != 0 || strncmp(at + len, " = ", 3) != 0)
			continue;
		return strndup(at + len + 3, end != NULL ? (size_t)(end - at) - len - 3 : strlen(at + len + 3));
	}
	return strdup("");
}

/* Paths are told from the volume's top, with and without a slash. */
static int
path_of(char *text, char **path)
{
	char *line = line_of(text, "path");
	int rc = 0;

	if (line == NULL)
		return -ENOMEM;
	text_unescape(line);
	*path = line;
	if (*line != '\0' && *line != '/') {
		rc = asprintf(path, "/%s", line) < 0 ? -ENOMEM : 0;
		free(line);
	}
	return rc;
}

static time_t
when_of(const char *slot)
{
	struct tm tm = { 0 };

	return strptime(slot, "%Y%m%dT%H%M%SZ-", &tm) != NULL ? timegm(&tm) : 0;
}

static int
add_size(struct replica *r, replica_handle dir, const char *name, uint64_t *size)
{
	struct listing listing = { 0 };
	replica_handle below;
	struct stat st;
	size_t i;
	int rc;

	if ((rc = r->ops->stat(r, (struct replica_at){ dir, name }, &st)) != 0)
		return rc;
	if (S_ISREG(st.st_mode))
		*size += (uint64_t)st.st_size;
	if (!S_ISDIR(st.st_mode))
		return 0;
	if ((rc = r->ops->dir_open(r, dir, name, &below)) != 0)
		return rc;
	rc = listing_read(r, below, &listing);
	for (i = 0; rc == 0 && i < listing.count; i++)
		rc = add_size(r, below, listing.names[i], size);
	listing_free(&listing);
	r->ops->dir_close(r, below);
	return rc;
}

/* -ENOENT: there is no version there, or not yet. */
static int
tell(struct replica *r, replica_handle place, const char *slot, quarantine_call *call, void *arg)
{
	struct quarantine_version version = { .slot = slot, .when = when_of(slot) };
	char *text;
	struct stat st;
	ssize_t len;
	int rc;

	if ((rc = r->ops->stat(r, (struct replica_at){ place, QUARANTINE_DATA }, &st)) != 0 ||
	    (rc = add_size(r, place, QUARANTINE_DATA, &version.size)) != 0)
		return rc;
	version.mode = st.st_mode;
	if ((text = malloc(ORIGIN_MAX)) == NULL)
		return -ENOMEM;
	len = meta_read_file(r, place, "origin", text, ORIGIN_MAX - 1);
	text[len > 0 ? len : 0] = '\0';
	rc = path_of(text, &version.path);
	version.reason = line_of(text, "reason");
	if (rc == 0)
		rc = version.reason == NULL ? -ENOMEM : call(arg, &version);
	free(version.path);
	free(version.reason);
	free(text);
	return rc;
}

/* -ENOENT: nothing was ever kept. */
static int
quarantine_open(struct replica *r, replica_handle *quarantine)
{
	replica_handle meta;
	int rc;

	if ((rc = meta_open(r, false, &meta)) != 0)
		return rc;
	rc = r->ops->dir_open(r, meta, "quarantine", quarantine);
	r->ops->dir_close(r, meta);
	return rc;
}

static bool
is_gone(const char *slot)
{
	size_t len = strlen(slot);

	return len > strlen(GONE) && strcmp(slot + len - strlen(GONE), GONE) == 0;
}

int
quarantine_list(struct replica *r, quarantine_call *call, void *arg)
{
	struct listing slots = { 0 };
	replica_handle quarantine, place;
	size_t i;
	int rc;

	if ((rc = quarantine_open(r, &quarantine)) != 0)
		return rc == -ENOENT ? 0 : rc;
	rc = listing_read(r, quarantine, &slots);
	for (i = 0; rc == 0 && i < slots.count; i++) {
		if (is_gone(slots.names[i]) || strlen(slots.names[i]) >= QUARANTINE_SLOT_MAX ||
		    r->ops->dir_open(r, quarantine, slots.names[i], &place) != 0)
			continue;
		if ((rc = tell(r, place, slots.names[i], call, arg)) == -ENOENT)
			rc = 0;
		r->ops->dir_close(r, place);
	}
	listing_free(&slots);
	r->ops->dir_close(r, quarantine);
	return rc;
}

static int
remove_tree(struct replica *r, replica_handle dir, const char *name)
{
	struct listing listing = { 0 };
	replica_handle below;
	struct stat st;
	size_t i;
	int rc;

	if ((rc = r->ops->stat(r, (struct replica_at){ dir, name }, &st)) != 0)
		return rc;
	if (!S_ISDIR(st.st_mode))
		return r->ops->unlink(r, dir, name, false);
	if ((rc = r->ops->dir_open(r, dir, name, &below)) != 0)
		return rc;
	rc = listing_read(r, below, &listing);
	for (i = 0; rc == 0 && i < listing.count; i++)
		rc = remove_tree(r, below, listing.names[i]);
	listing_free(&listing);
	r->ops->dir_close(r, below);
	return rc != 0 ? rc : r->ops->unlink(r, dir, name, true);
}

int
quarantine_purge(struct replica *r, const char *slot)
{
	char gone[QUARANTINE_SLOT_MAX + sizeof(GONE)];
	replica_handle quarantine;
	int rc;

	if (strlen(slot) >= QUARANTINE_SLOT_MAX || !replica_name_valid(slot) || is_gone(slot))
		return -ENOENT;
	if ((rc = quarantine_open(r, &quarantine)) != 0)
		return rc;
	snprintf(gone, sizeof(gone), "%s" GONE, slot);
	if ((rc = r->ops->rename(r, quarantine, slot, quarantine, gone, RENAME_NOREPLACE)) == 0)
		rc = remove_tree(r, quarantine, gone);
	r->ops->dir_close(r, quarantine);
	return rc;
}

int
quarantine_sweep(struct replica *r)
{
	struct listing slots = { 0 };
	replica_handle quarantine;
	size_t i;
	int rc;

	if ((rc = quarantine_open(r, &quarantine)) != 0)
		return rc == -ENOENT ? 0 : rc;
	rc = listing_read(r, quarantine, &slots);
	for (i = 0; rc == 0 && i < slots.count; i++) {
		if (is_gone(slots.names[i]))
			rc = remove_tree(r, quarantine, slots.names[i]);
	}
	listing_free(&slots);
	r->ops->dir_close(r, quarantine);
	return rc;
}
