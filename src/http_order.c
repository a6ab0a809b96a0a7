/*-------------------------------------------------------------------------
 *
 * http_order.c
 *	  Which of the sockets that are ready are read first.
 *
 * Where many large answers come in at once and all sockets are read in turn, all
 * of them end at about the same time: the first request that could take the place
 * of one waits until all are there.  So a few are received at a time, and the others
 * are left to the kernel; the first is whole soon, is read while it is in the
 * processor's caches, and the next ones come in meanwhile.
 *
 * Answers that take long to come in must not keep out the others: after a while
 * all sockets are equal again, and those come first that were not read lately.
 *
 *-------------------------------------------------------------------------
 */
#include "http_order.h"

/* Some answers of megabytes take so long to be received. */
#define OPEN_US 20000

static bool
is_open(const HttpOrder *order, int fd)
{
	for (int i = 0; i < order->open_count; i++)
		if (order->open[i] == fd)
			return true;
	return false;
}

int
http_order_sort(HttpOrder *order, const Event *events, int count, int64_t now, Event *sorted)
{
	int			first = 0;
	int			sorted_count = 0;
	int			open;

	if (now - order->since > OPEN_US)
		order->open_count = 0;
	for (int i = 0; i < count; i++)
	{
		if (is_open(order, events[i].fd))
			sorted[sorted_count++] = events[i];
		if (events[i].fd == order->last)
			first = i + 1;
	}
	open = sorted_count;
	for (int i = 0; i < count; i++)
	{
		const Event *event = &events[(first + i) % count];

		if (!is_open(order, event->fd))
			sorted[sorted_count++] = *event;
	}
	return open;
}

bool
http_order_note(HttpOrder *order, int fd, bool open, int64_t now)
{
	int			i = 0;

	order->last = fd;
	while (i < order->open_count && order->open[i] != fd)
		i++;
	if (!open)
	{
		if (i < order->open_count)
			order->open[i] = order->open[--order->open_count];
		return false;
	}
	if (order->open_count == 0)
		order->since = now;
	if (i == order->open_count && i < HTTP_ORDER_OPEN)
		order->open[order->open_count++] = fd;
	return order->open_count == HTTP_ORDER_OPEN;
}
