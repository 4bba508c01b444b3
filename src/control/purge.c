/* A version in a quarantine that only the daemon can change. */

#include <limits.h>

#include "control/request.h"

int
control_purge(struct control_request *request)
{
	char which[PATH_MAX], slot[NAME_MAX + 1], why[VOLUME_WHY_MAX];
	bool one = jsonline_get_name(request->args, "slot", slot, sizeof(slot)) == 0;

	if (jsonline_get_name(request->args, "replica", which, sizeof(which)) != 0) {
		(void)control_fail(request, "not a request: the field \"replica_hex\" is missing");
		return CONTROL_USAGE;
	}
	if (volume_purge(request->volume, which, one ? slot : NULL, why) != 0)
		return control_fail(request, "%s", why);
	return CONTROL_DONE;
}
