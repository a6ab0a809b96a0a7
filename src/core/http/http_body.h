/*-------------------------------------------------------------------------
 *
 * http_body.h
 *	  The body of an answer: collecting it, and what it may take in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_BODY_H
#define PG_ENRICH_HTTP_BODY_H

#include "http/http_handle.h"

/* libcurl's CURLOPT_WRITEFUNCTION, with the handle as its state. */
extern size_t body_collect(char *bytes, size_t size, size_t count, void *state);

/*
 * A handle that starves may have what it wants, if there is room by now or it is the leader.
 * Returns whether it may.
 */
extern bool body_grant(HttpHandle *handle);

/*
 * Of one that has failed: was it by us?  It was paused for so long that its peer has tired of
 * it, or others had the memory that it needs.
 */
extern bool body_failed_by_us(const HttpHandle *handle);

extern void body_resumed(HttpHandle *handle);	/* its transfer is about to go
												 * on */
extern void body_end(HttpHandle *handle);	/* it is whole: nothing more is to
											 * come */
extern void body_drop(HttpHandle *handle);	/* it is not needed */
extern void body_taken(HttpHandle *handle); /* it is somebody else's now */
extern void body_returned(HttpHandle *handle);	/* it was, and is the handle's
												 * again */

#endif							/* PG_ENRICH_HTTP_BODY_H */
