/*
 * volume -- makes and changes volumes without a mount, for the cases here.
 *
 *	volume make [-k KEY] REPLICA...		the first holds the tree, others are empty
 *	volume unclean [-k KEY] REPLICA...	as after a crash: every region dirty
 *	volume alone [-k KEY] REPLICA...	these go on without the others
 *	volume stamp [-k KEY] REPLICA PATH	the file as it is gets its next record
 *	volume spoil-record REPLICA PATH	one byte of the record is changed
 *	volume drop-record REPLICA PATH
 *	volume id [-k KEY] REPLICA PATH		prints the file id
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "format/label.h"
#include "meta/adopt.h"
#include "meta/intent.h"
#include "meta/keyfile.h"
#include "meta/label.h"
#include "meta/listing.h"
#include "meta/meta.h"
#include "meta/stamp.h"
#include "replica/dir.h"

#define REPLICAS_MAX 16

static struct digest digest = { .codec = DIGEST_XXH3 };

static void
die(const char *what, int rc)
{
	fprintf(stderr, "volume: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	exit(1);
}

static void
must(const char *what, int rc)
{
	if (rc < 0)
		die(what, rc);
}

static struct replica *
open_replica(const char *path)
{
	struct replica *r;

	must(path, dir_replica_open(path, false, &r));
	return r;
}

static void
make_label(struct label *label, unsigned count, uint64_t next_id)
{
	memset(label, 0, sizeof(*label));
	label->version = LABEL_VERSION;
	label->codec = digest.codec;
	if (digest.codec == DIGEST_BLAKE2B)
		digest_bytes(&digest, DIGEST_KEY, "", 0, label->key_check);
	uuid_generate(&label->volume);
	label->clean = true;
	label->next_id = next_id;
	label->events = 2;
	label->member_count = count;
	for (unsigned i = 0; i < count; i++) {
		uuid_generate(&label->members[i].uuid);
		snprintf(label->members[i].name, LABEL_NAME_MAX, "r%u", i);
		label->members[i].seen = 2;
	}
}

static void
make(char **paths, unsigned count)
{
	struct replica *r[REPLICAS_MAX] = { NULL };
	char where[ADOPT_PATH_MAX] = "";
	struct label label;
	uint64_t next_id;

	for (unsigned i = 0; i < count; i++)
		r[i] = open_replica(paths[i]);
	must("adopt", adopt_tree(r[0], &digest, 2, &next_id, where));
	make_label(&label, count, next_id);
	for (unsigned i = 0; i < count; i++) {
		if (i > 0)
			must(where, adopt_copy(r[0], r[i], &digest, where));
		label.replica = label.members[i].uuid;
		label.members[i].seen = 0;
		must("label", label_write(r[i], &label));
		must("intent", intent_reset(r[i]));
		label.members[i].seen = 2;
	}
	for (unsigned i = 0; i < count; i++)
		r[i]->ops->free(r[i]);
}

static void
unclean(char **paths, unsigned count)
{
	uint8_t bits[INTENT_SECTOR_BITS / 8], sector[INTENT_SECTOR_SIZE];
	struct label label;
	struct replica *r;

	memset(bits, 0, sizeof(bits));
	bits[0] = 1;
	intent_encode(&digest, INTENT_REGIONS, 0, bits, sector);
	for (unsigned i = 0; i < count; i++) {
		r = open_replica(paths[i]);
		must(paths[i], label_read(r, &label));
		label.clean = false;
		must(paths[i], label_write(r, &label));
		must(paths[i], intent_write_sector(r, INTENT_PART_REGIONS, 0, sector));
		r->ops->free(r);
	}
}

static void
alone(char **paths, unsigned count)
{
	struct uuid in_sync[REPLICAS_MAX] = { { { 0 } } };
	struct label label;
	struct replica *r;

	for (unsigned i = 0; i < count; i++) {
		r = open_replica(paths[i]);
		must(paths[i], label_read(r, &label));
		in_sync[i] = label.replica;
		r->ops->free(r);
	}
	for (unsigned i = 0; i < count; i++) {
		r = open_replica(paths[i]);
		must(paths[i], label_read(r, &label));
		label_event_begin(&label, label.events, in_sync, count);
		label_event_finish(&label, in_sync, count);
		must(paths[i], label_write(r, &label));
		r->ops->free(r);
	}
}

static uint64_t
load(struct replica *r, const char *path, struct record *record, uint8_t *bytes, replica_handle *dir)
{
	struct replica_info info = { .record = bytes };
	char *copy = strdup(path), *slash = strrchr(copy, '/');

	if (slash != NULL)
		*slash = '\0';
	must(path, listing_open_path(r, slash != NULL ? copy : "", dir));
	must(path, r->ops->load(r, (struct replica_at){ *dir, slash != NULL ? slash + 1 : path }, &info));
	free(copy);
	must(path, info.record_len);
	must(path, record_decode(&digest, bytes, (size_t)info.record_len, record));
	return record->id;
}

static void
stamp(const char *replica, const char *path)
{
	uint8_t bytes[RECORD_SIZE_MAX], tags[RECORD_TAGS_MAX * DIGEST_SIZE];
	const char *slash = strrchr(path, '/');
	struct replica *r = open_replica(replica);
	replica_handle dir, meta, pages;
	struct record record;

	load(r, path, &record, bytes, &dir);
	must("meta", meta_open(r, true, &meta));
	must("tags", meta_subdir(r, meta, "tags", true, &pages));
	record.generation++;
	must(path, stamp_file(r, pages, (struct replica_at){ dir, slash != NULL ? slash + 1 : path },
	    &digest, &record, tags));
	listing_close(r, pages);
	listing_close(r, meta);
	listing_close(r, dir);
	r->ops->free(r);
}

static void
print_id(const char *replica, const char *path)
{
	struct replica *r = open_replica(replica);
	uint8_t bytes[RECORD_SIZE_MAX];
	struct record record;
	replica_handle dir;

	printf("%016llx\n", (unsigned long long)load(r, path, &record, bytes, &dir));
	listing_close(r, dir);
	r->ops->free(r);
}

static void
spoil_record(const char *replica, const char *path, int drop)
{
	uint8_t bytes[RECORD_SIZE_MAX];
	char *full;
	ssize_t len;

	if (asprintf(&full, "%s/%s", replica, path) < 0)
		die(path, ENOMEM);
	if (drop) {
		if (lremovexattr(full, RECORD_XATTR) != 0)
			die(full, errno);
		free(full);
		return;
	}
	if ((len = lgetxattr(full, RECORD_XATTR, bytes, sizeof(bytes))) < 0)
		die(full, errno);
	bytes[len - 1] ^= 1;
	if (lsetxattr(full, RECORD_XATTR, bytes, (size_t)len, XATTR_REPLACE) != 0)
		die(full, errno);
	free(full);
}

int
main(int argc, char **argv)
{
	char why[512], **rest = argv + 2;
	int count = argc - 2;

	if (count > 1 && strcmp(rest[0], "-k") == 0) {
		digest.codec = DIGEST_BLAKE2B;
		if (keyfile_read(rest[1], digest.key, why, sizeof(why)) != 0) {
			fprintf(stderr, "volume: %s\n", why);
			return 1;
		}
		rest += 2;
		count -= 2;
	}
	if (count < 1 || count > REPLICAS_MAX)
		return 2;
	if (strcmp(argv[1], "make") == 0)
		make(rest, (unsigned)count);
	else if (strcmp(argv[1], "unclean") == 0)
		unclean(rest, (unsigned)count);
	else if (strcmp(argv[1], "alone") == 0)
		alone(rest, (unsigned)count);
	else if (strcmp(argv[1], "stamp") == 0 && count == 2)
		stamp(rest[0], rest[1]);
	else if (strcmp(argv[1], "id") == 0 && count == 2)
		print_id(rest[0], rest[1]);
	else if (strcmp(argv[1], "spoil-record") == 0 && count == 2)
		spoil_record(rest[0], rest[1], 0);
	else if (strcmp(argv[1], "drop-record") == 0 && count == 2)
		spoil_record(rest[0], rest[1], 1);
	else
		return 2;
	return 0;
}
