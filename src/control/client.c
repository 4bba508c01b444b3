#include "control/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
reach(const struct control_place *place, FILE **out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, rc;

	if ((rc = control_place_socket(place, address.sun_path, sizeof(address.sun_path))) != 0)
		return rc;
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || (*out = fdopen(fd, "r+")) == NULL) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	return 0;
}

/* Take answers until the end; the command's exit status, or -EPROTO. */
static int
listen_to(FILE *peer, control_answer *answer, void *arg)
{
	char *text = NULL;
	size_t room = 0;
	int status = -EPROTO;
	const char *type;
	bool end = false;
	json_t *line;

	while (!end && getline(&text, &room, peer) > 0) {
		if ((line = json_loads(text, 0, NULL)) == NULL || (type = jsonline_get_text(line, "type")) == NULL) {
			json_decref(line);
			break;
		}
		if ((end = strcmp(type, "end") == 0))
			status = (int)jsonline_get_number(line, "exit", 1);
		else
			answer(arg, line);
		json_decref(line);
	}
	free(text);
	return status;
}

int
control_ask(const struct control_place *place, json_t *request, control_answer *answer, void *arg)
{
	FILE *peer = NULL;
	int rc;

	if ((rc = reach(place, &peer)) != 0) {
		json_decref(request);
		return rc;
	}
	jsonline_write(peer, request);
	rc = ferror(peer) ? -EPROTO : listen_to(peer, answer, arg);
	(void)fclose(peer);
	return rc;
}
