#include "link/wire.h"

/* The kernel's header: libc's has an older struct tcp_info, and the two cannot be in one file. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PS_PER_S 1000000000000ULL

void
wire_average(uint64_t *cost, size_t len, uint64_t took_ns)
{
	if (len >= WIRE_SAMPLE_MIN)
		*cost = (*cost * 7 + took_ns * 1000 / len) / 8;
}

uint64_t
wire_delivery_cost(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_delivery_rate == 0)
		return 0;
	return PS_PER_S / info.tcpi_delivery_rate;
}
