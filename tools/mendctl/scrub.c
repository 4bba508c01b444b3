#include "command.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct choice { uint64_t rate, sample, time_ms; bool wait, json; };

/* A number, perhaps with decimals, and one letter of ${letters} that stands for one of ${values}; no letter: ${plain}. */
static bool
parse_amount(const char *text, const char *letters, const uint64_t *values, uint64_t plain, uint64_t *out)
{
	const char *letter;
	uint64_t unit = plain;
	double number;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	number = strtod(text, &end);
	if (*end != '\0') {
		if ((letter = strchr(letters, *end)) == NULL || end[1] != '\0')
			return false;
		unit = values[letter - letters];
	}
	number *= (double)unit;
	if (!(number >= 1.0) || number > 9e18)
		return false;
	*out = (uint64_t)number;
	return true;
}

static bool
parse_rate(const char *text, uint64_t *rate)
{
	static const uint64_t values[] = { 1u << 10, 1u << 20, 1u << 30, 1u << 10, 1u << 20, 1u << 30 };

	return parse_amount(text, "KMGkmg", values, 1, rate);
}

static bool
parse_time(const char *text, uint64_t *ms)
{
	static const uint64_t values[] = { 1000, 60000, 3600000, 86400000 };

	return parse_amount(text, "smhd", values, 1000, ms);
}

/* In hundredths of a percent; all of it: 0. */
static bool
parse_sample(const char *text, uint64_t *sample)
{
	size_t len = strlen(text);
	char number[16];

	if (len >= sizeof(number))
		return false;
	memcpy(number, text, len + 1);
	if (len > 1 && number[len - 1] == '%')
		number[len - 1] = '\0';
	if (!parse_amount(number, "", NULL, 100, sample) || *sample > 10000)
		return false;
	*sample %= 10000;
	return true;
}

static void
print_time(const char *before, uint64_t when)
{
	time_t seconds = (time_t)when;
	char text[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%F %T", &tm);
	printf("%s%s", before, text);
}

static void
print_account(const json_t *account)
{
	printf(": %" PRIu64 " files, %" PRIu64 " bytes proved on all replicas together, %" PRIu64 " bad, %" PRIu64 " mended, %" PRIu64 " not mendable\n",
	    jsonline_get_number(account, "files", 0), jsonline_get_number(account, "bytes", 0),
	    jsonline_get_number(account, "bad", 0), jsonline_get_number(account, "mended", 0),
	    jsonline_get_number(account, "left", 0));
}

static void
print_name(const json_t *line, const char *key)
{
	const char *text = jsonline_get_text(line, key);

	printf("/%s", text != NULL ? text : "");
}

static void
answer(void *arg, const json_t *line)
{
	const struct choice *choice = arg;
	const char *doing = jsonline_get_text(line, "doing");
	const json_t *last = json_object_get(line, "last");

	if (choice->json) {
		jsonline_write(stdout, json_incref((json_t *)(uintptr_t)line));
		return;
	}
	if (doing == NULL)
		return;
	if (strcmp(doing, "nothing") != 0) {
		printf("%s at ", doing);
		print_name(line, "at");
		print_time(", begun ", jsonline_get_number(line, "started", 0));
		print_account(line);
	} else if (last == NULL) {
		puts("none is running, and none has ever come to its end");
	}
	if (last != NULL) {
		print_time("last one from ", jsonline_get_number(last, "started", 0));
		print_time(" to ", jsonline_get_number(last, "finished", 0));
		print_account(last);
	}
	fflush(stdout);
}

enum { OPTION_RATE = 256, OPTION_SAMPLE, OPTION_FOR, OPTION_WAIT, OPTION_JSON };

static const struct option options[] = {
	{ "rate", required_argument, NULL, OPTION_RATE },
	{ "sample", required_argument, NULL, OPTION_SAMPLE },
	{ "for", required_argument, NULL, OPTION_FOR },
	{ "wait", no_argument, NULL, OPTION_WAIT },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ NULL, 0, NULL, 0 }
};

static int
take_option(const struct command *command, int option, struct choice *choice)
{
	switch (option) {
	case OPTION_RATE:
		return parse_rate(optarg, &choice->rate) ? 0 : usage_error(command, "--rate %s: bytes a second, as 500K, 20M or 1G", optarg);
	case OPTION_SAMPLE:
		return parse_sample(optarg, &choice->sample) ? 0 : usage_error(command, "--sample %s: a percentage from 0.01 to 100", optarg);
	case OPTION_FOR:
		return parse_time(optarg, &choice->time_ms) ? 0 : usage_error(command, "--for %s: a time, as 90s, 30m, 2h or 1d", optarg);
	case OPTION_WAIT:
		choice->wait = true;
		return 0;
	case OPTION_JSON:
		choice->json = true;
		return 0;
	default:
		return usage_error(command, "%s", "unknown option, or one without its value");
	}
}

/* What an action takes: start everything, resume all but what the run began with, the others nothing. */
static int
check_choice(const struct command *command, const char *action, const struct choice *choice)
{
	bool start = strcmp(action, "start") == 0, resume = strcmp(action, "resume") == 0;

	if (!start && !resume && strcmp(action, "pause") != 0 && strcmp(action, "stop") != 0 && strcmp(action, "status") != 0)
		return usage_error(command, "%s: start, pause, resume, stop or status?", action);
	if (!start && choice->sample != 0)
		return usage_error(command, "%s takes no --sample", action);
	if (!start && !resume && (choice->rate != 0 || choice->time_ms != 0 || choice->wait))
		return usage_error(command, "%s takes no --rate, --for or --wait", action);
	return 0;
}

int
scrub_command(const struct command *command, int argc, char **argv)
{
	struct choice choice = { 0 };
	json_t *request;
	int option, rc;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if ((rc = take_option(command, option, &choice)) != 0)
			return rc;
	}
	argc -= optind;
	argv += optind;
	if (argc != 2)
		return usage_error(command, "%s", argc == 0 ? "what is it to do?" : argc == 1 ? "which mountpoint?" : "one mountpoint at a time");
	if ((rc = check_choice(command, argv[0], &choice)) != 0)
		return rc;
	request = request_new(command);
	jsonline_set_text(request, "action", argv[0]);
	jsonline_set_number(request, "rate", choice.rate);
	jsonline_set_number(request, "sample", choice.sample);
	jsonline_set_number(request, "time", choice.time_ms);
	jsonline_set_flag(request, "wait", choice.wait);
	/* Only what is begun has a path of its own; there is one scrub of a volume. */
	return ask(argv[1], strcmp(argv[0], "start") != 0, request, answer, &choice);
}
