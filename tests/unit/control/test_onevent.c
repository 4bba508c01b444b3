#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/onevent.h"
#include "util/log.h"
#include "volume/state.h"

#include "../check_main.h"

static char folder[] = "/tmp/mendfs-onevent.XXXXXX";
static char program[64], output[64];

static void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static void
setup(void)
{
	char script[256];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(program, sizeof(program), "%s/p q", folder);
	snprintf(output, sizeof(output), "%s/out", folder);
	snprintf(script, sizeof(script), "#!/bin/sh\necho \"$#|$1|$2|$MENDFS_EVENT|$MENDFS_REPLICA|$MENDFS_PATH|$MENDFS_COUNT|$MENDFS_CODEC|$(umask)\" >>'%s'\n", output);
	write_file(program, script, 0755);
}

static void
teardown(void)
{
	(void)unlink(program);
	(void)unlink(output);
	(void)rmdir(folder);
}

START_TEST(check)
{
	ck_assert_ptr_null(onevent_check(program));
	ck_assert_ptr_nonnull(strstr(onevent_check("p"), "absolute"));
	ck_assert_ptr_nonnull(strstr(onevent_check("/nothing/there"), "not there"));
	ck_assert_ptr_nonnull(strstr(onevent_check("/"), "no file"));
	ck_assert_int_eq(chmod(program, 0644), 0);
	ck_assert_ptr_nonnull(strstr(onevent_check(program), "executed"));
	ck_assert_int_eq(chmod(program, 0775), 0);
	ck_assert_ptr_nonnull(strstr(onevent_check(program), "written"));
	ck_assert_int_eq(chmod(program, 0757), 0);
	ck_assert_ptr_nonnull(strstr(onevent_check(program), "written"));
	ck_assert_int_eq(chmod(program, 0700), 0);
	ck_assert_ptr_null(onevent_check(program));
}
END_TEST

/* What the program has written, once all was told. */
static void
told(char *text, size_t size)
{
	FILE *file = fopen(output, "r");
	size_t len = 0;

	if (file != NULL) {
		len = fread(text, 1, size - 1, file);
		(void)fclose(file);
	}
	text[len] = '\0';
}

START_TEST(call)
{
	struct volume *v = calloc(1, sizeof(*v));
	struct onevent *onevent;
	struct events *events;
	char text[4096];

	log_setup("test", LOG_LEVEL_ERROR, false);
	(void)setenv("MENDFS_CODEC", "leaked", 1);
	ck_assert_ptr_nonnull(v);
	ck_assert_int_eq(events_new(&events), 0);
	v->events = events;
	ck_assert_int_eq(onevent_start(events, program, "/m n", &v->uuid, &onevent), 0);
	events_emit(v, &(struct event){ .kind = EVENT_REPLICA_LOST, .replica = "/r" });
	events_emit(v, &(struct event){ .kind = EVENT_MENDED, .replica = "/r", .path = "/f" });
	events_emit(v, &(struct event){ .kind = EVENT_MENDED, .replica = "/r", .path = "/f" });
	events_emit(v, &(struct event){ .kind = EVENT_MENDED, .replica = "/s", .path = "/f" });
	onevent_stop(onevent);
	told(text, sizeof(text));
	ck_assert_str_eq(text, "2|replica-lost|/m n|replica-lost|/r||1||0022\n"
	    "2|mended|/m n|mended|/r|/f|2||0022\n"
	    "2|mended|/m n|mended|/s|/f|1||0022\n");
	events_free(events);
	free(v);
}
END_TEST

/* More than the queue holds, and nobody takes any: the first are told of, then how many were lost. */
START_TEST(full)
{
	struct volume *v = calloc(1, sizeof(*v));
	const struct event *event;
	struct events *events;
	unsigned i, count = 0;

	log_setup("test", LOG_LEVEL_ERROR, false);
	ck_assert_ptr_nonnull(v);
	ck_assert_int_eq(events_new(&events), 0);
	v->events = events;
	for (i = 0; i < EVENTS_MAX + 5; i++)
		events_emit(v, &(struct event){ .kind = EVENT_REPLICA_BACK, .replica = "/r", .detail = "x" });
	events_end(events);
	ck_assert_ptr_nonnull(event = events_take(events));
	ck_assert_int_eq(event->kind, EVENT_EVENTS_LOST);
	ck_assert_uint_eq(event->count, 5);
	events_done(events, event);
	while ((event = events_take(events)) != NULL) {
		ck_assert_int_eq(event->kind, EVENT_REPLICA_BACK);
		ck_assert_str_eq(event->replica, "/r");
		ck_assert_ptr_null(event->path);
		events_done(events, event);
		count++;
	}
	ck_assert_uint_eq(count, EVENTS_MAX);
	/* Nobody listens: nothing happens. */
	v->events = NULL;
	events_emit(v, &(struct event){ .kind = EVENT_READ_ONLY });
	events_free(events);
	free(v);
}
END_TEST

START_TEST(kinds)
{
	unsigned i;

	for (i = 0; i < EVENT_KINDS; i++)
		ck_assert_ptr_nonnull(events_name((enum event_kind)i));
	ck_assert_str_eq(events_name(EVENT_SCRUB_DONE), "scrub-done");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control/onevent");
	TCase *cases = tcase_create("onevent");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, check);
	tcase_add_test(cases, call);
	tcase_add_test(cases, full);
	tcase_add_test(cases, kinds);
	suite_add_tcase(suite, cases);
	return check_main(suite);
}
