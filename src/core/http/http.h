/*-------------------------------------------------------------------------
 *
 * http.h
 *	  Many HTTP requests at once on one event loop.  Shows no libcurl type.
 *
 * http_create → http_start … → wait for http_descriptor to be readable or
 * http_timeout to pass → http_pump → http_next_finished … → http_destroy.
 * Nothing here raises a PostgreSQL error or allocates with palloc: failures are
 * results.  Not for use inside a transaction that waits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_H
#define PG_ENRICH_HTTP_H

#include "base/buffer.h"

typedef struct Http Http;

/*
 * How to reach a server.  The version is settled by the TLS handshake, where none is
 * given: HTTP/2 if the server offers it.  But a connection carries one request at a time,
 * unless HTTP/2 was asked for by name.  Strings must outlive the requests started with
 * them.
 */
typedef struct HttpSettings
{
	int			timeout_ms;		/* for a whole request; 0: none */
	int			connect_timeout_ms;
	int64_t		max_response_size;	/* bytes, after decompression */
	const char *http_version;	/* "1.0", "1.1", "2", "2-prior-knowledge" or
								 * NULL: see below */
	const char *proxy;			/* or NULL: none (the environment's is not
								 * used) */
	const char *ca_file;		/* or NULL: the system's */
	bool		verify_tls;
	bool		follow_redirects;
} HttpSettings;

/* One request.  All is copied by http_start but body and settings. */
typedef struct HttpRequest
{
	const char *method;			/* "GET" (no body), "POST", "PUT", "PATCH", … */
	const char *url;
	const char *const *headers; /* "Name: value" lines */
	int			header_count;
	const char *userpwd;		/* "user:password" for basic auth, or NULL */
	const char *body;			/* must outlive the request; NULL: none */
	size_t		body_length;
	unsigned	profile;		/* requests with the same one, unless 0, have
								 * all but url, body and tag in common,
								 * settings and whether there is a body
								 * included: that saves work */
	void	   *tag;			/* handed back with the result */
} HttpRequest;

typedef enum HttpFault
{
	HTTP_ANSWERED,				/* a whole answer came, of any status */
	HTTP_TRANSIENT,				/* not connected, reset, timeout, cut off,
								 * look-up that may pass */
	HTTP_REFUSED,				/* cannot work as set up: host, TLS, URL,
								 * redirect refused */
	HTTP_TOO_LARGE,				/* more than max_response_size: cut off while
								 * receiving */
	HTTP_NOT_SENT,				/* http_recall took it back, or there was no
								 * descriptor for it */
	HTTP_INTERNAL				/* out of memory, or libcurl could not be used */
} HttpFault;

/* Of HTTP_REFUSED: what is to be mended. */
typedef enum HttpRefusal
{
	HTTP_REFUSED_REQUEST,		/* URL, method or headers cannot be sent as
								 * they are */
	HTTP_REFUSED_HOST,			/* there is no such host */
	HTTP_REFUSED_PROXY,			/* no such proxy, or it said no */
	HTTP_REFUSED_PROTOCOL,
	HTTP_REFUSED_TLS,
	HTTP_REFUSED_REDIRECT
} HttpRefusal;

typedef struct HttpResult
{
	void	   *tag;
	HttpFault	fault;
	HttpRefusal refusal;		/* of HTTP_REFUSED */
	bool		may_pass;		/* of HTTP_REFUSED: may be of this one
								 * connection only */
	bool		sent;			/* to the server, or begun to be */
	bool		reached;		/* the server may have worked on it, and
								 * failed by it; where it surely has not, or
								 * only its connection was lost: false */
	int			resent;			/* times that it was sent again, without
								 * anybody being told; of HTTP_NOT_SENT: times
								 * that it was sent, in vain */
	int			status;			/* HTTP status, 0 when none came */
	int			proxy_status;	/* of a proxy that would not let it through;
								 * 0: none was */
	bool		noted;			/* http_note_answered has counted it */
	bool		starved;		/* of HTTP_NOT_SENT: there was no descriptor */
	char		error[256];		/* unless HTTP_ANSWERED: for a person, without
								 * the URL's query */
	ByteBuffer	body;			/* the taker frees it */
	int64_t		retry_after_ms; /* what headers of a 429 or 5xx ask for, a
								 * proxy's too; or -1 */
	int64_t		elapsed_us;		/* from start to end */
	int64_t		bytes_in;		/* on the wire, headers included */
	int64_t		bytes_out;
} HttpResult;

/*
 * Why the libcurl that is loaded cannot be used, and which one can; NULL: it can.  Asks for
 * nothing but its version.
 */
extern const char *http_library_fault(void);

/*
 * Connections kept and used at most: derived by the caller from the process's
 * descriptor limit, less a reserve of 130 (looking up a host takes two for a
 * moment, at most some 32 at once; and as many requests may be on their way to a
 * connection that are not counted as such yet).  One that is being made is reckoned
 * with two descriptors, as two addresses of its host may be tried.  clock gives
 * monotonic microseconds.  NULL when libcurl or epoll could not be set up; error
 * then says why.
 */
extern Http *http_create(int max_connections, int64_t (*clock) (void),
						 char *error, size_t error_size);
extern void http_destroy(Http *http);	/* aborts what is in flight, at once */

/*
 * How many more requests would go on their way at once if they were started now: by the
 * connections that there may be, the look-ups that may run at a time and, where requests
 * share connections, by the streams that those have room for.
 */
extern int	http_room(const Http *http);

/*
 * False only when memory ran out.  A request that cannot be sent as it is (a
 * line break in a header, say) is a result like any other.
 *
 * Those that are more than http_room wait their turn here: elapsed_us counts that, the
 * timeouts do not.
 *
 * With follow_redirects, up to five redirects are followed within the same
 * scheme, host and port; one to elsewhere is HTTP_REFUSED.
 */
extern bool http_start(Http *http, const HttpSettings *settings, const HttpRequest *request);

/* How many were started and nothing of them was sent yet: they wait, or for a connection. */
extern int	http_unsent(const Http *http);

/*
 * Takes back up to so many of those, the last ones first: their results are HTTP_NOT_SENT.
 * Only where a look-up is under way that comes later, and what a redirect asks for is not
 * taken back.
 */
extern void http_recall(Http *http, int most);

/*
 * Sends what was started, as far as that goes without waiting.  http_pump does
 * that too: this is for callers that have something to do before.
 */
extern void http_flush(Http *http);

/* Readable when there is something to pump. */
extern int	http_descriptor(const Http *http);

/*
 * Milliseconds until http_pump is due without an event; -1: none.  Ask right
 * before waiting and pump right after: from here to the next http_pump, but no
 * longer than the time returned, timeouts run; the rest of the time between two
 * pumps the caller was away.
 */
extern int64_t http_timeout(Http *http);

/*
 * Moves every transfer on as far as it goes without waiting: first all events
 * of sockets and libcurl's own timer, only then are deadlines judged, and time
 * that the caller spent elsewhere between two pumps counts for no deadline.
 * Where none has passed, it ends as soon as a request has.
 */
extern void http_pump(Http *http);

/* The next finished request; false: none.  The caller frees result->body. */
extern bool http_next_finished(Http *http, HttpResult *result);
extern bool http_has_finished(const Http *http);

/* How long the next finished one's body is, in bytes; 0: there is none. */
extern size_t http_next_length(const Http *http);

/*
 * Is some answer arriving: a part of one has come that is to go on, or something is there to
 * be pumped for a request under way?  Then more results are likely soon.  What is finished,
 * or waits for room, counts no more.  Takes a system call where no part has come.
 */
extern bool http_is_receiving(const Http *http);

/* How many of those that are not taken yet have a status of 2xx, and were not counted before. */
extern int	http_note_answered(Http *http);

/* How many requests may be on their way at once, at most. */
extern int	http_capacity(const Http *http);

extern int	http_in_flight(const Http *http);	/* started, and not yet taken
												 * as finished */
extern int64_t http_received_bytes(const Http *http);	/* of answers that are
														 * not taken yet */

/*
 * What answers may take in memory as long as they are not taken, in bytes; without a call
 * there is no bound.  Where the next ones would exceed it they are left to their peers,
 * and their timeouts do not run meanwhile.  One that is larger than that is received all
 * the same, once nothing else is there that will make room: neither finished results nor,
 * if more_to_come, anything of the caller's.  Call it after each change of either; it
 * costs nothing where there is room.
 */
extern void http_set_room(Http *http, int64_t bytes, bool more_to_come);

/* Are there answers that wait for room? */
extern bool http_holds_back(const Http *http);

/* How often the system has refused memory for answers so far.  They wait, if that helps. */
extern int64_t http_memory_refused(const Http *http);

/*
 * Takes a result back that could not be dealt with: the next one to be taken.  Right after
 * it was, and before anything is started.
 */
extern void http_put_back(Http *http, HttpResult *result);

#endif							/* PG_ENRICH_HTTP_H */
