/*-------------------------------------------------------------------------
 *
 * http_handle.h
 *	  One request inside http.c: its libcurl easy handle, its phase, its result.
 *
 * For http_list.h (an Http's lists), http_handle.c (collecting), http_setup.c (setting
 * up), http_result.c and http_redirect.c (how it ended).  Http owns the handles, keeps
 * each in exactly one of its lists, and decides when one is given to libcurl and when it
 * is too late.
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
	HANDLE_LOOKUP,				/* a resolver thread asks for the host's address */
	HANDLE_CONNECTING,			/* a socket of its own is opened */
	HANDLE_CONNECTED,			/* new or kept connection is ready: the request goes out */
	HANDLE_RECEIVING,			/* some of the answer is here */
	HANDLE_ENDED				/* the result is filled in */
} HandlePhase;

/* What the handles of one Http add up to.  They keep it, Http reads it. */
typedef struct HttpLoad
{
	int64_t		received_bytes; /* of bodies, in handles that have not been taken */
	int64_t		claimed;		/* what these bodies take, or are about to: see http_body.c */
	int64_t		room;			/* claims are granted up to this ... */
	struct HttpHandle *leader;	/* ... and to this one beyond it; NULL: there is none */
	int			paused;			/* handles that claim more than was granted */
	int			claimants;		/* handles that claim anything */
	int64_t		refused;		/* times that the system has refused memory */
	bool		last_hope;		/* the caller holds nothing that it is about to free */
	int			lookups;		/* handles in HANDLE_LOOKUP */
	int			connecting;		/* in HANDLE_CONNECTING */
	int			on_the_wire;	/* in HANDLE_CONNECTED or HANDLE_RECEIVING */
	bool		put_off;		/* a handle has ended for AGAIN_LATER: sockets are to be read */
	int64_t		longest;		/* body that came so far, in bytes */
	int64_t		now;			/* Http's clock, when the call of libcurl under way began ... */
	int64_t		attended;		/* ... and in attended time: see http_time.c */
	bool		multiplexes;	/* may requests share a connection? */
	HttpSockets sockets;
} HttpLoad;

/*
 * What all requests of a profile have in common: an easy handle that is set up for them
 * and never used itself.  Each transfer has a copy of it: a handle that is used again
 * keeps what the transfer before has left in it, and in some versions of libcurl a
 * peer can make harm of that (see README.md).
 */
typedef struct HttpProfile
{
	unsigned	number;			/* HttpRequest.profile */
	int			users;			/* handles, and Http while it is the last one used */
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
	AGAIN_ELSEWHERE,			/* its connection would not do: another one may */
	AGAIN_LATER					/* its connection is to be read first */
} HandleAgain;

typedef struct HttpHandle
{
	struct HttpHandle *previous;	/* http.c's lists */
	struct HttpHandle *next;
	HttpLoad   *load;

	CURL	   *easy;			/* of the transfer under way; else NULL */
	HttpProfile *profile;
	struct curl_slist *headers; /* where they are not the profile's; must outlive the transfer */
	char		curl_error[CURL_ERROR_SIZE];

	HandlePhase phase;
	HttpSettings settings;
	HttpResult	result;			/* body collects here while it arrives */
	bool		is_get_or_head;
	int			redirects;
	HandleAgain again;			/* said by a callback that has ended the transfer for it */
	int			moved;			/* times by AGAIN_ELSEWHERE ... */
	int			put_off;		/* ... and by AGAIN_LATER */
	int64_t		claim;			/* of its body, in bytes ... */
	int64_t		wanted;			/* ... and what it starves for; 0: it does not */
	bool		was_paused;		/* for that */
	OpenedSockets opened;
	SocketRef	socket;			/* of its connection, once that is ready */
	bool		reuses;			/* a connection that others have used before */
	bool		recalled;		/* it is not to be sent */
	bool		starved;		/* a socket was not to be had: the process, or the system, has no more */
	int64_t		header_bytes;
	bool		is_error;		/* the status line said 4xx or 5xx */
	RateHeaders rate_headers;	/* then collected */
	HttpFault	broke_off;		/* why a callback ended the transfer; HTTP_ANSWERED: none did */

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

/* What libcurl is to call ... */
extern void profile_set_callbacks(HttpProfile *profile, CURLcode *code);

/* ... and with what: of an easy handle that is a copy of the profile's. */
extern void handle_set_callbacks(HttpHandle *handle, CURLcode *code);

/* It has nothing to do with its connection any more; answered: see socket_leave. */
extern void handle_leave_socket(HttpHandle *handle, bool answered);

/* libcurl has let go of its easy handle, which is not needed any more. */
extern void handle_drop_easy(HttpHandle *handle);

/* In http_setup.c */

/*
 * Sets a new or ended handle up for a request.  *last: the profile used last, or NULL;
 * it is replaced where the request has another one.  False when the request is
 * refused: the handle has then ended, with a result that says why.
 */
extern bool handle_prepare(HttpHandle *handle, HttpProfile **last, const HttpSettings *settings,
						   const HttpRequest *request);

/* Is it asked for that requests share connections?  Only the user can know that it is worth it. */
extern bool http_multiplexes(const HttpSettings *settings);

/* One user less; the last one frees it.  NULL is no fault. */
extern void profile_release(HttpProfile *profile);

/*
 * Sets an answered handle up again, for the URL that its redirect names.
 * False: it has ended.
 */
extern bool handle_repeat(HttpHandle *handle, const char *url, bool as_get);

/* Sets a handle up for the same once more, as handle->again says.  False: it has ended. */
extern bool handle_renew(HttpHandle *handle);

/* In http_redirect.c: sets up the request that a redirect asks for.  False: it has ended. */
extern bool handle_follow_redirect(HttpHandle *handle, const char *target);

/* In http_lookup.c: is there no such host (or proxy, by the code), for all that can be known? */
extern bool handle_host_is_unknown(const HttpHandle *handle, CURLcode code);

/* In http_result.c */

/*
 * libcurl is done with it and has let go of it.  True when it is to be given to
 * libcurl again; false: it has ended.
 */
extern bool handle_finish(HttpHandle *handle, CURLcode code);

/* Ends it as one that was not sent. */
extern void handle_take_back(HttpHandle *handle);

/* Ends it: the time is up, in whatever phase it is. */
extern void handle_expire(HttpHandle *handle);

/* Ends it: it cannot work so.  "what (host:port): detail"; an empty detail is left out. */
extern void handle_refuse(HttpHandle *handle, HttpRefusal refusal, const char *what,
						  const char *detail);

/* Ends it with that fault. */
extern void handle_fail(HttpHandle *handle, HttpFault fault, const char *error);

#endif							/* PG_ENRICH_HTTP_HANDLE_H */
