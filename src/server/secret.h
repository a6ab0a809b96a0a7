/*-------------------------------------------------------------------------
 *
 * secret.h
 *	  Where a text holds a secret, in whatever way that is written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_SECRET_H
#define PG_ENRICH_SECRET_H

#include "postgres.h"

#include "server/server.h"

/* What is looked for: the secrets of credentials, or base64 of them. */
typedef struct Secrets Secrets;

/*
 * In the current memory context; none for NULL.  In UTF-8; with of_database
 * also as the database's encoding writes them, which may take a transaction.
 */
extern Secrets *secrets_of(const Credentials *credentials, bool of_database);

/*
 * How many bytes of a secret a text has at p: 0 where none begins there.  A
 * secret counts as it is, with the escapes of JSON or percent-encoded; and when
 * its beginning alone is there, if that is long or the text ends with it.
 */
extern size_t secret_length_at(const Secrets *secrets, const char *p, const char *end);

#endif							/* PG_ENRICH_SECRET_H */
