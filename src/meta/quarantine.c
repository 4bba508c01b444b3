#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "meta/copy.h"
#include "meta/listing.h"
#include "meta/meta.h"
#include "meta/quarantine.h"
#include "util/text.h"

#define DATA QUARANTINE_DATA
#define COPYING "data.new"

/* Make a directory that no other thread or earlier mount has made. */
static int
slot_make(struct replica *r, replica_handle quarantine, char *slot, size_t size, const char *when)
{
	static atomic_uint number;
	const struct replica_new new = { .mode = S_IFDIR | 0700, .owned = true };
	int rc;

	do {
		snprintf(slot, size, "%s-%u", when, atomic_fetch_add(&number, 1));
		rc = r->ops->create(r, quarantine, slot, &new, NULL);
	} while (rc == -EEXIST);
	return rc;
}

/* A path may hold any byte but zero, a newline too. */
static int
origin_text(const char *path, const char *when, const char *reason, char **text)
{
	size_t len;
	FILE *out;

	if ((out = open_memstream(text, &len)) == NULL)
		return -ENOMEM;
	fputs("path = ", out);
	text_escape(out, path);
	fprintf(out, "\nwhen = %s\nreason = %s\n", when, reason);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

/* Open a new place that says what it is for. */
static int
place_open(struct replica *r, const char *path, const char *reason, replica_handle *place)
{
	replica_handle meta = REPLICA_NONE, quarantine = REPLICA_NONE;
	char when[32], slot[QUARANTINE_SLOT_MAX], *text = NULL;
	struct tm tm;
	time_t now = time(NULL);
	int rc;

	*place = REPLICA_NONE;
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	if ((rc = meta_open(r, true, &meta)) != 0 ||
	    (rc = meta_subdir(r, meta, "quarantine", true, &quarantine)) != 0 ||
	    (rc = slot_make(r, quarantine, slot, sizeof(slot), when)) != 0 ||
	    (rc = r->ops->dir_open(r, quarantine, slot, place)) != 0)
		goto done;

	/* The origin first: a version without a story is worth little. */
	if ((rc = origin_text(path, when, reason, &text)) == 0 &&
	    (rc = meta_replace_file(r, *place, "origin", text, strlen(text))) == 0)
		rc = r->ops->dir_sync(r, quarantine);

done:
	free(text);
	if (rc != 0 && *place != REPLICA_NONE) {
		r->ops->dir_close(r, *place);
		*place = REPLICA_NONE;
	}
	if (quarantine != REPLICA_NONE)
		r->ops->dir_close(r, quarantine);
	if (meta != REPLICA_NONE)
		r->ops->dir_close(r, meta);
	return rc;
}

int
quarantine_copy(struct replica *r, struct replica_at at, const char *path, const char *reason)
{
	const struct copy copy = { .src = r, .dst = r, .src_tags = REPLICA_NONE, .dst_tags = REPLICA_NONE };
	replica_handle place, file;
	struct replica_times times;
	struct replica_at to;
	struct stat st;
	int rc;

	if ((rc = r->ops->stat(r, at, &st)) != 0 || (rc = place_open(r, path, reason, &place)) != 0)
		return rc;
	times = (struct replica_times){ .atime = st.st_atim, .mtime = st.st_mtim };
	/* Half a copy is no version: it has the name when it is whole. */
	to = (struct replica_at){ place, COPYING };
	if ((rc = copy_make(&copy, at, place, to.name)) == 0 &&
	    (rc = copy_data(&copy, at, to, NULL)) == 0 &&
	    (rc = r->ops->store(r, to, &times, NULL, 0)) == 0 &&
	    (rc = r->ops->open(r, to, true, &file, NULL)) == 0) {
		rc = r->ops->fsync(r, file, false);
		r->ops->close(r, file);
	}
	if (rc == 0 && (rc = r->ops->rename(r, place, COPYING, place, DATA, 0)) == 0)
		rc = r->ops->dir_sync(r, place);
	r->ops->dir_close(r, place);
	return rc;
}

static int unshare_below(struct replica *r, replica_handle dir);

/* In a place of ours: if ${name} has further names, give it an inode of its own. */
static int
unshare(struct replica *r, replica_handle dir, const char *name)
{
	static const char copy_name[] = ".unshared.new";
	const struct copy copy = { .src = r, .dst = r, .src_tags = REPLICA_NONE, .dst_tags = REPLICA_NONE };
	const struct replica_at from = { dir, name }, to = { dir, copy_name };
	replica_handle below;
	struct stat st;
	int rc;

	if ((rc = r->ops->stat(r, from, &st)) != 0)
		return rc;
	if (S_ISDIR(st.st_mode)) {
		if ((rc = r->ops->dir_open(r, dir, name, &below)) != 0)
			return rc;
		rc = unshare_below(r, below);
		r->ops->dir_close(r, below);
		return rc;
	}
	if (!S_ISREG(st.st_mode) || st.st_nlink < 2)
		return 0;
	if ((rc = copy_make(&copy, from, dir, copy_name)) != 0 || (rc = copy_data(&copy, from, to, NULL)) != 0)
		return rc;
	return r->ops->rename(r, dir, copy_name, dir, name, 0);
}

static int
unshare_below(struct replica *r, replica_handle dir)
{
	struct listing listing;
	int rc;

	rc = listing_read(r, dir, &listing);
	for (size_t i = 0; rc == 0 && i < listing.count; i++)
		rc = unshare(r, dir, listing.names[i]);
	listing_free(&listing);
	return rc;
}

int
quarantine_move(struct replica *r, replica_handle dir, const char *name, const char *path, const char *reason)
{
	const struct replica_at at = { dir, name };
	replica_handle place;
	struct stat st;
	int rc;

	if ((rc = r->ops->stat(r, at, &st)) != 0)
		return rc;
	if (S_ISREG(st.st_mode) && st.st_nlink > 1) {
		/* Another name of it stays in use, and must not reach in here. */
		if ((rc = quarantine_copy(r, at, path, reason)) != 0)
			return rc;
		return r->ops->unlink(r, dir, name, false);
	}
	if ((rc = place_open(r, path, reason, &place)) != 0)
		return rc;
	rc = r->ops->rename(r, dir, name, place, DATA, 0);
	/* It is safe there; that names in use may reach in is no reason to say it failed. */
	if (rc == 0 && S_ISDIR(st.st_mode))
		(void)unshare(r, place, DATA);
	r->ops->dir_close(r, place);
	return rc;
}
