/*-------------------------------------------------------------------------
 *
 * http_order.h
 *	  Which of the sockets that are ready are read first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_ORDER_H
#define PG_ENRICH_HTTP_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "event.h"

/* So many large answers are received at a time: while one is read, the others come in. */
#define HTTP_ORDER_OPEN 4

/* All zero: nothing is known yet.  A descriptor that is another one's by now does no harm. */
typedef struct HttpOrder
{
	int			open[HTTP_ORDER_OPEN];	/* sockets with a part of a large answer read */
	int			open_count;
	int64_t		since;			/* clock of when the first of them came in */
	int			last;			/* socket that was handled last */
} HttpOrder;

/*
 * Put events into the order they are to be handled in: those of open sockets, then
 * the others, in turn.  now: the clock, in microseconds.  sorted: room for as many.
 * Returns how many are of open sockets.
 */
extern int	http_order_sort(HttpOrder *order, const Event *events, int count, int64_t now,
							Event *sorted);

/*
 * A socket was handled at that time; open: a part of a large answer was read, and
 * more is to come.  Returns whether it is, and no others are to be begun meanwhile.
 */
extern bool http_order_note(HttpOrder *order, int fd, bool open, int64_t now);

#endif							/* PG_ENRICH_HTTP_ORDER_H */
