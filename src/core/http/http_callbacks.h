/*-------------------------------------------------------------------------
 *
 * http_callbacks.h
 *	  One request: what libcurl calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_CALLBACKS_H
#define PG_ENRICH_HTTP_CALLBACKS_H

#include "http/http_handle.h"

/* What libcurl is to call ... */
extern void profile_set_callbacks(HttpProfile *profile, CURLcode *code);

/* ... and with what: of an easy handle that is a copy of the profile's. */
extern void handle_set_callbacks(HttpHandle *handle, CURLcode *code);

#endif							/* PG_ENRICH_HTTP_CALLBACKS_H */
