#include "util/processors.h"

#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

static unsigned
ask(void)
{
	cpu_set_t set;
	long count;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	/* More of them than fit into a set. */
	count = sysconf(_SC_NPROCESSORS_ONLN);
	return count > 1 ? (unsigned)count : 1;
}

unsigned
processors_count(void)
{
	static atomic_uint known;
	unsigned count = atomic_load_explicit(&known, memory_order_relaxed);

	if (count == 0) {
		count = ask();
		atomic_store_explicit(&known, count, memory_order_relaxed);
	}
	return count;
}
