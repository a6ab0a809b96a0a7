/*-------------------------------------------------------------------------
 *
 * http_setup.h
 *	  One request: setting up its easy handle.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_SETUP_H
#define PG_ENRICH_HTTP_SETUP_H

#include "http/http_handle.h"

/*
 * Sets a new or ended handle up for a request.  *last: the profile used last, or NULL;
 * it is replaced where the request has another one.  False when the request is
 * refused: the handle has then ended, with a result that says why.
 */
extern bool handle_prepare(HttpHandle *handle, HttpProfile **last, const HttpSettings *settings,
						   const HttpRequest *request);

/*
 * Sets an answered handle up again, for the URL that its redirect names.
 * False: it has ended.
 */
extern bool handle_repeat(HttpHandle *handle, const char *url, bool as_get);

/* Sets a handle up for the same once more, as handle->again says.  False: it has ended. */
extern bool handle_renew(HttpHandle *handle);

#endif							/* PG_ENRICH_HTTP_SETUP_H */
