/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  Counters, and which requests were seen and answered before.
 *
 * Requests to the control endpoints are not counted.  All functions may be
 * called from any thread.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_STATS_H
#define MOCK_STATS_H

#include <jansson.h>

#include "request.h"

typedef enum StatsCounter
{
	STATS_RESETS,
	STATS_CUTS,
	STATS_HANGS,
	STATS_COUNTERS				/* how many there are */
} StatsCounter;

extern void stats_connection(bool opened);
extern void stats_begin(Request *request);	/* its headers are there: in flight */

/* It is complete: counts it and fills its epoch, attempt and sequence. */
extern void stats_receive(Request *request);
extern void stats_receive_inputs(Request *request);
extern void stats_count(StatsCounter counter);

/* It ended.  complete: the whole of an answer was sent. */
extern void stats_end(Request *request, bool complete);

/* Attempts and sequence numbers begin again. */
extern void stats_new_script(void);

/* All but the gauges begin again; a request from before is not counted any more. */
extern void stats_reset(void);
extern json_t *stats_describe(void);

#endif							/* MOCK_STATS_H */
