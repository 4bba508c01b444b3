/*
 * The keys by which the harnesses of links, and what makes their corpus, know each other.
 */

#ifndef TESTS_FUZZ_FUZZ_LINK_H
#define TESTS_FUZZ_FUZZ_LINK_H

#include "link/first.h"

#include "fuzz.h"

#define FUZZ_RIGHT 1		/* the rest is the payload of a first message that is right in all else */
#define FUZZ_SEALED 1		/* the rest is the plain text of messages */

/* What the client of the raw flight in the corpus asks for. */
static const struct link_request fuzz_request = { .export = "photos", .instance = { 1, 2, 3 } };

/* Nothing at random: an input must do the same each time. */
static inline void
fuzz_keys(struct key_pair *server, struct key_pair *client)
{
	static uint8_t ephemeral[LINK_KEY_SIZE];
	uint8_t secret[LINK_KEY_SIZE];

	memset(secret, 0x11, sizeof(secret));
	key_pair_from(server, secret);
	memset(secret, 0x22, sizeof(secret));
	key_pair_from(client, secret);
	memset(ephemeral, 0x33, sizeof(ephemeral));
	noise_fix_ephemeral(ephemeral);
}

/* What the client of these keys says first, with ${payload}. */
static inline void
fuzz_flight(struct noise *noise, const struct key_pair *server, const struct key_pair *client, const uint8_t payload[TERMS_REQUEST_SIZE],
    uint8_t flight[FIRST_FLIGHT_SIZE])
{
	uint8_t prologue[PROLOGUE_SIZE];

	greeting_server(prologue);
	greeting_client(prologue + GREETING_SIZE);
	memcpy(flight, prologue + GREETING_SIZE, GREETING_SIZE);
	noise_start(noise, client, server->public, prologue, sizeof(prologue));
	FUZZ_ASSERT(noise_write_first(noise, payload, TERMS_REQUEST_SIZE, flight + GREETING_SIZE) == 0);
}

#endif
