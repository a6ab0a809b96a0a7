/*-------------------------------------------------------------------------
 *
 * number.h
 *	  Numbers of JSON arrays, read fast and exactly.
 *
 * The functions give what strtof, strtod and the integer types' input give, or
 * say that they cannot, and the caller takes the slow way.  Pure: builds and
 * tests without a server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_NUMBER_H
#define PG_ENRICH_NUMBER_H

#include "json/json.h"

/* A JSON number token, taken apart: digits × 10^exponent. */
typedef struct Number
{
	const char *start;
	const char *end;			/* just after the token */
	uint64_t	digits;
	int			exponent;
	bool		negative;
	bool		integral;		/* written without fraction and exponent */
	bool		complete;		/* digits and exponent hold all that was
								 * written */
	bool		is_json;		/* written as JSON wants it: unchecked texts
								 * may not be */
} Number;

/*
 * The number at text, which is inside an array that json_parse accepted and
 * whose closing bracket is at end.  False if something else is there.
 */
extern bool number_scan(const char *text, const char *end, Number *number);

/* From behind an element of such an array to the next one, or to end. */
extern const char *number_next(const char *p, const char *end);

/*
 * Read numbers of such an array from *position on until one has to take the
 * slow way, there is something else, or no room.  Returns how many; *position
 * is then at the element that follows, or at end.
 */
extern size_t number_read_float4s(const char **position, const char *end, float *values,
								  size_t room);

/* Where reading an array that was not checked yet has come to. */
typedef enum NumbersEnd
{
	NUMBERS_NO_ROOM,			/* *position is where the next number should
								 * be */
	NUMBERS_CLOSED,				/* ... at the bracket that ends the array */
	NUMBERS_OTHER				/* something is no JSON number that fits, or
								 * no comma */
} NumbersEnd;

/*
 * The same for an array that was not checked yet: JSON numbers that fit, with a comma
 * between them.  *count: how many were read.
 */
extern NumbersEnd number_read_json_float4s(const char **position, const char *end, float *values,
										   size_t room, size_t *count);

/* False: take the slow way. */
extern bool number_to_float4(const Number *number, float *value);
extern bool number_to_float8(const Number *number, double *value);
extern bool number_to_integer(const Number *number, int64_t min, int64_t max, int64_t *value);

/*
 * Decode base64 (RFC 4648, padded, without white space) of little-endian
 * float4 numbers.  floats has room for length / 4 of them.  False if it is not
 * that; an empty string is not.
 */
extern bool number_decode_base64(const char *text, size_t length, float *floats, size_t *count);

#endif							/* PG_ENRICH_NUMBER_H */
