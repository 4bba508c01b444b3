/*
 * idlers -- clients of one export that have said hello and do nothing more.
 *
 * usage: idlers URL COUNT
 *
 * Opens the replica COUNT times, to look only, says "ready", and waits for the
 * end of standard input.  Then each must still answer.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "replica/peer.h"

int
main(int argc, char **argv)
{
	const unsigned count = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	struct replica **replicas = calloc(count + 1, sizeof(struct replica *));
	struct peer_options options = { .link_timeout_ms = 60000 };
	struct statvfs st;
	char why[1024], c;
	unsigned i;
	int rc;

	if (count == 0 || replicas == NULL) {
		fprintf(stderr, "usage: idlers URL COUNT\n");
		return 2;
	}
	for (i = 0; i < count; i++) {
		memcpy(options.instance, &i, sizeof(i));
		if ((rc = peer_open(argv[1], true, &options, &replicas[i], why, sizeof(why))) != 0) {
			fprintf(stderr, "idlers: client %u: %s (%s)\n", i, why, strerror(-rc));
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (i = 0; i < count; i++) {
		if ((rc = replicas[i]->ops->statfs(replicas[i], &st)) != 0) {
			fprintf(stderr, "idlers: client %u: %s\n", i, strerror(-rc));
			return 1;
		}
	}
	for (i = 0; i < count; i++)
		replicas[i]->ops->free(replicas[i]);
	free(replicas);
	return 0;
}
