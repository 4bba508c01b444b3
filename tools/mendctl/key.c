#include "command.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "link/known.h"
#include "util/log.h"

#define WHY_SIZE 1024

static void
print_public(const struct key_pair *pair)
{
	char text[KEY_TEXT_SIZE];

	key_to_text(pair->public, text);
	puts(text);
}

static int
key_new(const struct command *command, int argc, char **argv)
{
	struct key_pair pair;
	char why[WHY_SIZE];
	int rc;

	if (argc != 0 && (argc != 2 || strcmp(argv[0], "-f") != 0))
		return usage_error(command, "new takes -f FILE, or nothing");
	key_pair_new(&pair);
	if ((rc = key_pair_write(argc == 2 ? argv[1] : NULL, &pair, why, sizeof(why))) == 0)
		print_public(&pair);
	else
		log_error("%s", why);
	key_pair_clear(&pair);
	return rc == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int
key_show(const struct command *command, int argc, char **argv)
{
	struct key_pair pair;
	char why[WHY_SIZE];

	if (argc > 1)
		return usage_error(command, "one key file at a time");
	if (key_pair_read(argc == 1 ? argv[0] : NULL, &pair, why, sizeof(why)) != 0) {
		log_error("%s", why);
		return EXIT_FAILED;
	}
	print_public(&pair);
	key_pair_clear(&pair);
	return EXIT_DONE;
}

static int
key_trust(const struct command *command, int argc, char **argv)
{
	struct address server;
	uint8_t key[LINK_KEY_SIZE];
	char why[WHY_SIZE];

	if (argc != 2)
		return usage_error(command, "which server, and what does \"" PROGRAM " key show\" say there?");
	if (address_parse(argv[0], LINK_PORT, &server) != 0) {
		log_error("%s: is not HOST or HOST:PORT; an IPv6 address stands in brackets", argv[0]);
		return EXIT_FAILED;
	}
	if (key_from_text(argv[1], key) != 0) {
		log_error("%s: is no public key; \"" PROGRAM " key show\" on the server prints it", argv[1]);
		return EXIT_FAILED;
	}
	if (known_add(NULL, &server, key, why, sizeof(why)) != 0) {
		log_error("%s", why);
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

int
key_run(const struct command *command, int argc, char **argv)
{
	static const struct { const char *name; int (*run)(const struct command *, int, char **); } actions[] = {
		{ "new", key_new }, { "show", key_show }, { "trust", key_trust },
	};

	if (argc < 2)
		return usage_error(command, "new, show or trust?");
	if (sodium_init() < 0) {
		log_error("libsodium does not start: there is no source of randomness");
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (strcmp(argv[1], actions[i].name) == 0)
			return actions[i].run(command, argc - 2, argv + 2);
	}
	return usage_error(command, "%s: new, show or trust?", argv[1]);
}
