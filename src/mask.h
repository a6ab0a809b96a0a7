/*-------------------------------------------------------------------------
 *
 * mask.h
 *	  Texts without the secrets in them: requests, answers, messages of APIs.
 *
 * All in the current context; text in the encoding of the database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_MASK_H
#define PG_ENRICH_MASK_H

#include "postgres.h"

#include "server.h"

/* The headers of a request, a line each; those of the credentials without their values. */
extern char *mask_headers(const Server *server, const Credentials *credentials, bool has_body);

/* The URL, followed by what credentials add to its query, without values. */
extern char *mask_url(const char *url, const Credentials *credentials);

/* A text (an answer may echo what it was asked with) with each secret replaced by ***. */
extern char *mask_text(const char *text, const Credentials *credentials);

#endif							/* PG_ENRICH_MASK_H */
