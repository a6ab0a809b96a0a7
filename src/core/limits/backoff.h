/*-------------------------------------------------------------------------
 *
 * backoff.h
 *	  How long to wait before something that has failed is tried again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_BACKOFF_H
#define PG_ENRICH_BACKOFF_H

#include <stdint.h>

/* base_us * 2^times, and no more than most_us; without chance, which is the caller's to add. */
extern int64_t backoff_us(int64_t base_us, int64_t most_us, int times);

#endif							/* PG_ENRICH_BACKOFF_H */
