/*-------------------------------------------------------------------------
 *
 * recent.h
 *	  The last requests as they came, for tests that look at them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_RECENT_H
#define MOCK_RECENT_H

#include <jansson.h>

#include "request.h"

extern void recent_add(const Request *request);
extern void recent_clear(void);

/* The last n of them, at most as many as are kept, the oldest first. */
extern json_t *recent_describe(size_t n);

/* Headers as an object: lower-case names, repeated ones joined by a comma. */
extern json_t *recent_headers(const Request *request);

/* A JSON string of the bytes, with U+FFFD for those that are no UTF-8. */
extern json_t *recent_text(const char *text, size_t length);

#endif							/* MOCK_RECENT_H */
