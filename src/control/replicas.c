#include "control/request.h"

static void
collect(void *arg, const struct volume_replica *replica)
{
	json_t *line = jsonline_new("replica");

	jsonline_set_text(line, "name", replica->name);
	jsonline_set_name(line, "path", replica->path);
	jsonline_set_flag(line, "in-sync", replica->in_sync);
	(void)json_array_append_new(arg, line);
}

/* Which replicas there are, and where. */
int
control_replicas(struct control_request *request)
{
	/* Whoever is slow in taking the answer must not hold up the labels. */
	json_t *all = json_array();
	size_t i;

	volume_replicas(request->volume, collect, all);
	for (i = 0; i < json_array_size(all); i++)
		jsonline_write(request->out, json_incref(json_array_get(all, i)));
	json_decref(all);
	return CONTROL_DONE;
}
