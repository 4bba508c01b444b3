#include "far.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lend/session.h"

/*
 * Between the two ends a thread passes bytes on in each direction, so that it
 * can be had to stop.
 */
struct pipe { int from, to; struct far *far; pthread_t thread; };

struct far {
	struct replica *inner;
	struct link *link;
	struct session *session;
	pthread_t thread;
	struct pipe pipes[2];
	pthread_mutex_t mutex;
	pthread_cond_t going;
	bool stopped;		/* mutex */
};

static void
pass(struct far *far)
{
	pthread_mutex_lock(&far->mutex);
	while (far->stopped)
		pthread_cond_wait(&far->going, &far->mutex);
	pthread_mutex_unlock(&far->mutex);
}

static bool
pass_on(int to, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		if ((n = send(to, data, len, MSG_NOSIGNAL)) <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static void *
pipe_run(void *arg)
{
	struct pipe *p = arg;
	char buffer[65536];
	ssize_t n;

	while ((n = read(p->from, buffer, sizeof(buffer))) > 0) {
		pass(p->far);
		if (!pass_on(p->to, buffer, (size_t)n))
			break;
	}
	shutdown(p->from, SHUT_RD);
	shutdown(p->to, SHUT_WR);
	return NULL;
}

static void *
far_run(void *arg)
{
	struct far *far = arg;

	(void)session_run(far->session);
	session_free(far->session);
	link_free(far->link);
	return NULL;
}

static int
start(struct far *far, int near_end, int far_end)
{
	unsigned i;

	far->pipes[0] = (struct pipe){ .from = near_end, .to = far_end, .far = far };
	far->pipes[1] = (struct pipe){ .from = far_end, .to = near_end, .far = far };
	for (i = 0; i < 2; i++) {
		if (pthread_create(&far->pipes[i].thread, NULL, pipe_run, &far->pipes[i]) != 0)
			return -EAGAIN;
	}
	if (pthread_create(&far->thread, NULL, far_run, far) != 0)
		return -EAGAIN;
	return 0;
}

/* A test that has no threads or sockets left is lost: what was made so far is not given back. */
int
far_put(struct replica *inner, const struct peer_options *options, struct replica **peer, struct far **out)
{
	static const struct session_options session_options = { .peer = "a test" };
	int near[2], away[2], rc;
	struct link *link;
	struct far *far;

	if ((far = calloc(1, sizeof(*far))) == NULL)
		return -ENOMEM;
	far->inner = inner;
	pthread_mutex_init(&far->mutex, NULL);
	pthread_cond_init(&far->going, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, near) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, away) != 0)
		return -errno;
	if ((rc = link_from_pipes(away[1], away[1], 0, true, &far->link)) != 0 ||
	    (rc = session_new(far->link, inner, &session_options, &far->session)) != 0 ||
	    (rc = start(far, near[1], away[0])) != 0 ||
	    (rc = link_from_pipes(near[0], near[0], 0, false, &link)) != 0)
		return rc;
	*out = far;
	return peer_replica_new(link, inner->path, false, options, peer);
}

void
far_cut(struct far *far)
{
	shutdown(far->pipes[0].from, SHUT_RDWR);
	shutdown(far->pipes[0].to, SHUT_RDWR);
}

void
far_stop(struct far *far, bool stop)
{
	pthread_mutex_lock(&far->mutex);
	far->stopped = stop;
	pthread_cond_broadcast(&far->going);
	pthread_mutex_unlock(&far->mutex);
}

void
far_done(struct far *far)
{
	unsigned i;

	pthread_join(far->thread, NULL);
	for (i = 0; i < 2; i++)
		pthread_join(far->pipes[i].thread, NULL);
	close(far->pipes[0].from);
	close(far->pipes[0].to);
	far->inner->ops->free(far->inner);
	pthread_mutex_destroy(&far->mutex);
	pthread_cond_destroy(&far->going);
	free(far);
}
