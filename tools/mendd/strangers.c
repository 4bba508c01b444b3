#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "mendd/strangers.h"
#include "util/log.h"

#define CROWDS 1024		/* into which addresses are sorted, by a keyed hash */

struct stranger {
	struct link_accept *accept;	/* NULL: a free place */
	uint64_t number;		/* in the order of coming */
	unsigned crowd;
	bool writes;			/* waits until it can send, else for bytes */
	char from[STRANGERS_FROM_SIZE];
};

struct strangers {
	const struct key_pair *key;
	struct strangers_calls calls;
	struct stranger places[STRANGERS_MAX];
	unsigned taken;
	uint64_t next;
	uint16_t crowds[CROWDS];	/* how many of each there are */
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	struct strangers_counters counters;
};

int
strangers_new(const struct key_pair *key, const struct strangers_calls *calls, struct strangers **out)
{
	struct strangers *strangers;

	if ((strangers = calloc(1, sizeof(*strangers))) == NULL)
		return -ENOMEM;
	strangers->key = key;
	strangers->calls = *calls;
	crypto_shorthash_keygen(strangers->hash_key);
	*out = strangers;
	return 0;
}

/* The place is free, whatever became of who stood there. */
static void
leave(struct strangers *strangers, struct stranger *stranger)
{
	strangers->crowds[stranger->crowd]--;
	strangers->taken--;
	memset(stranger, 0, sizeof(*stranger));
}

static void
drop(struct strangers *strangers, struct stranger *stranger)
{
	link_accept_free(stranger->accept);
	strangers->counters.failed++;
	leave(strangers, stranger);
}

void
strangers_free(struct strangers *strangers)
{
	unsigned i;

	if (strangers == NULL)
		return;
	for (i = 0; i < STRANGERS_MAX; i++) {
		if (strangers->places[i].accept != NULL)
			drop(strangers, &strangers->places[i]);
	}
	free(strangers);
}

/* Of IPv6 the network: its owner has all addresses of it. */
static unsigned
crowd_of(const struct strangers *strangers, const struct sockaddr_storage *address, char *from)
{
	uint8_t bytes[16] = { 0 };
	uint64_t hash;

	*from = '\0';
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;

		memcpy(bytes, &in->sin_addr, sizeof(in->sin_addr));
		(void)inet_ntop(AF_INET, &in->sin_addr, from, STRANGERS_FROM_SIZE);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;

		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			memcpy(bytes, &in6->sin6_addr.s6_addr[12], sizeof(struct in_addr));
			(void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], from, STRANGERS_FROM_SIZE);
		} else {
			memcpy(bytes, &in6->sin6_addr, 8);
			(void)inet_ntop(AF_INET6, &in6->sin6_addr, from, STRANGERS_FROM_SIZE);
		}
	}
	_Static_assert(crypto_shorthash_BYTES == sizeof(hash), "a hash is a number");
	crypto_shorthash((unsigned char *)&hash, bytes, sizeof(bytes), strangers->hash_key);
	return (unsigned)(hash % CROWDS);
}

/* The oldest of the largest crowd. */
static struct stranger *
whom_to_drop(struct strangers *strangers)
{
	struct stranger *chosen = NULL, *one;
	unsigned i;

	for (i = 0; i < STRANGERS_MAX; i++) {
		one = &strangers->places[i];
		if (one->accept == NULL)
			continue;
		if (chosen == NULL || strangers->crowds[one->crowd] > strangers->crowds[chosen->crowd] ||
		    (strangers->crowds[one->crowd] == strangers->crowds[chosen->crowd] && one->number < chosen->number))
			chosen = one;
	}
	return chosen;
}

bool
strangers_drop_oldest(struct strangers *strangers)
{
	struct stranger *chosen = whom_to_drop(strangers);

	if (chosen == NULL)
		return false;
	drop(strangers, chosen);
	return true;
}

static struct stranger *
free_place(struct strangers *strangers)
{
	unsigned i;

	if (strangers->taken == STRANGERS_MAX)
		(void)strangers_drop_oldest(strangers);
	for (i = 0; strangers->places[i].accept != NULL; i++)
		;
	return &strangers->places[i];
}

unsigned
strangers_poll(const struct strangers *strangers, struct pollfd *polls, uint64_t *deadline)
{
	const struct stranger *one;
	unsigned i, count = 0;
	uint64_t until;

	for (i = 0; i < STRANGERS_MAX; i++) {
		if ((one = &strangers->places[i])->accept == NULL)
			continue;
		polls[count].fd = link_accept_fd(one->accept);
		polls[count].events = one->writes ? POLLOUT : POLLIN;
		polls[count++].revents = 0;
		if ((until = link_accept_deadline(one->accept)) < *deadline)
			*deadline = until;
	}
	return count;
}

static void
admit(struct strangers *strangers, struct stranger *stranger)
{
	struct link_request request = *link_accept_request(stranger->accept);
	struct link *link;
	int rc;

	if ((rc = link_accept_finish(stranger->accept, &link)) != 0) {
		log_warning("%s: %s", stranger->from, strerror(-rc));
		strangers->counters.failed++;
	} else {
		strangers->calls.admit(strangers->calls.arg, link, &request, stranger->from);
	}
	leave(strangers, stranger);
}

static void
step(struct strangers *strangers, struct stranger *stranger, uint64_t now_ms)
{
	struct link_answer answer = { .status = LINK_UNAVAILABLE };
	int state;

	while ((state = link_accept_step(stranger->accept, now_ms)) == LINK_ACCEPT_ASK) {
		if (!strangers->calls.ask(strangers->calls.arg, link_accept_peer(stranger->accept),
		    link_accept_request(stranger->accept), &answer)) {
			log_debug("%s: a client with a key that no export lists", stranger->from);
			drop(strangers, stranger);
			return;
		}
		link_accept_answer(stranger->accept, &answer);
	}
	if (state == LINK_ACCEPT_DONE) {
		admit(strangers, stranger);
	} else if (state < 0) {
		log_debug("%s: %s", stranger->from, strerror(-state));
		drop(strangers, stranger);
	} else {
		stranger->writes = state == LINK_ACCEPT_WRITE;
	}
}

void
strangers_add(struct strangers *strangers, int fd, const struct sockaddr_storage *address, uint64_t now_ms)
{
	struct stranger *stranger = free_place(strangers);

	strangers->counters.came++;
	if (link_accept_new(fd, strangers->key, NULL, now_ms, &stranger->accept) != 0) {
		stranger->accept = NULL;
		strangers->counters.failed++;
		(void)close(fd);
		return;
	}
	stranger->number = strangers->next++;
	stranger->crowd = crowd_of(strangers, address, stranger->from);
	strangers->crowds[stranger->crowd]++;
	strangers->taken++;
	/* The greeting, which nearly always can be sent at once. */
	step(strangers, stranger, now_ms);
}

void
strangers_step(struct strangers *strangers, const struct pollfd *polls, unsigned count, uint64_t now_ms)
{
	struct stranger *one;
	unsigned i, at = 0;

	/* The places are gone through in the order of strangers_poll; none was taken meanwhile. */
	for (i = 0; i < STRANGERS_MAX && at < count; i++) {
		if ((one = &strangers->places[i])->accept == NULL)
			continue;
		if (polls[at].revents != 0 || link_accept_deadline(one->accept) <= now_ms)
			step(strangers, one, now_ms);
		at++;
	}
}

void
strangers_count(struct strangers *strangers, struct strangers_counters *counters)
{
	*counters = strangers->counters;
	memset(&strangers->counters, 0, sizeof(strangers->counters));
}
