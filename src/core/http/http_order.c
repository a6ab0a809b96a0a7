/*-------------------------------------------------------------------------
 *
 * http_order.c
 *	  In which order the sockets that are ready are handled.
 *
 * Where many large answers come in at once and all sockets are read in turn, all
 * of them end at about the same time: the first request that could take the place
 * of one waits until all are there.  So a few are received at a time, and the others
 * are left to the kernel; the first is whole soon, is read while it is in the
 * processor's caches, and the next ones come in meanwhile.
 *
 * What wants to write, be it a request or a connection that is being made, waits for
 * none of them.  Small answers may, but not for long: answers that take their time
 * to come in are begun no more after a while, and those sockets come first that were
 * not handled lately.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_order.h"

/* Some answers of megabytes take so long to be received. */
#define BEGUN_US 20000

static bool
is_begun(const HttpOrder *order, int fd)
{
	for (int i = 0; i < order->begun_count; i++)
		if (order->begun[i] == fd)
			return true;
	return false;
}

int
http_order_sort(HttpOrder *order, const Event *events, int count, int64_t now, Event *sorted)
{
	int			behind_last = 0;
	int			sorted_count = 0;
	int			first_kinds;

	if (now - order->since > BEGUN_US)
		order->begun_count = 0;
	for (int i = 0; i < count; i++)
	{
		if (events[i].writable)
			sorted[sorted_count++] = events[i];
		if (events[i].fd == order->last)
			behind_last = i + 1;
	}
	for (int i = 0; i < count; i++)
	{
		if (!events[i].writable && is_begun(order, events[i].fd))
			sorted[sorted_count++] = events[i];
	}
	first_kinds = sorted_count;
	for (int i = 0; i < count; i++)
	{
		const Event *event = &events[(behind_last + i) % count];

		if (!event->writable && !is_begun(order, event->fd))
			sorted[sorted_count++] = *event;
	}
	return first_kinds;
}

bool
http_order_note(HttpOrder *order, int fd, bool begun, int64_t now)
{
	int			i = 0;

	order->last = fd;
	while (i < order->begun_count && order->begun[i] != fd)
		i++;
	if (!begun)
	{
		if (i < order->begun_count)
			order->begun[i] = order->begun[--order->begun_count];
		return false;
	}
	if (order->begun_count == 0)
		order->since = now;
	if (i == order->begun_count && i < HTTP_ORDER_BEGUN)
		order->begun[order->begun_count++] = fd;
	return order->begun_count == HTTP_ORDER_BEGUN;
}
