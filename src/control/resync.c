#include "control/request.h"

/* Look for replicas that are away now, and not when their time has come. */
int
control_resync(struct control_request *request)
{
	json_t *line = jsonline_new("resync");

	jsonline_set_number(line, "away", volume_hurry(request->volume));
	jsonline_write(request->out, line);
	return CONTROL_DONE;
}
