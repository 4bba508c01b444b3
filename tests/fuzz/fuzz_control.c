/*
 * Whatever comes in over the control socket is answered: some lines, each a
 * JSON object with a type, the last one the end.  The commands run on a volume
 * of nothing: no replica, no file.
 */

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/request.h"
#include "meta/intent.h"
#include "volume/nodes.h"
#include "volume/state.h"
#include "volume/status.h"

#include "fuzz.h"

static struct volume *
nothing(void)
{
	static struct volume *v;

	if (v != NULL)
		return v;
	v = calloc(1, sizeof(*v));
	FUZZ_ASSERT(v != NULL);
	v->digest.codec = DIGEST_XXH3;
	pthread_rwlock_init(&v->tree, NULL);
	pthread_mutex_init(&v->hold_lock, NULL);
	pthread_cond_init(&v->keeper_wake, NULL);
	pthread_mutex_init(&v->nodes_lock, NULL);
	pthread_mutex_init(&v->dirty_lock, NULL);
	pthread_mutex_init(&v->missed_lock, NULL);
	pthread_mutex_init(&v->status_lock, NULL);
	list_init(&v->all);
	list_init(&v->missed);
	FUZZ_ASSERT(hashmap_init(&v->by_id) == 0 && hashmap_init(&v->by_name) == 0);
	FUZZ_ASSERT(intent_new(&v->digest, &v->intent) == 0 && status_start(v) == 0);
	FUZZ_ASSERT(nodes_new(VOLUME_ROOT_ID, S_IFDIR, &v->root) == 0);
	v->root = nodes_add(v, v->root);
	return v;
}

/* Others may do something to this machine: a fuzzer that finds their names must not. */
static bool
is_harmless(const char *text)
{
	static const char *const commands[] = { "explain", "metrics", "resync", "status" };
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *name = jsonline_get_text(object, "command");
	bool harmless = name == NULL || control_command_find(name) == NULL;
	size_t i;

	for (i = 0; !harmless && i < sizeof(commands) / sizeof(commands[0]); i++)
		harmless = strcmp(name, commands[i]) == 0;
	json_decref(object);
	return harmless;
}

static void
check_answers(char *text)
{
	char *line, *rest;
	bool ended = false;
	json_t *object;

	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		FUZZ_ASSERT(!ended);
		object = json_loads(line, 0, NULL);
		FUZZ_ASSERT(json_is_object(object) && jsonline_get_text(object, "type") != NULL);
		ended = strcmp(jsonline_get_text(object, "type"), "end") == 0;
		FUZZ_ASSERT(!ended || jsonline_get_number(object, "exit", 99) <= CONTROL_DEGRADED);
		json_decref(object);
	}
	FUZZ_ASSERT(ended);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int peers[2] = { -1, -1 };
	atomic_bool stopped = false;
	struct control_request request = { .volume = nothing(), .mountpoint = "/m", .stopped = &stopped };
	char *answers = NULL, *line;
	size_t answers_len;

	/* The server gives one line, without a zero byte in it. */
	if (len >= CONTROL_LINE_MAX || memchr(data, '\0', len) != NULL || memchr(data, '\n', len) != NULL)
		return 0;
	if (peers[0] < 0)
		FUZZ_ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, peers) == 0);
	request.socket = peers[0];
	line = malloc(len + 1);
	FUZZ_ASSERT(line != NULL);
	if (len > 0)
		memcpy(line, data, len);
	line[len] = '\0';
	if (is_harmless(line)) {
		FUZZ_ASSERT((request.out = open_memstream(&answers, &answers_len)) != NULL);
		control_run(&request, line);
		FUZZ_ASSERT(fclose(request.out) == 0);
		check_answers(answers);
		free(answers);
	}
	free(line);
	return 0;
}
