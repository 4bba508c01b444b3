#include "util/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "util/io.h"

#define TEXT_MAX 10240		/* bytes of a message: two long paths and words between */
#define LINE_MAX_SIZE 16384	/* bytes of a line, escapes included */

static const char *const level_names[] = { "error", "warning", "info", "debug" };
static const int level_priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Read without the lock: a message more or less while the level changes does no harm. */
static atomic_int level_max = LOG_LEVEL_INFO;

/* Guards all below; also keeps lines of several threads in one order. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *program;
static bool to_syslog;
static char text[TEXT_MAX];
static char line[LINE_MAX_SIZE];

void
log_setup(const char *new_program, enum log_level level, bool new_to_syslog)
{
	pthread_mutex_lock(&mutex);
	if (to_syslog)
		closelog();
	program = new_program;
	to_syslog = new_to_syslog;
	if (to_syslog)
		openlog(program, LOG_PID, LOG_DAEMON);
	atomic_store(&level_max, (int)level);
	pthread_mutex_unlock(&mutex);
}

int
log_parse_level(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool
log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

/*
 * The length of the printable character that ${at} begins with, in ASCII or
 * UTF-8; 0 if it has to be escaped.  Control characters are below 0x20, 0x7f,
 * and U+0080 to U+009F; terminals obey them all.
 */
static size_t
printable(const char *at)
{
	const unsigned char *c = (const unsigned char *)at;
	size_t len;

	if (c[0] < 0x80)
		return c[0] >= 0x20 && c[0] != 0x7f;
	if (c[0] >= 0xc2 && c[0] <= 0xdf)
		len = 2;
	else if ((c[0] & 0xf0) == 0xe0)
		len = 3;
	else if (c[0] >= 0xf0 && c[0] <= 0xf4)
		len = 4;
	else
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	}

	/* C1 controls; overlong forms, with which they could be spelled too. */
	if (c[0] == 0xc2 && c[1] < 0xa0)
		return 0;
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90))
		return 0;

	/* Line and paragraph separators, U+2028 and U+2029. */
	if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9))
		return 0;
	return len;
}

/* Append ${from} to line at ${len}, escaped; room for a newline remains. */
static size_t
append(size_t len, const char *from)
{
	size_t n;

	for (; *from != '\0'; from += n) {
		if (len + sizeof("\\xNN\n") > sizeof(line))
			break;
		if ((n = printable(from)) > 0) {
			memcpy(line + len, from, n);
			len += n;
		} else {
			n = 1;
			len += (size_t)snprintf(line + len, sizeof(line) - len, "\\x%02x",
			    (unsigned char)*from);
		}
	}
	line[len] = '\0';
	return len;
}

static void __attribute__((format(printf, 2, 0)))
message(enum log_level level, const char *format, va_list args)
{
	int saved_errno = errno;
	size_t len = 0;

	if (!log_enabled(level))
		return;

	pthread_mutex_lock(&mutex);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		snprintf(text, sizeof(text), "%s", format);
	if (!to_syslog && program != NULL) {
		len = append(len, program);
		len = append(len, ": ");
	}
	if (level == LOG_LEVEL_WARNING)
		len = append(len, "warning: ");
	len = append(len, text);
	if (to_syslog) {
		syslog(level_priorities[level], "%s", line);
	} else {
		/* There is nobody left to tell that this failed. */
		line[len++] = '\n';
		(void)io_write(STDERR_FILENO, line, len);
	}
	pthread_mutex_unlock(&mutex);
	errno = saved_errno;
}

void
log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(LOG_LEVEL_ERROR, format, args);
	va_end(args);
}

void
log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void
log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(LOG_LEVEL_INFO, format, args);
	va_end(args);
}

void
log_debug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(LOG_LEVEL_DEBUG, format, args);
	va_end(args);
}
