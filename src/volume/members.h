/*
 * volume/members -- the replicas of a volume: choosing, losing, labelling.
 */

#ifndef VOLUME_MEMBERS_H
#define VOLUME_MEMBERS_H

#include "volume/state.h"

/* members_in_sync(volume): how many. */
unsigned members_in_sync(const struct volume *volume);
/* members_count(volume): how many there are, in sync or not. */
unsigned members_count(const struct volume *volume);
/* members_near(volume): how many of those in sync are on this machine, or mounted there. */
unsigned members_near(const struct volume *volume);
/*
 * Whoever has a choice asks those on this machine, as long as one of them is in
 * sync; so the following choose among them, if there are any.
 * members_first(volume): the lowest-numbered one in sync, or NULL: inode numbers that are shown are its.
 */
struct member *members_first(struct volume *volume);
/* members_nearest(volume): the first on this machine, else the one that answers soonest, or NULL: to be asked where anyone will do. */
struct member *members_nearest(struct volume *volume);
/* members_in_turn(volume, turn): the ${turn}th in sync, counted around, or NULL. */
struct member *members_in_turn(struct volume *volume, unsigned turn);
/* members_for_read(volume, id): the member that should be asked first for this file, or NULL if none is left. */
struct member *members_for_read(struct volume *volume, uint64_t id);
/* members_would_read(volume, id, why): the same for whoever only wants to know, and why that one. */
enum members_reason { MEMBERS_NONE, MEMBERS_ONLY, MEMBERS_FIRST, MEMBERS_TURN, MEMBERS_HOME, MEMBERS_LOAD, MEMBERS_NEAR };
struct member *members_would_read(struct volume *volume, uint64_t id, enum members_reason *why);

/*
 * members_lose(volume, member, error, doing, path):
 * ${member} failed: mark it lost in the labels of all others, durably, before
 * returning; the volume turns read-only if too few are left.  Logs.  Harmless if it is lost already.
 */
void members_lose(struct volume *volume, struct member *member, int error, const char *doing);

/*
 * members_guard(volume, member, r):
 * Have ${*r}, which is or is going to be the member's, given up when it does
 * not answer (replica/guard), if the volume's options say so.  -ENOMEM.
 */
int members_guard(struct volume *volume, struct member *member, struct replica **r);

/*
 * members_event(volume, clean):
 * The next event, in two phases (doc/FORMAT.md, "Events"), on the labels of
 * all members in sync.  Members whose label cannot be written are lost, but
 * for want of room: that error is returned, and the event is to be tried again.  -EIO if none is left.
 */
int members_event(struct volume *volume, bool clean);

/* members_last_event(volume): its number. */
uint64_t members_last_event(struct volume *volume);

/*
 * members_join(volume, member):
 * ${member} holds all that the others hold, durably: it is in sync from now
 * on, and the labels say so.  The tree lock is held exclusively, no file is
 * being changed that is not noted as missed.  -EAGAIN: something is still
 * missed; else the error that kept it out.
 */
int members_join(struct volume *volume, struct member *member);

/*
 * members_enlist(volume, member):
 * ${member}, which has a label, is on the others' lists from now on, in an event of its own.  -EIO.
 */
int members_enlist(struct volume *volume, struct member *member);

/*
 * members_dismiss(volume, member):
 * ${member} is none any more: nothing is written to it from now on, and it is
 * off the others' lists, durably, when this returns.  Then its own label, if it
 * can be written, says that it was removed.  -EIO: no other one is left.
 */
int members_dismiss(struct volume *volume, struct member *member);

/*
 * members_hold(volume, hold), members_wait(volume):
 * While a member joins, whoever is about to change data waits for it here,
 * without any lock.
 */
void members_hold(struct volume *volume, bool hold);
void members_wait(struct volume *volume);

/* members_mark(volume, ids, count): set these bits of the intent bitmap (meta/intent), durably.  For volume/ways. */
int members_mark(struct volume *volume, const uint64_t *ids, size_t count);
/* members_next_id(volume, id): the next free file id; nothing is marked yet. */
int members_next_id(struct volume *volume, uint64_t *id);
/* members_sweep(volume): clear intent bits of regions at rest. */
int members_sweep(struct volume *volume);

/*
 * members_settle(volume, m, rc, doing):
 * Sort out the result ${rc} of an operation on one member of several:
 * 0 or the request's own error is returned as it is; an error that speaks
 * against the replica loses it, and 1 is returned: go on with the others.
 */
int members_settle(struct volume *volume, struct member *m, int rc, const char *doing);

#endif
