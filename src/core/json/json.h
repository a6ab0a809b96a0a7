/*-------------------------------------------------------------------------
 *
 * json.h
 *	  A strict JSON scanner that works on slices of the text itself.
 *
 * No tree is built: a value is a slice of the text it came from, so numbers
 * keep every digit they were written with and a large array costs nothing
 * until it is used.  Pure: builds and tests without a server.
 *
 * That is worth it: an embeddings answer whose numbers are not read is checked at 2.7 GB/s,
 * where building a tree with jansson took it at 49 MB/s.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_JSON_H
#define PG_ENRICH_JSON_H

#include "base/buffer.h"

/*
 * Deepest nesting accepted.  PostgreSQL's own parser is bounded by
 * max_stack_depth instead; ours keeps one bit a level and never recurses.
 */
#define JSON_MAX_DEPTH 1000

typedef enum JsonKind
{
	JSON_NULL,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
	JSON_FLOATS					/* no text: numbers that were read already,
								 * see float_pool.h */
} JsonKind;

/* What JSON_FLOATS begins with, and no JSON text does. */
#define JSON_FLOATS_MARK '\1'

/* One value, without the white space around it. */
typedef struct JsonSlice
{
	const char *start;			/* NULL: no value */
	size_t		length;
} JsonSlice;

static inline JsonSlice
json_slice(const char *start, size_t length)
{
	JsonSlice	slice = {start, length};

	return slice;
}

/* Why a text is not JSON. */
typedef struct JsonFault
{
	const char *message;		/* static, lower case, no period */
	size_t		offset;			/* where, in bytes from the start */
	bool		at_end;			/* the text ends too early: it was cut off */
} JsonFault;

/* A walk over the elements of an array or the members of an object. */
typedef struct JsonCursor
{
	const char *position;
	const char *end;
} JsonCursor;

/*
 * May take the numbers of an array while they are checked: the array's bracket is at
 * array, its first number at p.  Returns where the array's closing bracket is, when
 * there was nothing but JSON numbers before it; else p.
 */
typedef const char *(*JsonNumberTaker) (void *state, const char *array, const char *p,
										const char *end);

/*
 * Checks that text is one JSON value (RFC 8259: strict, valid UTF-8, no depth
 * beyond JSON_MAX_DEPTH) and returns it without surrounding white space.  All
 * the functions below trust slices of a text that was accepted here.
 */
extern bool json_parse(const char *text, size_t length, JsonSlice *value, JsonFault *fault);
extern bool json_parse_taking(const char *text, size_t length, JsonNumberTaker take, void *taker,
							  JsonSlice *value, JsonFault *fault);

extern JsonKind json_kind(JsonSlice value);
extern const char *json_kind_name(JsonKind kind);	/* "null", "boolean",
													 * "number", … */

/* Elements in order.  False at the end. */
extern JsonCursor json_elements(JsonSlice array);
extern bool json_next_element(JsonCursor *cursor, JsonSlice *value);

/* Members in order; name is the slice of the name's string token, with its quotes. */
extern JsonCursor json_members(JsonSlice object);
extern bool json_next_member(JsonCursor *cursor, JsonSlice *name, JsonSlice *value);

/* The member of that name (its decoded form); the last one counts, as in jsonb. */
extern bool json_member(JsonSlice object, const char *name, size_t name_length, JsonSlice *value);

/* Does a string token decode to exactly these bytes? */
extern bool json_string_equals(JsonSlice string, const char *bytes, size_t length);

/*
 * Appends the decoded form of a string token, in UTF-8.  False when it cannot
 * be decoded: \u0000 (no PostgreSQL text can hold it) or half of a surrogate
 * pair; *why then says so (static).
 */
extern bool json_decode_string(JsonSlice string, ByteBuffer *out, const char **why);

/* Appends bytes (UTF-8) as a JSON string token: quoted and escaped; or only its inside. */
extern void json_append_quoted(ByteBuffer *out, const char *bytes, size_t length);
extern void json_append_escaped(ByteBuffer *out, const char *bytes, size_t length);

/*
 * A number that is an integer in range of int64, written without fraction or
 * exponent.  (Not json_integer: jansson has one, and would call ours.)
 */
extern bool json_to_int64(JsonSlice number, int64_t *value);

/*
 * Length of the longest prefix that is valid UTF-8 (no surrogates, no overlong
 * forms, no NUL check).
 */
extern size_t utf8_valid_prefix(const char *bytes, size_t length);

#endif							/* PG_ENRICH_JSON_H */
