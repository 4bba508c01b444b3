/*
 * volume/awaited -- replicas that were named at a degraded mount, and were not there.
 *
 * Whose they are cannot be known before their labels can be read; until then
 * they are but names.
 */

#ifndef VOLUME_AWAITED_H
#define VOLUME_AWAITED_H

#include "volume/mount.h"

/* awaited_note(volume, mount): keep the names of those that were absent in mind.  -ENOMEM. */
int awaited_note(struct volume *volume, const struct mount *mount);
/* awaited_look(volume): look for those whose time has come; the keeper's. */
void awaited_look(struct volume *volume);
/* awaited_free(volume): no more of it. */
void awaited_free(struct volume *volume);

#endif
