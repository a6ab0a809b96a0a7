/*-------------------------------------------------------------------------
 *
 * buffer.h
 *	  A growable byte buffer in malloc'd memory.
 *
 * libcurl's callbacks and the files that build and test without a server use
 * it: palloc and StringInfo may longjmp, and stop at 1 GB.  A failed
 * allocation sets "failed", which stays set; callers append freely and look
 * once at the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_BUFFER_H
#define PG_ENRICH_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ByteBuffer
{
	char	   *data;			/* NUL-terminated once anything was appended */
	size_t		length;			/* bytes used, without the final NUL */
	size_t		capacity;		/* bytes allocated */
	bool		failed;			/* an allocation failed: contents are
								 * incomplete */
} ByteBuffer;

extern void buffer_append(ByteBuffer *buffer, const char *bytes, size_t length);
extern void buffer_append_string(ByteBuffer *buffer, const char *string);
extern void buffer_append_char(ByteBuffer *buffer, char c);
extern void buffer_append_integer(ByteBuffer *buffer, int64_t value);
extern void buffer_reset(ByteBuffer *buffer);	/* empties, keeps the memory */

/* Makes the capacity that large, unless it is.  False: out of memory; nothing has changed. */
extern bool buffer_reserve(ByteBuffer *buffer, size_t capacity);
extern void buffer_fit(ByteBuffer *buffer); /* gives back what is left over,
											 * if it is much */
extern void buffer_free(ByteBuffer *buffer);	/* empties, frees the memory */

/* Pieces of memory that are freed together, and do not move before that. */
typedef struct Arena
{
	struct ArenaPiece *first;
	size_t		allocated;		/* bytes handed out */
} Arena;

extern char *arena_alloc(Arena *arena, size_t size);	/* NULL: out of memory */
extern void arena_free(Arena *arena);

#endif							/* PG_ENRICH_BUFFER_H */
