/*-------------------------------------------------------------------------
 *
 * http_failure.h
 *	  One request: ending it as failed, with a reason for a person.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_FAILURE_H
#define PG_ENRICH_HTTP_FAILURE_H

#include "http/http_handle.h"

/* Ends it with that fault. */
extern void handle_fail(HttpHandle *handle, HttpFault fault, const char *error);

/* The same: "what (host:port): detail"; an empty detail is left out. */
extern void handle_fail_at_host(HttpHandle *handle, HttpFault fault, const char *what,
								const char *detail);

/* The same: it cannot work so. */
extern void handle_refuse(HttpHandle *handle, HttpRefusal refusal, const char *what,
						  const char *detail);

/* The same: with the fault, and for the reason, that libcurl's code stands for. */
extern void handle_fail_by_code(HttpHandle *handle, CURLcode code);

/* In http_lookup.c: is there no such host (or proxy, by the code), for all that can be known? */
extern bool handle_host_is_unknown(const HttpHandle *handle, CURLcode code);

#endif							/* PG_ENRICH_HTTP_FAILURE_H */
