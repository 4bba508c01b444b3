/*
 * control/client -- asking a mount's daemon.
 */

#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include "control/place.h"
#include "format/jsonline.h"

/* control_ask's ${line}: an answer that is not the end; it stays ours. */
typedef void control_answer(void *arg, const json_t *line);

/*
 * control_ask(place, request, answer, arg):
 * Send ${request}, which is given back, call ${answer} for each line that comes.
 * Returns the command's exit status; or a negative errno value: -ENOENT,
 * -ECONNREFUSED: no daemon there; -EACCES: another user's; -EPROTO: it hung up, or made no sense.
 */
int control_ask(const struct control_place *place, json_t *request, control_answer *answer, void *arg);

#endif
