/*
 * volume/rolls -- what a directory has not.
 *
 * A name that is made is looked up before, in vain: every member would be asked.
 * A directory whose names are all known needs to ask nobody: one that was made
 * in this mount, or in which so much was looked for in vain that its names were
 * read and proved by its digest.  All changes of names come by here.
 *
 * The tree lock is held over all of this, exclusively where names change.
 */

#ifndef VOLUME_ROLLS_H
#define VOLUME_ROLLS_H

#include "volume/state.h"

/* rolls_absent(volume, dir, name): it is certainly no name of ${dir}'s. */
bool rolls_absent(struct volume *volume, struct node *dir, const char *name);

/* rolls_vain(volume, dir): all members were asked, in vain: it may be time to get to know all names. */
void rolls_vain(struct volume *volume, struct node *dir);

/*
 * rolls_known(volume, dir):
 * All of its names are known, and were proved together with what they stood for
 * then: whoever exchanges files on a replica later is not seen by this.
 */
bool rolls_known(struct volume *volume, struct node *dir);

/* rolls_learn(volume, dir): read and prove its names now, if that was not tried before. */
void rolls_learn(struct volume *volume, struct node *dir);

/* rolls_begin(volume, dir): ${dir} was just made, and is empty. */
void rolls_begin(struct volume *volume, struct node *dir);

/* rolls_changed(volume, dir, name, came): the name came, or went. */
void rolls_changed(struct volume *volume, struct node *dir, const char *name, bool came);

/* rolls_forget(volume, dir): a change of its names failed half way: the members are asked again. */
void rolls_forget(struct volume *volume, struct node *dir);

#endif
