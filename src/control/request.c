#include "control/request.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>

int
control_fail(struct control_request *request, const char *format, ...)
{
	json_t *line = jsonline_new("error");
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	jsonline_set_text(line, "text", text != NULL ? text : "out of memory");
	free(text);
	jsonline_write(request->out, line);
	return CONTROL_FAILED;
}

bool
control_gone(const struct control_request *request)
{
	struct pollfd poll_fd = { .fd = request->socket, .events = POLLRDHUP };

	if (atomic_load(request->stopped))
		return true;
	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void
control_run(struct control_request *request, const char *text)
{
	const struct control_command *command;
	int status = CONTROL_USAGE;
	json_error_t error;
	const char *name;
	json_t *line;

	request->args = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	name = jsonline_get_text(request->args, "command");
	if (!json_is_object(request->args) || name == NULL)
		control_fail(request, "not a request: one line of JSON, with the field \"command\"");
	else if ((command = control_command_find(name)) == NULL)
		control_fail(request, "%s: this daemon has no such command; is it of an older version than mendctl?", name);
	else
		status = command->run(request);
	json_decref(request->args);
	line = jsonline_new("end");
	jsonline_set_number(line, "exit", (uint64_t)status);
	jsonline_write(request->out, line);
}
