/*-------------------------------------------------------------------------
 *
 * endpoint.h
 *	  What a job's requests to a server are made, and their answers read by.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_ENDPOINT_H
#define PG_ENRICH_ENDPOINT_H

#include "postgres.h"

#include "http/http.h"
#include "recipe/recipe.h"
#include "response/response.h"
#include "server/server.h"
#include "template/template.h"

/*
 * A server, a role's credentials there, and what is compiled of both for a job.  Once it is in
 * use it is never changed: where server or credentials change another one is made, and requests
 * in flight keep theirs.
 */
typedef struct Endpoint
{
	const Recipe *recipe;
	const Server *server;
	const Credentials *credentials;
	HttpSettings http;			/* its strings are the server's */
	int			server_index;	/* in ServerEntry; -1: its requests are not
								 * counted */
	unsigned	generation;		/* a later one of the same job has a higher
								 * one; never 0 */

	Template   *url;
	Template   *body;			/* NULL: none is sent */
	int			batch_size;		/* rows in a request, never more than
								 * bucket_size */
	bool		sends_fields;	/* a template needs the row's fields */
	bool		needs_fields;	/* ... or an output does: they are staged */
	bool		has_fields;		/* rows at hand have them, needed or not */
	char	   *fingerprint_seed;	/* of templates and paths; NULL: no
									 * fingerprint is wanted */

	ResponseShape shape;		/* of answers */
	bool		evaluates;		/* to read one takes a transaction */
	Path		usage;			/* where an answer reports tokens spent */
} Endpoint;

/*
 * Made in the current memory context, where it refers to its arguments and is freed.  before: the
 * one that rows at hand were staged for, or NULL.  Raises errors with hints for what is wrong
 * with the job's and the server's templates and paths.  server_index is for the caller to set.
 */
extern Endpoint *endpoint_make(const Recipe *recipe, const Server *server,
							   const Credentials *credentials, const Endpoint *before);

/* The same with other credentials; what is compiled it shares with the one before. */
extern Endpoint *endpoint_renew(const Endpoint *before, const Credentials *credentials);

#endif							/* PG_ENRICH_ENDPOINT_H */
