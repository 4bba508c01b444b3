/*
 * mendd/sessions -- the clients that are served now, a thread each.
 *
 * A session whose client has sent nothing yet may have been begun with a
 * recorded first message.  Such ones are few at a time (SESSIONS_UNPROVEN),
 * and the oldest has to go for a new one; they do not count as clients.
 */

#ifndef MENDD_SESSIONS_H
#define MENDD_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "link/link.h"
#include "mendd/conf.h"

#define SESSIONS_UNPROVEN 64

struct sessions;

/*
 * sessions_new(conf, wake_fd, sessions):
 * For ${conf}, which must outlive it; begins to measure exports that have a
 * limit.  ${wake_fd}, an eventfd(2), is written to whenever a session ends.
 */
int sessions_new(const struct conf *conf, int wake_fd, struct sessions **sessions);
/* sessions_free(sessions): end all, and wait for them; NULL is fine. */
void sessions_free(struct sessions *sessions);

/* sessions_judge(sessions, key, request, answer): may this client have what it wants, now?  false: nobody knows the key. */
bool sessions_judge(struct sessions *sessions, const uint8_t *key, const struct link_request *request, struct link_answer *answer);

/* sessions_start(sessions, link, request, from): after sessions_judge said yes; ${link} is its own from now on. */
void sessions_start(struct sessions *sessions, struct link *link, const struct link_request *request, const char *from);

/* sessions_revise(sessions, now): end those that ${now} would not let in. */
void sessions_revise(struct sessions *sessions, const struct conf *now);

unsigned sessions_count(struct sessions *sessions);

#endif
