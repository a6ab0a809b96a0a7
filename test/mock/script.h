/*-------------------------------------------------------------------------
 *
 * script.h
 *	  What a request's answer is made to suffer: faults, delays, odd items.
 *
 * A script comes from the request's query over the one set for the whole
 * server by POST /mock/script; README.md lists the keys, script.c has them in
 * one table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_SCRIPT_H
#define MOCK_SCRIPT_H

#include <jansson.h>

#include "text.h"

struct Request;

/* Zero or NULL is "not asked for" in every field. */
typedef struct Script
{
	int64_t		latency;		/* ms */
	int64_t		latency_max;	/* ms; above latency: anything between */
	int64_t		status;
	int64_t		status_every;
	int64_t		fail_first;
	int64_t		reset;
	int64_t		reset_every;
	int64_t		reset_first;
	int64_t		cut;
	int64_t		cut_first;
	int64_t		hang;
	int64_t		hang_first;
	int64_t		hang_body;
	int64_t		trickle;		/* ms between two bytes of the body */
	int64_t		faults_for;		/* ms since the server-wide script was set */
	int64_t		bad_json;
	int64_t		count;			/* items more, or fewer if negative */
	int64_t		shuffle;
	int64_t		no_index;
	int64_t		duplicate_index;
	int64_t		null_items;		/* every n-th item */
	int64_t		gzip;
	int64_t		raw;
	int64_t		bytes;
	int64_t		rows;
	int64_t		endless;
	int64_t		max_inputs;
	char	   *retry_after;
	char	   *error_body;
	char	   *require_header; /* "Name: value" */
	char	   *match;
	char	   *redirect;
	char	   *content_type;
	char	   *header;			/* "Name: value" lines */
	char	   *path;			/* of a server-wide script: only for this path and those below */
} Script;

/* How the answer travels. */
typedef enum Transport
{
	TRANSPORT_WHOLE,
	TRANSPORT_RESET,			/* RST instead of an answer */
	TRANSPORT_HANG,				/* nothing, until released */
	TRANSPORT_CUT,				/* half of it, then the connection ends */
	TRANSPORT_HANG_BODY,		/* half of it, then nothing, until released */
	TRANSPORT_TRICKLE			/* byte by byte, until released */
} Transport;

/* A script that asks for nothing, for the many requests that have none. */
extern const Script script_none;

/*
 * Replaces the server-wide script.  On a fault nothing changes, and fault says
 * what it is.
 */
extern bool script_set(json_t *object, Buffer *fault);
extern void script_clear(void);
extern json_t *script_describe(void);	/* the server-wide script as it was set */

/*
 * The script that counts for the request, to be freed with script_release; NULL
 * when its query has a key with a bad value, which fault names.
 */
extern const Script *script_for(struct Request *request, Buffer *fault);
extern void script_release(const Script *script);

/* What becomes of a request whose attempt and sequence are known. */
extern void script_decide(struct Request *request);

/*
 * The header that it lacks, or has with another value than the script requires:
 * its name (to be freed), or NULL; sent is then that other value, or NULL.
 */
extern char *script_missing_header(const struct Request *request, const char **sent);

/* How long its answer is held back, in ms. */
extern int64_t script_delay(const struct Request *request);

/* An answer that nobody could use: asking again is no repeat. */
extern bool script_spoils(const struct Request *request);

#endif							/* MOCK_SCRIPT_H */
