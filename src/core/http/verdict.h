/*-------------------------------------------------------------------------
 *
 * verdict.h
 *	  What a request that has ended means for its rows and its job.
 *
 * Pure: builds and tests without a server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_VERDICT_H
#define PG_ENRICH_VERDICT_H

#include "http/http.h"

typedef enum VerdictKind
{
	VERDICT_ANSWERED,			/* read the answer */
	VERDICT_NOTHING,			/* the API has no result for the row that the
								 * URL names */
	VERDICT_THROTTLED,			/* the server wants fewer requests: later, at
								 * no attempt's cost */
	VERDICT_TRANSIENT,			/* may pass: an attempt is charged */
	VERDICT_BAD_ROWS,			/* something in the request's rows: part them */
	VERDICT_CONFIGURATION		/* no request will do better until a person
								 * mends something */
} VerdictKind;

/* How a request ended, as far as it matters. */
typedef struct VerdictCase
{
	HttpFault	fault;
	HttpRefusal refusal;		/* of HTTP_REFUSED */
	bool		others_pass;	/* of HTTP_REFUSED, by TLS or a proxy: other
								 * requests get through */
	int			proxy_status;	/* of a proxy that would not let it through;
								 * 0: none was */
	int			status;			/* of HTTP_ANSWERED */
	bool		asks_to_wait;	/* Retry-After, or a header that says when a
								 * limit is reset */
	const char *body;			/* of an error answer; may be NULL where the
								 * length is 0 */
	size_t		body_length;
	bool		names_row;		/* a placeholder in the URL stands for the
								 * request's only row */
	bool		is_not_found;	/* the server's not_found lists the status */
} VerdictCase;

typedef struct Verdict
{
	VerdictKind kind;
	const char *hint;			/* VERDICT_CONFIGURATION: what to do, for a
								 * person; else NULL */
} Verdict;

extern Verdict verdict_of(const VerdictCase *ended);

/* A text without what must not be shown; valid until the next call, at least. */
typedef const char *(*TextFilter) (const char *text, const void *secrets);

/* Room for a failure's description, its end included. */
#define HTTP_FAILURE_SIZE 512

/*
 * Why a request was no success, for a person, in UTF-8: how it failed, or the status and what
 * the answer says of it.  APIs quote what they were sent: hide takes the secrets out of that
 * before it is cut to its length, so that none stays in part.
 */
extern void describe_http_failure(const HttpResult *result, TextFilter hide, const void *secrets,
								  char out[HTTP_FAILURE_SIZE]);

#endif							/* PG_ENRICH_VERDICT_H */
