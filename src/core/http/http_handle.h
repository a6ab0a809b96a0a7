/*-------------------------------------------------------------------------
 *
 * http_handle.h
 *	  One request inside http.c: its libcurl easy handle, its phase, its result.
 *
 * Http owns the handles, keeps each in exactly one of its lists (http_list.h), and decides
 * when one is given to libcurl and when it is too late.  The files that know of one handle
 * only, each of which calls those after it: http_result.c (how it ended), http_redirect.c,
 * http_setup.c (setting it up), http_callbacks.c (what libcurl calls), http_failure.c (why
 * it failed), http_lookup.c, http_body.c (its answer) and http_handle.c (its life).
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_HANDLE_H
#define PG_ENRICH_HTTP_HANDLE_H

#include <curl/curl.h>

#include "http/http.h"
#include "http/http_socket.h"
#include "http/rate_headers.h"

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
	HANDLE_LOOKUP,				/* a resolver thread asks for the host's
								 * address */
	HANDLE_CONNECTING,			/* a socket of its own is opened */
	HANDLE_CONNECTED,			/* new or kept connection is ready: the
								 * request goes out */
	HANDLE_RECEIVING,			/* some of the answer is here */
	HANDLE_ENDED				/* the result is filled in */
} HandlePhase;

/* What the handles of one Http add up to.  They keep it, Http reads it. */
typedef struct HttpLoad
{
	int64_t		received_bytes; /* of bodies, in handles that have not been
								 * taken */
	int64_t		claimed;		/* what these bodies take, or are about to:
								 * see http_body.c */
	int64_t		room;			/* claims are granted up to this ... */
	struct HttpHandle *leader;	/* ... and to this one beyond it; NULL: there
								 * is none */
	int			paused;			/* handles that claim more than was granted */
	int			claimants;		/* handles that claim anything */
	int64_t		refused;		/* times that the system has refused memory */
	bool		last_hope;		/* the caller holds nothing that it is about
								 * to free */
	int			lookups;		/* handles in HANDLE_LOOKUP */
	int			connecting;		/* in HANDLE_CONNECTING */
	int			on_the_wire;	/* in HANDLE_CONNECTED or HANDLE_RECEIVING */
	int			receiving;		/* in HANDLE_RECEIVING, those that are paused
								 * included */
	bool		put_off;		/* a handle has ended for AGAIN_LATER: sockets
								 * are to be read */
	int64_t		longest;		/* body that came so far, in bytes */
	int64_t		now;			/* Http's clock, when the call of libcurl
								 * under way began ... */
	int64_t		attended;		/* ... and in attended time: see http_time.c */
	bool		multiplexes;	/* may requests share a connection? */
	HttpSockets sockets;
} HttpLoad;

/*
 * What all requests of a profile have in common: an easy handle that is set up for them
 * and never used itself.  Each transfer has a copy of it: a handle that is used again
 * keeps what the transfer before has left in it, and in some versions of libcurl a
 * peer can make harm of that (see README.md in this folder).
 */
typedef struct HttpProfile
{
	unsigned	number;			/* HttpRequest.profile */
	int			users;			/* handles, and Http while it is the last one
								 * used */
	CURL	   *easy;
	struct curl_slist *headers; /* the copies share them */
	HttpSettings settings;
	bool		sends_body;
	bool		is_get_or_head;
} HttpProfile;

/* Why a transfer that has ended is to begin again, without anybody being told. */
typedef enum HandleAgain
{
	AGAIN_NOT,
	AGAIN_REDIRECTED,
	AGAIN_ELSEWHERE,			/* its connection would not do: another one
								 * may */
	AGAIN_LATER					/* its connection is to be read first */
} HandleAgain;

typedef struct HttpHandle
{
	struct HttpHandle *previous;	/* http.c's lists */
	struct HttpHandle *next;
	HttpLoad   *load;

	CURL	   *easy;			/* of the transfer under way; else NULL */
	HttpProfile *profile;
	struct curl_slist *headers; /* where they are not the profile's; must
								 * outlive the transfer */
	char		curl_error[CURL_ERROR_SIZE];

	HandlePhase phase;
	HttpSettings settings;
	HttpResult	result;			/* body collects here while it arrives */
	bool		is_get_or_head;
	int			redirects;
	HandleAgain again;			/* said by a callback that has ended the
								 * transfer for it */
	int			moved;			/* times by AGAIN_ELSEWHERE ... */
	int			put_off;		/* ... and by AGAIN_LATER */
	int64_t		claim;			/* of its body, in bytes ... */
	int64_t		wanted;			/* ... and what it starves for; 0: it does not */
	bool		was_paused;		/* for that */
	OpenedSockets opened;
	SocketRef	socket;			/* of its connection, once that is ready */
	bool		reuses;			/* a connection that others have used before */
	bool		recalled;		/* it is not to be sent */
	bool		starved;		/* a socket was not to be had: process or
								 * system have no more */
	int64_t		header_bytes;
	bool		is_error;		/* the status line said 4xx or 5xx */
	RateHeaders rate_headers;	/* then collected */
	HttpFault	broke_off;		/* why a callback ended the transfer;
								 * HTTP_ANSWERED: none did */

	bool		seen;			/* http.c's: by http_note_answered */

	/* http.c's: microseconds */
	int64_t		started_at;
	int64_t		deadline;		/* 0: not submitted yet */
	int64_t		connect_deadline;	/* counts up to HANDLE_CONNECTED */
	int64_t		connected_at;	/* clock of when its connection was ready */
	int64_t		paused_at;		/* attended time since when it is; or 0 */
} HttpHandle;

/* Sets an option; the first failure stays. */
#define EASY_SET(easy, code, option, value) \
	do { \
		if (*(code) == CURLE_OK) \
			*(code) = curl_easy_setopt((easy), option, value); \
	} while (0)

/* Is it asked for that requests share connections?  Only the user can know that it is worth it. */
extern bool http_multiplexes(const HttpSettings *settings);

/* One user less; the last one frees it.  NULL is no fault. */
extern void profile_release(HttpProfile *profile);

/* NULL when memory ran out. */
extern HttpHandle *handle_create(HttpLoad *load);

/* Frees all of it, an untaken result's body too.  Not while libcurl has it. */
extern void handle_free(HttpHandle *handle);

/* Moves to a later phase, and keeps the load.  No effect when it is not later. */
extern void handle_advance(HttpHandle *handle, HandlePhase phase);

/* Back to HANDLE_WAITING, to be given to libcurl once more; keeps the load, too. */
extern void handle_rewind(HttpHandle *handle);

/* Its connection, or NULL, has brought something of an answer: it is alive. */
extern HttpSocket *handle_heard(const HttpHandle *handle);

/* It has nothing to do with its connection any more; answered: see socket_leave. */
extern void handle_leave_socket(HttpHandle *handle, bool answered);

/* libcurl has let go of its easy handle, which is not needed any more. */
extern void handle_drop_easy(HttpHandle *handle);
#endif							/* PG_ENRICH_HTTP_HANDLE_H */
