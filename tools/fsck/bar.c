#include "bar.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/clock.h"

#define WIDTH 30
#define MIB (1024.0 * 1024.0)

struct bar { FILE *out; pthread_mutex_t mutex; uint64_t start_ms; bool shown; };

struct bar *
bar_new(FILE *out)
{
	struct bar *bar = calloc(1, sizeof(*bar));

	if (bar == NULL)
		return NULL;
	bar->out = out;
	bar->start_ms = clock_monotonic_ms();
	pthread_mutex_init(&bar->mutex, NULL);
	return bar;
}

void
bar_free(struct bar *bar)
{
	if (bar == NULL)
		return;
	bar_clear(bar);
	pthread_mutex_destroy(&bar->mutex);
	free(bar);
}

static void
print_rest(struct bar *bar, uint64_t done, uint64_t total, double rate)
{
	char text[WIDTH + 1];
	unsigned filled = (unsigned)((double)done / (double)total * WIDTH);
	uint64_t left = rate > 0 ? (uint64_t)((double)(total - done) / rate) : 0;

	for (unsigned i = 0; i < WIDTH; i++)
		text[i] = i < filled ? '=' : ' ';
	text[WIDTH] = '\0';
	fprintf(bar->out, "\r[%s] %3.0f%%  %.0f MiB/s  %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left ", text,
	    100.0 * (double)done / (double)total, rate / MIB, left / 3600, left / 60 % 60, left % 60);
}

void
bar_show(struct bar *bar, uint64_t done, uint64_t total)
{
	uint64_t ms;
	double rate;

	if (bar == NULL)
		return;
	pthread_mutex_lock(&bar->mutex);
	ms = clock_monotonic_ms() - bar->start_ms;
	rate = ms > 0 ? (double)done * 1000.0 / (double)ms : 0;
	if (total > 0)
		print_rest(bar, done, total, rate);
	else
		fprintf(bar->out, "\r%.0f MiB verified  %.0f MiB/s  (counting) ", (double)done / MIB, rate / MIB);
	fputs("\033[K", bar->out);
	fflush(bar->out);
	bar->shown = true;
	pthread_mutex_unlock(&bar->mutex);
}

void
bar_clear(struct bar *bar)
{
	if (bar == NULL)
		return;
	pthread_mutex_lock(&bar->mutex);
	if (bar->shown) {
		fputs("\r\033[K", bar->out);
		fflush(bar->out);
		bar->shown = false;
	}
	pthread_mutex_unlock(&bar->mutex);
}
