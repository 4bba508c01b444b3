#include "volume/missed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "meta/pending.h"
#include "util/log.h"
#include "volume/members.h"
#include "volume/nodes.h"

#define DROPPED_MAX 65536	/* ids that are remembered of nodes that are not */

static uint32_t
bit_of(const struct member *m)
{
	return UINT32_C(1) << m->index;
}

/* The members in ${bits} cannot be told one by one any more what they miss. */
static void
give_up(struct volume *v, uint32_t bits)
{
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (bits & bit_of(m))
			m->lack.walk = true;
	}
}

/* Missed lock, nodes lock. */
static void
add_locked(struct volume *v, struct node *node, uint32_t bits)
{
	uint32_t new = bits & ~atomic_load(&node->missed);
	unsigned i;

	if (new == 0)
		return;
	if (!list_linked(&node->missed_link)) {
		if (v->missed_nodes >= VOLUME_MISSED_MAX) {
			give_up(v, new);
			return;
		}
		list_append(&v->missed, &node->missed_link);
		v->missed_nodes++;
		node->refs++;
	}
	atomic_fetch_or(&node->missed, new);
	for (i = 0; i < v->member_count; i++)
		v->missed_count[i] += new >> i & 1;
}

static void
add(struct volume *v, struct node *node, uint32_t bits)
{
	pthread_mutex_lock(&v->missed_lock);
	pthread_mutex_lock(&v->nodes_lock);
	add_locked(v, node, bits & atomic_load(&v->away));
	pthread_mutex_unlock(&v->nodes_lock);
	pthread_mutex_unlock(&v->missed_lock);
}

/* Take bits off; true: it is in no list any more, and the list's reference is the caller's. Missed lock. */
static bool
remove_locked(struct volume *v, struct node *node, uint32_t bits)
{
	uint32_t old = atomic_fetch_and(&node->missed, ~bits);
	unsigned i;

	for (i = 0; i < v->member_count; i++)
		v->missed_count[i] -= (old & bits) >> i & 1;
	if ((old & ~bits) != 0 || !list_linked(&node->missed_link))
		return false;
	list_remove(&node->missed_link);
	v->missed_nodes--;
	return true;
}

void
missed_note(struct volume *v, struct node *node)
{
	uint32_t away = atomic_load(&v->away);
	struct node *dir = NULL;

	atomic_store_explicit(&node->changed, atomic_load_explicit(&v->epoch, memory_order_relaxed), memory_order_relaxed);
	if (away == 0 || (atomic_load(&node->missed) & away) == away)
		return;
	if (node_has_record(node)) {
		add(v, node, away);
		return;
	}
	/* Whoever goes through a directory's names compares links and special files too. */
	pthread_mutex_lock(&v->nodes_lock);
	if (node->links != NULL) {
		dir = node->links->dir;
		dir->refs++;
	}
	pthread_mutex_unlock(&v->nodes_lock);
	if (dir != NULL) {
		add(v, dir, away);
		nodes_put(v, dir);
	}
}

void
missed_clean(struct node *node)
{
	atomic_store_explicit(&node->changed, 0, memory_order_relaxed);
}

static int
compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Missed lock. */
static int
suspect_ids(struct lack *lack, const uint64_t *ids, size_t count)
{
	uint64_t *grown;

	if (count == 0)
		return 0;
	if ((grown = realloc(lack->suspects, (lack->suspect_count + count) * sizeof(*grown))) == NULL) {
		lack->everything = lack->walk = true;
		return -ENOMEM;
	}
	memcpy(grown + lack->suspect_count, ids, count * sizeof(*ids));
	lack->suspects = grown;
	lack->suspect_count += count;
	qsort(grown, lack->suspect_count, sizeof(*grown), compare_ids);
	return 0;
}

void
missed_gone(struct volume *v, struct node *node)
{
	uint64_t id = node_key(node);
	struct member *m;
	bool put;

	if (atomic_load(&node->missed) == 0 && atomic_load(&node->suspect) == 0)
		return;
	pthread_mutex_lock(&v->missed_lock);
	put = remove_locked(v, node, UINT32_MAX);
	/* The member has it still: broken, perhaps, by no fault of anybody else's. */
	for (m = v->members; m < v->members + v->member_count; m++) {
		if (atomic_load(&node->suspect) & bit_of(m))
			suspect_ids(&m->lack, &id, 1);
	}
	pthread_mutex_unlock(&v->missed_lock);
	if (put)
		nodes_put(v, node);
}

void
missed_forget(struct volume *v, const struct node *node)
{
	uint32_t changed = atomic_load(&node->changed);

	if (changed <= atomic_load(&v->synced) || !S_ISREG(node->mode) || node->nlink == 0)
		return;
	if (v->dropped == NULL)
		v->dropped = malloc(DROPPED_MAX * sizeof(*v->dropped));
	if (v->dropped == NULL || v->dropped_count == DROPPED_MAX)
		v->dropped_too_many = changed;
	else
		v->dropped[v->dropped_count++] = (struct dropped){ node_key(node), changed };
}

uint32_t
missed_sync_begins(struct volume *v)
{
	return atomic_fetch_add(&v->epoch, 1);
}

void
missed_synced(struct volume *v, uint32_t epoch)
{
	size_t i, kept = 0;

	pthread_mutex_lock(&v->nodes_lock);
	if (epoch > atomic_load(&v->synced))
		atomic_store(&v->synced, epoch);
	for (i = 0; i < v->dropped_count; i++) {
		if (v->dropped[i].changed > epoch)
			v->dropped[kept++] = v->dropped[i];
	}
	v->dropped_count = kept;
	pthread_mutex_unlock(&v->nodes_lock);
}

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
missed_away(struct volume *v, struct member *m)
{
	pthread_mutex_lock(&v->missed_lock);
	atomic_fetch_or(&v->away, bit_of(m));
	pthread_mutex_unlock(&v->missed_lock);
	atomic_store(&m->away_since, now_ns());
}

void
missed_begin(struct volume *v, struct member *m)
{
	uint32_t synced, bit = bit_of(m);
	struct list_link *at;
	struct node *node;
	size_t i;

	pthread_mutex_lock(&v->missed_lock);
	pthread_mutex_lock(&v->nodes_lock);
	synced = atomic_load(&v->synced);
	for (at = v->all.next; at != &v->all; at = at->next) {
		node = list_entry(at, struct node, all_link);
		/* Its mode is its lock's; the id and the directory tell as well what it is. */
		if (atomic_load(&node->changed) <= synced || !node->hashed || (node_key(node) & NODE_ID_BORROWED) != 0)
			continue;
		if (node->directory == NULL)
			atomic_fetch_or(&node->suspect, bit);
		add_locked(v, node, bit);
	}
	/* What is reconciled after a crash is not noted. */
	if (atomic_load(&v->reconciling))
		m->lack.walk = true;
	if (v->dropped_too_many > synced)
		m->lack.everything = m->lack.walk = true;
	for (i = 0; i < v->dropped_count; i++) {
		m->lack.walk = true;
		if (suspect_ids(&m->lack, &v->dropped[i].id, 1) != 0)
			break;
	}
	pthread_mutex_unlock(&v->nodes_lock);
	pthread_mutex_unlock(&v->missed_lock);
}

int
missed_take(struct volume *v, struct member *m, struct node ***out, size_t *count)
{
	struct list_link *at, *next;
	struct node **nodes, *node;
	unsigned room;

	*count = 0;
	pthread_mutex_lock(&v->missed_lock);
	room = v->missed_count[m->index];
	if ((nodes = malloc((room + 1) * sizeof(*nodes))) == NULL) {
		pthread_mutex_unlock(&v->missed_lock);
		return -ENOMEM;
	}
	for (at = v->missed.next; at != &v->missed && *count < room; at = next) {
		next = at->next;
		node = list_entry(at, struct node, missed_link);
		if (!missed_is(m, node))
			continue;
		/* The list's reference, or one more. */
		if (!remove_locked(v, node, bit_of(m)))
			nodes_hold(v, node);
		nodes[(*count)++] = node;
	}
	pthread_mutex_unlock(&v->missed_lock);
	*out = nodes;
	return 0;
}

void
missed_done(struct volume *v, struct member *m, struct node *node)
{
	bool put;

	if (!missed_is(m, node))
		return;
	pthread_mutex_lock(&v->missed_lock);
	put = remove_locked(v, node, bit_of(m));
	pthread_mutex_unlock(&v->missed_lock);
	if (put)
		nodes_put(v, node);
}

void
missed_again(struct volume *v, struct member *m, struct node *node)
{
	add(v, node, bit_of(m));
}

bool
missed_is(const struct member *m, const struct node *node)
{
	return (atomic_load(&node->missed) & bit_of(m)) != 0;
}

unsigned
missed_count(struct volume *v, const struct member *m)
{
	unsigned count;

	pthread_mutex_lock(&v->missed_lock);
	count = v->missed_count[m->index];
	pthread_mutex_unlock(&v->missed_lock);
	return count;
}

void
missed_mark_suspect(const struct member *m, struct node *node)
{
	atomic_fetch_or(&node->suspect, bit_of(m));
}

/* Missed lock. */
static bool
suspect_locked(const struct member *m, const struct node *node)
{
	uint64_t id = node_key(node);

	return m->lack.everything || (atomic_load(&node->suspect) & bit_of(m)) != 0 || (m->lack.suspect_count > 0 &&
	    bsearch(&id, m->lack.suspects, m->lack.suspect_count, sizeof(id), compare_ids) != NULL);
}

bool
missed_suspect_id(struct volume *v, const struct member *m, uint64_t id)
{
	struct node *node = nodes_get(v, id);
	bool suspect;

	pthread_mutex_lock(&v->missed_lock);
	suspect = m->lack.everything || (node != NULL && suspect_locked(m, node)) || (m->lack.suspect_count > 0 &&
	    bsearch(&id, m->lack.suspects, m->lack.suspect_count, sizeof(id), compare_ids) != NULL);
	pthread_mutex_unlock(&v->missed_lock);
	if (node != NULL)
		nodes_put(v, node);
	return suspect;
}

void
missed_walk(struct volume *v, struct member *m, bool walk)
{
	pthread_mutex_lock(&v->missed_lock);
	m->lack.walk = walk;
	pthread_mutex_unlock(&v->missed_lock);
}

bool
missed_suspect(struct volume *v, const struct member *m, const struct node *node)
{
	bool suspect;

	pthread_mutex_lock(&v->missed_lock);
	suspect = suspect_locked(m, node);
	pthread_mutex_unlock(&v->missed_lock);
	return suspect;
}

static void
lack_free(struct lack *lack)
{
	pending_free(&lack->pending);
	free(lack->suspects);
	memset(lack, 0, sizeof(*lack));
}

bool
missed_join(struct volume *v, struct member *m)
{
	struct list_link *at;
	bool joined;

	pthread_mutex_lock(&v->missed_lock);
	joined = v->missed_count[m->index] == 0 && !m->lack.walk && atomic_load(&m->state) == MEMBER_RESYNCING;
	if (joined) {
		atomic_store(&m->synced_since, now_ns());
		atomic_store(&m->state, MEMBER_IN_SYNC);
		atomic_fetch_and(&v->away, ~bit_of(m));
		lack_free(&m->lack);
		pthread_mutex_lock(&v->nodes_lock);
		for (at = v->all.next; at != &v->all; at = at->next)
			atomic_fetch_and(&list_entry(at, struct node, all_link)->suspect, ~bit_of(m));
		pthread_mutex_unlock(&v->nodes_lock);
	}
	pthread_mutex_unlock(&v->missed_lock);
	return joined;
}

void
missed_leave(struct volume *v, struct member *m)
{
	struct node **nodes;
	size_t count, i;

	pthread_mutex_lock(&v->missed_lock);
	atomic_fetch_and(&v->away, ~bit_of(m));
	lack_free(&m->lack);
	pthread_mutex_unlock(&v->missed_lock);
	if (missed_take(v, m, &nodes, &count) != 0)
		return;
	for (i = 0; i < count; i++)
		nodes_put(v, nodes[i]);
	free(nodes);
}

/* The last event at which those in sync saw ${m}. */
static uint64_t
last_seen(struct volume *v, struct member *m)
{
	const struct label_member *entry;
	struct member *s;
	uint64_t seen = 0;

	for_each_member(v, s) {
		if ((entry = label_member(&s->label, &m->uuid)) != NULL && entry->seen > seen)
			seen = entry->seen;
	}
	return seen;
}

/* The log that one member has of another, if it is of the time since that one was seen. */
static bool
load_from(struct volume *v, struct member *s, struct member *m, struct pending *p)
{
	int rc = pending_read(s->r, &v->digest, &m->uuid, p);

	if (rc == 0 && p->lost == last_seen(v, m))
		return true;
	if (rc != 0 && rc != -ENOENT)
		log_warning("%s: its log of what replica %s missed cannot be used: %s", s->r->path, m->name, strerror(-rc));
	pending_free(p);
	return false;
}

void
missed_load(struct volume *v, struct member *m)
{
	struct lack *lack = &m->lack;
	struct pending p = { 0 };
	struct member *s;
	bool found = false;
	size_t i;

	for_each_member(v, s) {
		/* In sync at the event that ended the last mount: nothing happened without it. */
		if (!lack->everything && !v->was_unclean && s->label.clean && last_seen(v, m) == s->label.events)
			return;
		if ((found = load_from(v, s, m, &p)))
			break;
	}
	if (!found || lack->everything) {
		lack->everything = lack->walk = true;
		pending_free(&p);
		return;
	}
	lack->everything = p.everything;
	/* Closed at the very event that ended the last mount: nothing was missed after it. */
	lack->walk = p.walk || p.everything || v->was_unclean || !s->label.clean || p.closed == 0 || p.closed != s->label.events;
	for (i = 0; i < p.count && !lack->everything; i++) {
		if (p.entries[i].suspect)
			suspect_ids(lack, &p.entries[i].id, 1);
	}
	lack->pending = p;
	lack->loaded = !lack->walk;
	if (lack->walk)
		pending_free(&lack->pending);
}

struct seen { struct hashmap_link link; };

static void
free_seen(struct hashmap_link *link, void *arg)
{
	(void)arg;
	free(hashmap_entry(link, struct seen, link));
}

static bool
see(struct hashmap *map, uint64_t id)
{
	struct seen *seen;

	if (hashmap_find(map, id) != NULL)
		return false;
	if ((seen = malloc(sizeof(*seen))) != NULL)
		hashmap_insert(map, &seen->link, id);
	return true;
}

/* One entry for each name of a node. */
static int
save_links(const struct member *m, const struct node *node, struct pending *p)
{
	const struct link *link;
	int rc = 0;

	for (link = node->links; rc == 0 && link != NULL; link = link->next)
		rc = pending_add(p, &(struct pending_entry){ .id = node_key(node), .missed = missed_is(m, node),
		    .suspect = S_ISREG(node->mode) && suspect_locked(m, node), .parent = node_key(link->dir),
		    .name = (char *)(uintptr_t)link->name });
	return rc;
}

/* The entries of a node, and those that lead to it.  Nodes lock, missed lock. */
static int
save_node(const struct volume *v, const struct member *m, struct node *node, struct hashmap *map, struct pending *p)
{
	const struct link *link;
	struct node *at;
	int rc;

	for (at = node; at != v->root && at->links != NULL; at = at->links->dir) {
		if (!see(map, node_key(at)))
			break;
		if ((rc = save_links(m, at, p)) != 0)
			return rc;
	}
	/* Directories have one name; a file's further names are elsewhere. */
	for (link = node->links; link != NULL && link->next != NULL; link = link->next) {
		if (!S_ISDIR(node->mode) && (rc = save_node(v, m, link->next->dir, map, p)) != 0)
			return rc;
	}
	if (at == v->root && missed_is(m, at) && see(map, node_key(at)))
		return pending_add(p, &(struct pending_entry){ .id = node_key(at), .missed = true });
	return 0;
}

/* What came from an earlier log and was not looked for yet, and what is known by its id only. */
static int
save_lack(const struct lack *lack, struct hashmap *map, struct pending *p)
{
	size_t i;
	int rc;

	for (i = 0; i < lack->pending.count; i++) {
		if (see(map, lack->pending.entries[i].id) && (rc = pending_add(p, &lack->pending.entries[i])) != 0)
			return rc;
	}
	for (i = 0; i < lack->suspect_count; i++) {
		if (see(map, lack->suspects[i]) &&
		    (rc = pending_add(p, &(struct pending_entry){ .id = lack->suspects[i], .suspect = true })) != 0)
			return rc;
	}
	return 0;
}

/* All that ${m} is known to lack.  Missed lock. */
static int
collect(struct volume *v, struct member *m, struct pending *p)
{
	struct list_link *at;
	struct node *node;
	struct hashmap map;
	int rc;

	if ((rc = hashmap_init(&map)) != 0)
		return rc;
	pthread_mutex_lock(&v->nodes_lock);
	for (at = v->missed.next; rc == 0 && at != &v->missed; at = at->next) {
		node = list_entry(at, struct node, missed_link);
		if (missed_is(m, node))
			rc = save_node(v, m, node, &map, p);
	}
	pthread_mutex_unlock(&v->nodes_lock);
	if (rc == 0)
		rc = save_lack(&m->lack, &map, p);
	hashmap_each(&map, free_seen, NULL);
	hashmap_free(&map);
	return rc;
}

static void
save_one(struct volume *v, struct member *m, uint64_t closed)
{
	struct pending p = { .closed = closed };
	struct member *s;
	int rc;

	pthread_mutex_lock(&v->missed_lock);
	p.everything = m->lack.everything;
	p.walk = m->lack.walk || m->lack.everything;
	if (!p.everything && collect(v, m, &p) != 0) {
		pending_free(&p);
		p.everything = p.walk = true;
		p.closed = closed;
	}
	pthread_mutex_unlock(&v->missed_lock);
	pthread_mutex_lock(&v->label_lock);
	p.lost = last_seen(v, m);
	pthread_mutex_unlock(&v->label_lock);
	for_each_member(v, s) {
		if ((rc = pending_write(s->r, &v->digest, &m->uuid, &p)) != 0)
			log_warning("%s: cannot keep what replica %s missed: %s; all of it will be compared", s->r->path, m->name, strerror(-rc));
		if (rc < 0 && !replica_error_is_own(rc))
			members_lose(v, s, rc, "writing a log of what another missed");
	}
	pending_free(&p);
}

void
missed_save(struct volume *v, uint64_t closed)
{
	struct member *m, *s;

	for (m = v->members; m < v->members + v->member_count; m++) {
		if (!member_in_sync(m) && !member_removed(m)) {
			save_one(v, m, closed);
			continue;
		}
		for_each_member(v, s) {
			if (s != m)
				(void)pending_remove(s->r, &m->uuid);
		}
	}
}

void
missed_free(struct volume *v)
{
	struct member *m;

	for (m = v->members; m < v->members + v->member_count; m++)
		lack_free(&m->lack);
	free(v->dropped);
}
