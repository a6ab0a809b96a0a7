/*-------------------------------------------------------------------------
 *
 * http_order.h
 *	  In which order the sockets that are ready are handled.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_ORDER_H
#define PG_ENRICH_HTTP_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "http/event.h"

/* So many large answers are received at a time: while one is read, the others come in. */
#define HTTP_ORDER_BEGUN 4

/*
 * All zero, but last: nothing is known yet.  A descriptor that is another one's by now
 * does no harm.
 */
typedef struct HttpOrder
{
	int			begun[HTTP_ORDER_BEGUN];	/* sockets with a part of a large
											 * answer read */
	int			begun_count;
	int64_t		since;			/* clock of when the first of them came in */
	int			last;			/* socket that was handled last; -1: none was */
} HttpOrder;

/*
 * Put events into the order they are to be handled in: those that want to write, those
 * with a large answer begun, the others in turn.  now: the clock, in microseconds.
 * sorted: room for as many.  Returns how many are of the first two kinds.
 *
 * Events are to come as event_ready gives them, those first that have waited longest:
 * where the socket handled last is not among them, so it is left.
 */
extern int	http_order_sort(HttpOrder *order, const Event *events, int count, int64_t now,
							Event *sorted);

/*
 * A socket was handled at that time; begun: a part of a large answer was read, and
 * more is to come.  Returns whether it is, and no other one is to be begun meanwhile.
 */
extern bool http_order_note(HttpOrder *order, int fd, bool begun, int64_t now);

#endif							/* PG_ENRICH_HTTP_ORDER_H */
