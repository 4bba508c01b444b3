/*
 * check/subject -- one inode on all members at once: facts, verdict, inode.
 */

#ifndef CHECK_SUBJECT_H
#define CHECK_SUBJECT_H

#include "check/state.h"

/* subject_new(place, name, want, subject): on every member that has the directory.  -ENOMEM. */
int subject_new(struct place *place, const char *name, const struct want *want, struct subject **subject);
void subject_free(struct subject *s);

/*
 * subject_load(s):
 * Gather the facts and judge them.  What is of another type or id than wanted
 * has no say, nor have members that are behind.
 */
void subject_load(struct subject *s);

/* subject_present(s, i): has member ${i} an inode here that is the one wanted? */
bool subject_present(const struct subject *s, unsigned i);
/* subject_newest(s): the member with the newest valid record, whatever its metadata, or -1. */
int subject_newest(const struct subject *s);
/* subject_copy(s, from, to, copy): set up a copy between two members. */
void subject_copy(const struct subject *s, unsigned from, unsigned to, struct copy *copy);
/* subject_class(s): what mending by comparison alone may be called. */
enum report_class subject_class(const struct subject *s);

/* subject_found(s, code, member, outcome, error, detail): report about the inode; ${member} -1: about all. */
void subject_found(const struct subject *s, enum report_code code, int member,
    enum report_outcome outcome, int error, const char *detail);
/* subject_mended(rc, may): the outcome of a mending that was tried if ${may}. */
enum report_outcome subject_mended(int rc, bool may);

/*
 * subject_make(s, model):
 * Make the name on members where it is missing, or stands for something else,
 * which is put aside: a file empty and without record, anything but a file or directory whole.
 */
void subject_make(struct subject *s, unsigned model);

/*
 * subject_finish(s, record):
 * After the data: owner, mode and xattrs as the source's, ${record} and its
 * time on every member that lacks them.
 */
void subject_finish(struct subject *s, const struct record *record);

/*
 * subject_keep(s, i, reason):
 * Before data of member ${i} is overwritten that may be somebody's work: put a
 * copy into quarantine, once.
 */
int subject_keep(struct subject *s, unsigned i, const char *reason);
/* subject_expendable(s, i, record): is this version known to be rot, or older than ${record}? */
bool subject_expendable(const struct subject *s, unsigned i, const struct record *record);

#endif
