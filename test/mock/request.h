/*-------------------------------------------------------------------------
 *
 * request.h
 *	  One request, from its first line to the end of its answer.
 *
 * Made by the connection's thread when the request line is there and freed by
 * it when the answer has ended; while it is suspended, waiting.c holds it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_REQUEST_H
#define MOCK_REQUEST_H

#include <microhttpd.h>

#include "inputs.h"
#include "script.h"
#include "text.h"

struct Endpoint;

typedef enum RequestState
{
	REQUEST_NEW,				/* only its first line is known → RECEIVING */
	REQUEST_RECEIVING,			/* → WAITING, ANSWERING, CLOSED */
	REQUEST_WAITING,			/* suspended → ANSWERING, CLOSED */
	REQUEST_ANSWERING,			/* its answer is queued */
	REQUEST_CLOSED				/* no answer: the connection is to be closed */
} RequestState;

/* What ended a wait. */
typedef enum Wake
{
	WAKE_TIME,
	WAKE_RELEASED,
	WAKE_GONE,					/* the client closed the connection */
	WAKE_SHUTDOWN
} Wake;

typedef struct Request
{
	struct MHD_Connection *connection;
	RequestState state;
	const struct Endpoint *endpoint;	/* NULL: unknown path */
	const char *method;			/* this and path are libmicrohttpd's, for the request's life */
	const char *path;			/* decoded, without the query */
	const char *version;
	Buffer		body;
	Inputs		inputs;
	const char *problem;		/* why it is answered 400, or NULL */
	Buffer		fault;			/* the same, where it is no static text */

	/* set once, when the request is complete */
	uint64_t	key;			/* hash of method, target and body */
	int64_t		attempt;		/* which request with that key, from 1, since the script was set */
	uint64_t	sequence;		/* which request at all, from 1, since the script was set */
	unsigned	epoch;			/* of the counters: see stats.h */
	const Script *script;
	bool		fails;			/* by script, with status */
	int			status;
	Transport	transport;

	/* waiting.c's while suspended */
	int64_t		deadline;		/* monotonic ns, or WAIT_FOREVER */
	size_t		heap_position;	/* in the heap, if it has a deadline; else in the list: */
	uint64_t	ticket;
	struct Request *next_hanging;
	struct Request *previous_hanging;
	int			socket;
	Wake		wake;

	/* the answer */
	int			answered_status;	/* 0: none was queued */
	uint64_t	answered_bytes;
	char		target[];		/* as on the wire: path and query, undecoded */
} Request;

extern Request *request_create(const char *target, struct MHD_Connection *connection);
extern void request_free(Request *request);

/* More of its body. */
extern void request_receive(Request *request, const char *bytes, size_t length);

/* Its body is complete: decides its fate, and answers unless it has to wait. */
extern enum MHD_Result request_complete(Request *request);

/* Its wait is over. */
extern enum MHD_Result request_resume(Request *request);

/* The value of a header, or NULL. */
extern const char *request_header(const Request *request, const char *name);

#endif							/* MOCK_REQUEST_H */
