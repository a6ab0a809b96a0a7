/*-------------------------------------------------------------------------
 *
 * server_watch.h
 *	  Hearing of foreign servers that are made, altered or dropped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_SERVER_WATCH_H
#define PG_ENRICH_SERVER_WATCH_H

/* From _PG_init, when preloaded: from then on a clerk looks after each such change. */
extern void server_watch_register(void);

#endif							/* PG_ENRICH_SERVER_WATCH_H */
