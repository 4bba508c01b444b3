/*
 * util/log -- messages for the administrator.
 *
 * One line a message.  In the foreground they go to standard error, in the
 * background to syslog.  A message names the path or replica, what is wrong
 * and what to do about it; bytes that are not printable are escaped, so that
 * a file's name cannot forge a line.
 *
 * Thread-safe.  The log is the one piece of global state in the program.
 */

#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * log_setup(program, level, to_syslog):
 * Name the program, drop messages above ${level}, choose where they go.
 * May be called again.  Before the first call: standard error, level info,
 * no name.  ${program} is not copied.
 */
void log_setup(const char *program, enum log_level level, bool to_syslog);

/* log_parse_level(text, level): "error", "warning", "info", "debug"; -EINVAL. */
int log_parse_level(const char *text, enum log_level *level);

/* log_enabled(level): would a message of this level be written? */
bool log_enabled(enum log_level level);

#define LOG_PRINTF __attribute__((format(printf, 1, 2)))
void log_error(const char *format, ...) LOG_PRINTF;
void log_warning(const char *format, ...) LOG_PRINTF;
void log_info(const char *format, ...) LOG_PRINTF;
void log_debug(const char *format, ...) LOG_PRINTF;

#endif
