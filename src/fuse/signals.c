#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuse/signals.h"
#include "util/log.h"

struct signals {
	struct volume *volume;
	struct loop *loop;
	const char *mountpoint;
	pthread_t thread;
	atomic_bool stopped;
};

static void
do_nothing(int number)
{
	(void)number;
}

/* The signals we wait for, but those that nohup(1) or a shell had ignored. */
static void
waited_for(sigset_t *set)
{
	static const int numbers[] = { SIGINT, SIGHUP };
	struct sigaction action;
	size_t i;

	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGUSR1);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			(void)sigaddset(set, numbers[i]);
	}
}

void
signals_block(void)
{
	struct sigaction action;
	sigset_t set;

	memset(&action, 0, sizeof(action));
	action.sa_handler = do_nothing;
	(void)sigaction(SIGNALS_WAKE, &action, NULL);
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);

	waited_for(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/*
 * What programs wrote through shared mappings is in the kernel only, and goes
 * with the connection: have it written while requests are still served.
 */
static void
write_back(const char *mountpoint)
{
	int fd;

	if ((fd = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return;
	if (syncfs(fd) != 0)
		log_debug("%s: syncfs: %m", mountpoint);
	(void)close(fd);
}

static void *
wait_for_signals(void *arg)
{
	struct signals *signals = arg;
	sigset_t set;
	int number;

	waited_for(&set);
	for (;;) {
		if (sigwait(&set, &number) != 0)
			continue;
		if (atomic_load(&signals->stopped))
			break;
		if (number == SIGUSR1) {
			volume_log_status(signals->volume);
			continue;
		}
		log_info("%s: unmounting %s", strsignal(number), signals->mountpoint);
		write_back(signals->mountpoint);
		loop_end(signals->loop);
		break;
	}
	return NULL;
}

int
signals_start(struct volume *volume, struct loop *loop, const char *mountpoint, struct signals **out)
{
	struct signals *signals;
	int rc;

	if ((signals = calloc(1, sizeof(*signals))) == NULL)
		return -ENOMEM;
	signals->volume = volume;
	signals->loop = loop;
	signals->mountpoint = mountpoint;
	if ((rc = pthread_create(&signals->thread, NULL, wait_for_signals, signals)) != 0) {
		free(signals);
		return -rc;
	}
	*out = signals;
	return 0;
}

void
signals_stop(struct signals *signals)
{
	if (signals == NULL)
		return;
	atomic_store(&signals->stopped, true);
	(void)pthread_kill(signals->thread, SIGUSR1);
	(void)pthread_join(signals->thread, NULL);
	free(signals);
}
