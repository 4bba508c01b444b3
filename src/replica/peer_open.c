/* The beginning and the end of a peer. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "link/connect.h"
#include "link/known.h"
#include "link/ssh.h"
#include "replica/peer_private.h"
#include "replica/url.h"

/* Before the server has said what it allows. */
static const struct proto_limits limits_first = { .handles = 2, .requests = 16, .bytes = 65536 };

void
peer_free(struct replica *r)
{
	struct peer *p;

	if (r == NULL)
		return;
	p = peer_self(r);
	atomic_store(&p->stop, true);
	/* Told that it is over, the server does not wait for us to come back. */
	if (atomic_load(&p->dead) == 0)
		(void)link_bye(p->link);
	peer_break(p, -ENOTCONN, ESHUTDOWN);
	if (p->receives)
		pthread_join(p->receiver, NULL);
	link_free(p->link);
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->mutex);
	free(p->free_handles);
	free(p->slots);
	free(p->base.path);
	free(p);
}

static void
options_complete(struct peer_options *o)
{
	size_t i;

	if (o->link_timeout_ms == 0)
		o->link_timeout_ms = PEER_LINK_TIMEOUT_MS;
	if (o->window_bytes == 0)
		o->window_bytes = PEER_WINDOW_BYTES;
	if (o->window_requests == 0)
		o->window_requests = PEER_WINDOW_REQUESTS;
	for (i = 0; i < PEER_INSTANCE_SIZE && o->instance[i] == 0; i++)
		;
	if (i == PEER_INSTANCE_SIZE && getrandom(o->instance, PEER_INSTANCE_SIZE, 0) != PEER_INSTANCE_SIZE)
		o->instance[0] = 1;
}

/* With all signals blocked: they are the main thread's matter. */
static int
start_receiver(struct peer *p)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&p->receiver, NULL, peer_receive, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	p->receives = rc == 0;
	return -rc;
}

static void
take_hello(struct peer_call *call, const struct proto_reply *reply)
{
	struct peer *p = call->peer;

	if (reply->version != PROTO_VERSION) {
		call->error = -EPROTONOSUPPORT;
		return;
	}
	if (!p->read_only && (reply->flags & PROTO_HELLO_READ_ONLY) != 0) {
		call->error = -EROFS;
		return;
	}
	pthread_mutex_lock(&p->mutex);
	p->limits = reply->limits;
	pthread_mutex_unlock(&p->mutex);
	p->uid = reply->uid;
	p->gid = reply->gid;
}

static int
say_hello(struct peer *p)
{
	struct peer_call call;

	peer_call_init(&call, p, PROTO_HELLO);
	call.request.version = PROTO_VERSION;
	call.request.flags = p->read_only ? PROTO_HELLO_READ_ONLY : 0;
	memcpy(call.request.instance, p->options.instance, PEER_INSTANCE_SIZE);
	call.take = take_hello;
	return (int)peer_call(&call, PEER_WAIT);
}

static struct peer *
peer_new(struct link *link, const char *path, bool read_only, const struct peer_options *options)
{
	struct peer *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	/* Pages of it that no request ever needs are never touched. */
	if ((p->slots = calloc(PEER_SLOTS, sizeof(*p->slots))) == NULL || (p->base.path = strdup(path)) == NULL) {
		free(p->slots);
		free(p);
		return NULL;
	}
	p->base.ops = &peer_ops;
	p->base.remote = p->base.far = true;
	p->link = link;
	p->read_only = read_only;
	p->options = *options;
	options_complete(&p->options);
	p->limits = limits_first;
	p->free_slot = p->late_first = p->late_last = PEER_SLOTS;
	p->next_handle = PROTO_ROOT + 1;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->room, NULL);
	return p;
}

int
peer_replica_new(struct link *link, const char *path, bool read_only, const struct peer_options *options,
    struct replica **out)
{
	struct peer *p;
	int rc;

	if ((p = peer_new(link, path, read_only, options)) == NULL) {
		link_free(link);
		return -ENOMEM;
	}
	link_set_send_timeout(link, (int)p->options.link_timeout_ms);
	if ((rc = start_receiver(p)) == 0)
		rc = say_hello(p);
	if (rc != 0) {
		peer_free(&p->base);
		return rc;
	}
	*out = &p->base;
	return 0;
}

/* ---- by its URL */

static int
connect_ssh(const char *name, const struct url *url, struct link **link, char *why, size_t why_size)
{
	const struct link_ssh_target target = { .name = name, .user = url->user[0] != '\0' ? url->user : NULL,
	    .host = url->host, .port = url->port_given ? url->port : 0, .directory = url->path };

	return link_open_ssh(&target, link, why, why_size);
}

static int
connect_mend(const struct url *url, bool read_only, const struct peer_options *options, struct link **link,
    char *why, size_t why_size)
{
	struct link_target target = { .request.read_only = read_only };
	struct link_answer answer;
	struct key_pair key;
	int rc;

	(void)snprintf(target.server.host, sizeof(target.server.host), "%s", url->host);
	target.server.port = (uint16_t)url->port;
	(void)memccpy(target.request.export, url->path, '\0', sizeof(target.request.export) - 1);
	memcpy(target.request.instance, options->instance, LINK_INSTANCE_SIZE);
	if ((rc = known_find(NULL, &target.server, target.server_key, why, why_size)) != 0)
		return rc;
	if ((rc = key_pair_read(NULL, &key, why, why_size)) != 0)
		return rc;
	target.key = &key;
	rc = link_connect_tcp(&target, link, &answer, why, why_size);
	key_pair_clear(&key);
	if (rc == 0 && answer.read_only && !read_only) {
		(void)snprintf(why, why_size, "this machine may only read there; mount with -o ro, or have mendd.conf of the server say otherwise");
		link_free(*link);
		rc = -EROFS;
	}
	return rc;
}

/* What HELLO was answered. */
static void
explain_hello(int rc, char *why, size_t why_size)
{
	const char *what = strerror(-rc);

	if (rc == -EROFS)
		what = "only reading is allowed there; mount with -o ro, or look at the server's configuration";
	else if (rc == -EPROTONOSUPPORT)
		what = "the server speaks another version of the protocol; use the same version of mendfs on both machines";
	else if (rc == -EWOULDBLOCK || rc == -EBUSY)
		what = "another mount has it; unmount that one";
	else if (rc == -ENOTCONN)
		what = "the server hung up; its log says why";
	(void)snprintf(why, why_size, "%s", what);
}

int
peer_open(const char *name, bool read_only, const struct peer_options *options, struct replica **out, char *why, size_t why_size)
{
	struct peer_options complete = *options;
	struct link *link = NULL;
	const char *wrong;
	struct url url;
	int rc;

	/* The link's request and HELLO are to say the same. */
	options_complete(&complete);
	if ((rc = url_parse(name, &url, &wrong)) != 0) {
		(void)snprintf(why, why_size, "%s", wrong);
		return rc;
	}
	rc = url.scheme == URL_SSH ? connect_ssh(name, &url, &link, why, why_size) :
	    connect_mend(&url, read_only, &complete, &link, why, why_size);
	if (rc != 0)
		return rc;
	if ((rc = peer_replica_new(link, name, read_only, &complete, out)) != 0)
		explain_hello(rc, why, why_size);
	return rc;
}
