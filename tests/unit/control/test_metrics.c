/* The text of metrics, held against the grammar of Prometheus' text format. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/metrics.h"

#include "../check_main.h"

static char path_a[] = "/a", path_b[] = "/b";

static struct volume_status
two_replicas(void)
{
	struct volume_status s = { .count = 2, .in_sync = 1, .min_replicas = 1, .mounted_since = 1000, .since = 2000,
	    .unmendable = 3 };

	s.replicas[0] = (struct status_replica){ .path = path_a, .reads = { 5, 4096 }, .latency_ns = 1500000,
	    .space_known = true, .space_total = 100, .space_free = 50, .mended = 7 };
	s.replicas[1] = (struct status_replica){ .path = path_b, .state = STATUS_RESYNCING, .resync_done = 1, .resync_total = 9,
	    .far = true, .linked = true, .wire_out = 77, .round_trip_ns = 10000000 };
	return s;
}

static char *
text_of(const char *mountpoint, const struct volume_status *s)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	metrics_write(out, mountpoint, s);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_uint_eq(len, strlen(text));
	return text;
}

static const char *
skip_name(const char *at)
{
	ck_assert(isalpha((unsigned char)*at) || *at == '_');
	while (isalnum((unsigned char)*at) || *at == '_')
		at++;
	return at;
}

/* {name="value",...}: only \\, \" and \n are escapes. */
static const char *
skip_labels(const char *at)
{
	ck_assert_int_eq(*at++, '{');
	for (;;) {
		at = skip_name(at);
		ck_assert_int_eq(*at++, '=');
		ck_assert_int_eq(*at++, '"');
		for (; *at != '"'; at++) {
			ck_assert(*at != '\0' && *at != '\n');
			if (*at == '\\') {
				at++;
				ck_assert(*at == '\\' || *at == '"' || *at == 'n');
			}
		}
		at++;
		if (*at == '}')
			return at + 1;
		ck_assert_int_eq(*at++, ',');
	}
}

/* Each family: HELP, TYPE, samples; no other comes between, none comes twice; counters end in _total. */
static void
check_grammar(char *text)
{
	char *line, *rest, family[128] = "", type[16] = "", seen[16384] = " ", key[140];
	const char *at;
	char *end;

	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			at = skip_name(line + 7);
			ck_assert_int_eq(*at, ' ');
			snprintf(family, sizeof(family), "%.*s", (int)(at - line - 7), line + 7);
			snprintf(key, sizeof(key), " %s ", family);
			ck_assert_msg(strstr(seen, key) == NULL, "%s twice", family);
			strcat(seen, key + 1);
			ck_assert_ptr_null(strchr(at, '\\'));
			type[0] = '\0';
			continue;
		}
		if (*line == '#') {
			ck_assert_int_eq(sscanf(line, "# TYPE %127s %15s", key, type), 2);
			ck_assert_str_eq(key, family);
			ck_assert(strcmp(type, "gauge") == 0 || strcmp(type, "counter") == 0);
			ck_assert_int_eq(strcmp(type, "counter") == 0,
			    strlen(family) > 6 && strcmp(family + strlen(family) - 6, "_total") == 0);
			continue;
		}
		at = skip_name(line);
		ck_assert_uint_eq((size_t)(at - line), strlen(family));
		ck_assert_int_eq(strncmp(line, family, strlen(family)), 0);
		ck_assert_str_ne(type, "");
		at = skip_labels(at);
		ck_assert_int_eq(*at++, ' ');
		ck_assert(strtod(at, &end) >= 0);
		ck_assert_int_eq(*end, '\0');
	}
}

START_TEST(grammar)
{
	static const char *const names[] = { "/mnt", "/a \"b\"\\c\nd", "/\xff\xfe", "/\xc3\xa4", "" };
	struct volume_status s = two_replicas();
	char *text = text_of(names[_i], &s);

	check_grammar(text);
	free(text);
}
END_TEST

static const struct { const char *line; bool there; } expected[] = {
	{ "mendfs_replicas{mountpoint=\"/m\"} 2\n", true },
	{ "mendfs_degraded{mountpoint=\"/m\"} 1\n", true },
	{ "mendfs_unmendable_blocks_total{mountpoint=\"/m\"} 3\n", true },
	{ "mendfs_replica_read_bytes_total{mountpoint=\"/m\",replica=\"/a\"} 4096\n", true },
	{ "mendfs_replica_read_latency_seconds{mountpoint=\"/m\",replica=\"/a\"} 0.001500000\n", true },
	{ "mendfs_replica_mended_total{mountpoint=\"/m\",replica=\"/a\"} 7\n", true },
	{ "mendfs_replica_size_bytes{mountpoint=\"/m\",replica=\"/a\"} 100\n", true },
	{ "mendfs_replica_resync_expected{mountpoint=\"/m\",replica=\"/b\"} 9\n", true },
	{ "mendfs_replica_link_up{mountpoint=\"/m\",replica=\"/b\"} 1\n", true },
	{ "mendfs_replica_link_sent_bytes_total{mountpoint=\"/m\",replica=\"/b\"} 77\n", true },
	{ "mendfs_replica_link_round_trip_seconds{mountpoint=\"/m\",replica=\"/b\"} 0.010000000\n", true },
	{ "mendfs_replica_link_up{mountpoint=\"/m\",replica=\"/a\"}", false },
	/* What is not known is not there. */
	{ "mendfs_replica_size_bytes{mountpoint=\"/m\",replica=\"/b\"}", false },
	{ "mendfs_replica_resync_done{mountpoint=\"/m\",replica=\"/a\"}", false },
	{ "mendfs_replica_inodes{", false },
};

START_TEST(values)
{
	struct volume_status s = two_replicas();
	char *text = text_of("/m", &s);

	ck_assert_int_eq(strstr(text, expected[_i].line) != NULL, expected[_i].there);
	free(text);
}
END_TEST

START_TEST(labels)
{
	struct volume_status s = two_replicas();
	char *text = text_of("/a\"\\\n", &s);

	ck_assert_ptr_nonnull(strstr(text, "{mountpoint=\"/a\\\"\\\\\\n\"}"));
	free(text);
	text = text_of("/\xff", &s);
	ck_assert_ptr_nonnull(strstr(text, "{mountpoint=\"/\\\\377\"}"));
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control/metrics");
	TCase *cases = tcase_create("metrics");

	tcase_add_loop_test(cases, grammar, 0, 5);
	tcase_add_loop_test(cases, values, 0, sizeof(expected) / sizeof(expected[0]));
	tcase_add_test(cases, labels);
	suite_add_tcase(suite, cases);
	return check_main(suite);
}
