/*-------------------------------------------------------------------------
 *
 * encoding.h
 *	  Between UTF-8, which the wire speaks, and the encoding of the database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_ENCODING_H
#define PG_ENRICH_ENCODING_H

#include "postgres.h"

/*
 * Text in UTF-8, for templates and the wire.  Raises an error for text that
 * has no equivalent there.
 */
extern char *text_to_utf8(const char *text);

/* The elements of a text[], likewise; NULL for a null.  *count says how many there are. */
extern char **texts_to_utf8(Datum array, int *count);

/*
 * Text of an API in the encoding of the database, for messages: a character that has no
 * equivalent there becomes "?", and no error is raised.
 */
extern char *message_from_utf8(const char *utf8);

/* Which character of a text in UTF-8 stands at that byte?  From 1, as cursors count. */
extern int	utf8_character(const char *utf8, size_t offset);

#endif							/* PG_ENRICH_ENCODING_H */
