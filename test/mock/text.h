/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Byte buffers, UTF-8, hashes and the writing of JSON texts.
 *
 * Memory that runs out ends the process with a message: a mock has nothing
 * better to do, and no caller has to look.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_TEXT_H
#define MOCK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that grow; the owner frees them with buffer_free. */
typedef struct Buffer
{
	char	   *data;			/* no final NUL; NULL while nothing was appended */
	size_t		length;
	size_t		capacity;
} Buffer;

/* A piece of somebody else's text; start is NULL where there is none. */
typedef struct Slice
{
	const char *start;
	size_t		length;
} Slice;

/* What utf8_next returns for bytes that are no UTF-8; it has skipped one then. */
#define UTF8_INVALID UINT32_MAX

extern void *xmalloc(size_t size);
extern void *xcalloc(size_t size);
extern char *xstrndup(const char *string, size_t length);	/* adds a final NUL */

extern char *buffer_reserve(Buffer *buffer, size_t more);	/* returns where to write them */
extern void buffer_append(Buffer *buffer, const void *bytes, size_t length);
extern void buffer_append_string(Buffer *buffer, const char *string);
extern void buffer_append_char(Buffer *buffer, char c);
extern void buffer_append_format(Buffer *buffer, const char *format,...)
			__attribute__((format(printf, 2, 3)));
extern void buffer_append_integer(Buffer *buffer, int64_t value);

/* Shortest of at most nine significant digits: reads back as the same float4. */
extern void buffer_append_float(Buffer *buffer, float value);
extern void buffer_append_base64(Buffer *buffer, const void *bytes, size_t length);

/* A code point as UTF-8. */
extern void buffer_append_utf8(Buffer *buffer, uint32_t code);

/* A quoted JSON string; bytes that are no UTF-8 become U+FFFD. */
extern void buffer_append_json(Buffer *buffer, const char *text, size_t length);

/* The same with the letters in upper case. */
extern void buffer_append_json_upper(Buffer *buffer, const char *text, size_t length);
extern void buffer_free(Buffer *buffer);

/* The code point at *p, before end; moves *p behind it. */
extern uint32_t utf8_next(const char **p, const char *end);

/* Characters in the text; a byte that is no UTF-8 counts as one. */
extern size_t utf8_length(const char *text, size_t length);

/* Well-mixed 64-bit hashes, the same in every run and on every little-endian machine. */
extern uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed);
extern uint64_t hash_mix(uint64_t a, uint64_t b);

#endif							/* MOCK_TEXT_H */
