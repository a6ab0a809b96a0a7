/*-------------------------------------------------------------------------
 *
 * http_handle.h
 *	  One request inside http.c: its libcurl easy handle, its phase, its result.
 *
 * Only http_list.h (http.c's lists), http_handle.c (collecting), http_setup.c
 * (setting up) and http_verdict.c (how it ended) include this.  http.c owns the
 * handles, keeps each in exactly one of its lists, and decides when one is given
 * to libcurl and when it is too late.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_HANDLE_H
#define PG_ENRICH_HTTP_HANDLE_H

#include <curl/curl.h>

#include "http.h"
#include "rate_headers.h"

/*
 * The most header bytes of one answer.  Below what libcurl itself gives up at
 * in some versions, with an unclear error.
 */
#define HANDLE_MAX_HEADER_BYTES (256 * 1024)

/*
 * How far a request has come.  It only moves down this list, phases may be
 * skipped; a redirect that is followed goes from RECEIVING to WAITING.
 */
typedef enum HandlePhase
{
	HANDLE_WAITING,				/* not given to libcurl yet */
	HANDLE_SUBMITTED,			/* given to libcurl */
	HANDLE_LOOKUP,				/* a resolver thread asks for the host's address */
	HANDLE_CONNECTING,			/* a socket of its own is opened */
	HANDLE_CONNECTED,			/* new or kept connection is ready: the request goes out */
	HANDLE_RECEIVING,			/* some of the answer is here */
	HANDLE_ENDED				/* the result is filled in */
} HandlePhase;

/* What the handles of one Http add up to.  They keep it, Http reads it. */
typedef struct HttpLoad
{
	int64_t		received_bytes; /* of bodies, in handles that have not ended */
	int			lookups;		/* handles in HANDLE_LOOKUP */
	int			connecting;		/* in HANDLE_CONNECTING */
	int64_t		longest;		/* body that came so far, in bytes */
} HttpLoad;

typedef struct HttpHandle
{
	struct HttpHandle *previous;	/* http.c's lists */
	struct HttpHandle *next;
	HttpLoad   *load;

	CURL	   *easy;			/* reused from request to request */
	struct curl_slist *headers; /* must outlive the transfer */
	char		curl_error[CURL_ERROR_SIZE];

	HandlePhase phase;
	unsigned	profile;		/* of the requests that the easy handle is set up for; 0: none */
	bool		sends_body;
	HttpSettings settings;
	HttpResult	result;			/* body collects here while it arrives */
	bool		is_get_or_head;
	int			redirects;
	int64_t		header_bytes;
	bool		is_error;		/* the status line said 4xx or 5xx */
	RateHeaders rate_headers;	/* then collected */
	HttpFault	broke_off;		/* why a callback ended the transfer; HTTP_ANSWERED: none did */

	bool		seen;			/* http.c's: by http_note_answered */

	/* http.c's: microseconds */
	int64_t		started_at;
	int64_t		deadline;
	int64_t		connect_deadline;	/* counts up to HANDLE_CONNECTED */
} HttpHandle;

/* Sets an option; the first failure stays. */
#define HANDLE_SET(handle, code, option, value) \
	do { \
		if (*(code) == CURLE_OK) \
			*(code) = curl_easy_setopt((handle)->easy, option, value); \
	} while (0)

/* NULL when memory ran out. */
extern HttpHandle *handle_create(HttpLoad *load);

/* Frees all of it, an untaken result's body too.  Not while libcurl has it. */
extern void handle_free(HttpHandle *handle);

/* Moves to a later phase, and keeps the load.  No effect when it is not later. */
extern void handle_advance(HttpHandle *handle, HandlePhase phase);

/* What libcurl is to call, with the handle as its state. */
extern void handle_set_callbacks(HttpHandle *handle, CURLcode *code);

/* In http_setup.c */

/*
 * Sets a new or ended handle up for a request.  False when the request is
 * refused: the handle has then ended, with a result that says why.
 */
extern bool handle_prepare(HttpHandle *handle, const HttpSettings *settings,
						   const HttpRequest *request);

/*
 * Sets an answered handle up again, for the URL that its redirect names.
 * False: it has ended.
 */
extern bool handle_repeat(HttpHandle *handle, const char *url, bool as_get);

/* In http_verdict.c */

/*
 * libcurl is done with it and has let go of it.  True when it follows a
 * redirect and wants to be given to libcurl again; false: it has ended.
 */
extern bool handle_finish(HttpHandle *handle, CURLcode code);

/* Ends it: the time is up, in whatever phase it is. */
extern void handle_expire(HttpHandle *handle);

/* Ends it with that fault. */
extern void handle_fail(HttpHandle *handle, HttpFault fault, const char *error);

#endif							/* PG_ENRICH_HTTP_HANDLE_H */
