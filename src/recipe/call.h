/*-------------------------------------------------------------------------
 *
 * call.h
 *	  From an endpoint and rows to an HTTP call on its way, and what its end means: workers and
 *	  preview alike.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_CALL_H
#define PG_ENRICH_CALL_H

#include "postgres.h"

#include "http/http.h"
#include "http/verdict.h"
#include "recipe/endpoint.h"

/*
 * Raises feature_not_supported where the libcurl that is loaded is one of those that cannot
 * be trusted with connections.
 */
extern void call_check_library(void);

/*
 * An Http of up to so many connections.  Raises what call_check_library does, and
 * external_routine_exception.
 */
extern Http *call_open(int max_connections);

/*
 * Fill the templates: the url, and the body where one is sent.  Both come empty
 * and hold no secret.  False: *why says why not (static, or "" for want of memory).
 */
extern bool call_build(const Endpoint *endpoint, const RequestScope *scope,
					   ByteBuffer *url, ByteBuffer *body, const char **why);

/*
 * Send it, with what the credentials add to headers and query.  Endpoint and body must
 * outlive the call; tag comes back with the result.  False: out of memory.
 */
extern bool call_start(Http *http, const Endpoint *endpoint, const ByteBuffer *url,
					   const ByteBuffer *body, void *tag);

/* What it means that a request for so many rows has ended so; others_pass: see VerdictCase. */
extern Verdict call_verdict(const Endpoint *endpoint, const HttpResult *result, int row_count,
							bool others_pass);

/* Why it was no success, for a person: UTF-8, without secrets, in the current context. */
extern char *call_describe_failure(const HttpResult *result, const Credentials *credentials);

#endif							/* PG_ENRICH_CALL_H */
