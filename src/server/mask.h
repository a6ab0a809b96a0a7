/*-------------------------------------------------------------------------
 *
 * mask.h
 *	  Texts without the secrets in them: requests, answers, messages of APIs.
 *
 * APIs echo credentials, in whatever way they like.  So all that quotes an answer is masked: an
 * API's error texts, reasons why an answer cannot be used, values that do not fit and what the
 * database says of them, and all that enrich.preview shows.  Texts are masked before they are
 * cut to a length; what was cut by others is known by its beginning (secret.c).
 *
 * All in the current context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_MASK_H
#define PG_ENRICH_MASK_H

#include "postgres.h"

#include "server/server.h"

/* The headers of a request, a line each; those of the credentials without their values. */
extern char *mask_headers(const Server *server, const Credentials *credentials, bool has_body);

/* The URL, followed by what credentials add to its query, without values. */
extern char *mask_url(const char *url, const Credentials *credentials);

/*
 * A text in UTF-8 (an answer may echo what it was asked with) with each secret
 * replaced by ***.
 */
extern char *mask_text(const char *utf8, const Credentials *credentials);

/*
 * The same for what is to be cut: at least so many bytes of the result.  To cut
 * first would leave parts of secrets.
 */
extern char *mask_beginning(const char *utf8, size_t length, size_t enough,
							const Credentials *credentials);

/* The same for a message in the encoding of the database, in a transaction. */
extern char *mask_message(const char *message, const Credentials *credentials);

#endif							/* PG_ENRICH_MASK_H */
