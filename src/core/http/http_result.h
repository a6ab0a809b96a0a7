/*-------------------------------------------------------------------------
 *
 * http_result.h
 *	  How a request ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_RESULT_H
#define PG_ENRICH_HTTP_RESULT_H

#include "http/http_handle.h"

/*
 * libcurl is done with it and has let go of it.  True when it is to be given to
 * libcurl again; false: it has ended.
 */
extern bool handle_finish(HttpHandle *handle, CURLcode code);

/* Ends it as one that was not sent. */
extern void handle_take_back(HttpHandle *handle);

/* Ends it: the time is up, in whatever phase it is. */
extern void handle_expire(HttpHandle *handle);

/* In http_redirect.c: sets up the request that a redirect asks for.  False: it has ended. */
extern bool handle_follow_redirect(HttpHandle *handle, const char *target);

#endif							/* PG_ENRICH_HTTP_RESULT_H */
