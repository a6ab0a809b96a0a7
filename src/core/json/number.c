/*-------------------------------------------------------------------------
 *
 * number.c
 *	  Numbers of JSON arrays, read fast and exactly.
 *
 * An embedding is an array of some thousand numbers, so reading them is most
 * of the work of storing it.  Owns nothing.  Failure is "false": what is rare
 * is left to the types' own input functions, which also raise their errors.
 *
 *-------------------------------------------------------------------------
 */
#include "json/number.h"

#include "json/json_internal.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>

#define MAX_DIGITS		19		/* any number of so many digits fits 64 bits */
#define MAX_EXPONENT	22		/* 10^22 is the last power of ten that is
								 * exact in a double */
#define EXACT_DIGITS	(UINT64_C(1) << 53) /* integers up to here are exact
											 * in a double */

/* Of a double's bits, those that a float drops, and where half of a float's last place is. */
#define DROPPED_BITS	UINT64_C(0x1fffffff)
#define HALFWAY			INT64_C(0x10000000)

static const double powers[MAX_EXPONENT + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

/*
 * The number that the eight values of a word say, the first one lowest.  Sums
 * neighbours three times, as D. Lemire, "Quickly parsing eight digits" (2018).
 */
static inline uint64_t
eight_digits(uint64_t values)
{
	const uint64_t pairs = UINT64_C(0x000000ff000000ff);

	values = values * 10 + (values >> 8);
	return (uint32_t) (((values & pairs) * UINT64_C(0x000f424000000064) +
						((values >> 16) & pairs) * UINT64_C(0x0000271000000001)) >> 32);
}

/*
 * Adds a run of digits, modulo 2^64.  Returns where the run ends.  The last
 * few are taken together, too: how many they are is what a branch would guess
 * wrong with each number.
 */
static inline const char *
scan_digits(const char *p, const char *end, uint64_t *digits)
{
	static const uint32_t scales[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};

	while ((size_t) (end - p) >= WORD)
	{
		uint64_t	word = load_word_in_order(p);
		int			count = leading_digits(word);

		word ^= EACH_BYTE('0');
		if (count == (int) WORD)
			*digits = *digits * 100000000 + eight_digits(word);
		else if (count > 0)
			*digits = *digits * scales[count] + eight_digits(word << (8 * (WORD - count)));
		p += count;
		if (count < (int) WORD)
			return p;
	}
	for (; p < end && is_digit(*p); p++)
		*digits = *digits * 10 + (uint64_t) (*p - '0');
	return p;
}

/* Do a number's digits fit 64 bits?  The point, if any, is among them. */
static inline bool
fit(const char *digits, const char *end, const char *point)
{
	if (end - digits - (point != NULL) <= MAX_DIGITS)
		return true;
	while (digits < end && (*digits == '0' || *digits == '.'))
		digits++;
	return end - digits - (point != NULL && digits <= point) <= MAX_DIGITS;
}

static const char *
scan_exponent(const char *p, const char *end, Number *number)
{
	int			exponent = 0;
	bool		negative = p < end && *p == '-';

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (; p < end && is_digit(*p); p++)
	{
		if (exponent < INT32_MAX / 100)
			exponent = exponent * 10 + (*p - '0');
		else
			number->complete = false;
	}
	number->exponent += negative ? -exponent : exponent;
	return p;
}

static inline bool
scan(const char *text, const char *end, Number *number)
{
	const char *p = text;
	const char *first;
	const char *point = NULL;

	number->start = text;
	number->digits = 0;
	number->exponent = 0;
	number->negative = p < end && *p == '-';
	p += number->negative;
	if (p == end || !is_digit(*p))
		return false;

	first = p;
	p = scan_digits(p, end, &number->digits);
	if (p < end && *p == '.')
	{
		point = p;
		p = scan_digits(point + 1, end, &number->digits);
		number->exponent = -(int) (p - point - 1);
	}
	number->integral = point == NULL;
	number->complete = fit(first, p, point) && p - first < INT32_MAX / 100;
	number->is_json = is_digit(p[-1]) && (*first != '0' || p == first + 1 || point == first + 1) &&
		(point == NULL || is_digit(point[1]));
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		p = scan_exponent(p + 1, end, number);
		number->integral = false;
		number->is_json &= is_digit(p[-1]);
	}
	number->end = p;
	return true;
}

bool
number_scan(const char *text, const char *end, Number *number)
{
	return scan(text, end, number);
}

/*
 * The number's size as a double, at most two units in its last place off; not
 * off at all if the digits are below EXACT_DIGITS, since then two exact numbers
 * meet in one correctly rounded operation.
 */
static inline bool
approximate(const Number *number, double *size)
{
	/* Where operations carry excess precision they round twice. */
	if (FLT_EVAL_METHOD != 0 || !number->complete)
		return false;
	if (number->exponent < -MAX_EXPONENT || number->exponent > MAX_EXPONENT)
		return false;
	if (number->exponent < 0)
		*size = (double) number->digits / powers[-number->exponent];
	else
		*size = (double) number->digits * powers[number->exponent];
	return true;
}

static inline bool
to_float4(const Number *number, float *value)
{
	double		size;
	uint64_t	bits;
	int64_t		distance;

	if (!approximate(number, &size))
		return false;

	/*
	 * Rounding the double gives the float nearest to the number itself unless
	 * the number and the double lie on two sides of a point halfway between
	 * two floats.  The smallest sizes here, 1e-22, are normal floats.
	 */
	memcpy(&bits, &size, sizeof(bits));
	distance = (int64_t) (bits & DROPPED_BITS) - HALFWAY;
	if ((distance >= -4 && distance <= 4) || size > FLT_MAX)
		return false;
	*value = (float) (number->negative ? -size : size);
	return true;
}

bool
number_to_float4(const Number *number, float *value)
{
	return to_float4(number, value);
}

const char *
number_next(const char *p, const char *end)
{
	while (p < end && (*p == ',' || is_space(*p)))
		p++;
	return p;
}

size_t
number_read_float4s(const char **position, const char *end, float *values, size_t room)
{
	const char *p = *position;
	size_t		count = 0;
	Number		number;

	while (count < room && scan(p, end, &number) && to_float4(&number, &values[count]))
	{
		p = number_next(number.end, end);
		count++;
	}
	*position = p;
	return count;
}

/*
 * A number that to_float4 leaves.  Too large or too small ones are left to float4's own
 * input, which has an opinion of them.  strtof does not know where the text ends: what
 * stands behind the number must stop it ("0x" would not).
 */
static bool
read_slowly(const Number *number, const char *end, float *value)
{
	char	   *stop;

	if (number->end == end ||
		(*number->end != ',' && *number->end != ']' && !is_space(*number->end)))
		return false;
	errno = 0;
	*value = strtof(number->start, &stop);
	return errno == 0 && stop == number->end;
}

NumbersEnd
number_read_json_float4s(const char **position, const char *end, float *values, size_t room,
						 size_t *count)
{
	const char *p = *position;
	Number		number;

	for (*count = 0; *count < room; p = skip_space(p + 1, end))
	{
		if (!scan(p, end, &number) || !number.is_json ||
			(!to_float4(&number, &values[*count]) &&
			 !read_slowly(&number, end, &values[*count])))
			return NUMBERS_OTHER;
		(*count)++;
		p = skip_space(number.end, end);
		if (p < end && *p == ']')
		{
			*position = p;
			return NUMBERS_CLOSED;
		}
		if (p == end || *p != ',')
			return NUMBERS_OTHER;
	}
	*position = p;
	return NUMBERS_NO_ROOM;
}

bool
number_to_float8(const Number *number, double *value)
{
	char	   *end;

	if (number->digits <= EXACT_DIGITS && approximate(number, value))
	{
		if (number->negative)
			*value = -*value;
		return true;
	}

	/* The comma or bracket after the number stops strtod. */
	errno = 0;
	*value = strtod(number->start, &end);
	return errno == 0 && end == number->end;
}

bool
number_to_integer(const Number *number, int64_t min, int64_t max, int64_t *value)
{
	if (!number->integral || !number->complete || number->digits > INT64_MAX)
		return false;
	*value = number->negative ? -(int64_t) number->digits : (int64_t) number->digits;
	return *value >= min && *value <= max;
}

#define NO_BITS 0xff			/* of what is no base64 character */

/* The six bits of each base64 character. */
static const uint8_t base64_bits[256] = {
#define NONE4 NO_BITS, NO_BITS, NO_BITS, NO_BITS
#define NONE16 NONE4, NONE4, NONE4, NONE4
#define NONE64 NONE16, NONE16, NONE16, NONE16
	NONE16, NONE16,
	NONE4, NONE4, NO_BITS, NO_BITS, NO_BITS, 62, NO_BITS, NO_BITS, NO_BITS, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO_BITS, NO_BITS, NONE4,
	NO_BITS, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO_BITS, NONE4,
	NO_BITS, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO_BITS, NONE4,
	NONE64, NONE64
#undef NONE64
#undef NONE16
#undef NONE4
};

/* Four characters to three bytes; false if one is none of base64. */
static inline bool
decode_quad(const uint8_t *quad, uint8_t *bytes)
{
	uint8_t		a = base64_bits[quad[0]];
	uint8_t		b = base64_bits[quad[1]];
	uint8_t		c = base64_bits[quad[2]];
	uint8_t		d = base64_bits[quad[3]];

	bytes[0] = (uint8_t) (a << 2 | b >> 4);
	bytes[1] = (uint8_t) (b << 4 | c >> 2);
	bytes[2] = (uint8_t) (c << 6 | d);
	return ((a | b | c | d) & 0xc0) == 0;
}

/* Turn numbers whose bytes came lowest first into the machine's own. */
static void
order_bytes(float *floats, size_t count)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	for (size_t i = 0; i < count; i++)
	{
		uint32_t	word;

		memcpy(&word, &floats[i], sizeof(word));
		word = __builtin_bswap32(word);
		memcpy(&floats[i], &word, sizeof(word));
	}
#else
	(void) floats;
	(void) count;
#endif
}

bool
number_decode_base64(const char *text, size_t length, float *floats, size_t *count)
{
	const uint8_t *in = (const uint8_t *) text;
	uint8_t    *out = (uint8_t *) floats;
	uint8_t		last[4] = {'A', 'A', 'A', 'A'};
	uint8_t		bytes[3];
	size_t		padding = 0;
	size_t		size;

	*count = 0;
	if (length == 0 || length % 4 != 0)
		return false;
	while (padding < 2 && text[length - 1 - padding] == '=')
		padding++;
	size = length / 4 * 3 - padding;
	if (size % sizeof(float) != 0)
		return false;

	for (size_t quads = length / 4 - 1; quads > 0; quads--, in += 4, out += 3)
	{
		if (!decode_quad(in, out))
			return false;
	}
	/* The last four may be padded; zero bits stand for what is not there. */
	memcpy(last, in, 4 - padding);
	if (!decode_quad(last, bytes))
		return false;
	memcpy(out, bytes, 3 - padding);
	*count = size / sizeof(float);
	order_bytes(floats, *count);
	return true;
}
