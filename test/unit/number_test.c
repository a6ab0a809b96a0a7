/*-------------------------------------------------------------------------
 *
 * number_test.c
 *	  Unit tests of number.c; the oracles are strtof and strtod.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "json/number.h"
#include "tap.h"

static int	rounds;				/* NUMBER_ROUNDS of the environment: how many random numbers of a kind */
static int	taken4;				/* how many float4 were read the fast way */

/* Scans text that is followed by what follows a number in an array. */
static bool
scan(const char *text, Number *number)
{
	static char array[200];

	snprintf(array, sizeof(array), "%s, 1]", text);
	return number_scan(array, array + strlen(array) - 1, number) &&
		(size_t) (number->end - number->start) == strlen(text);
}

/* Is what comes out, if anything, what strtof and strtod give, to the bit? */
static bool
agrees(const char *text)
{
	Number		number;
	float		real4;
	float		right4 = strtof(text, NULL);
	double		real8;
	double		right8 = strtod(text, NULL);

	if (!scan(text, &number))
		return false;
	if (number_to_float4(&number, &real4))
	{
		taken4++;
		if (memcmp(&real4, &right4, sizeof(float)) != 0)
			return false;
	}
	return !number_to_float8(&number, &real8) || memcmp(&real8, &right8, sizeof(double)) == 0;
}

static double
random_share(void)
{
	return (double) random() / RAND_MAX;
}

static void
test_floats(void)
{
	static const char *const hard[] = {
		"0", "-0", "0.0", "-0.000e5", "1e22", "1e23", "1e-22", "1e-23", "9007199254740993",
		"9007199254740992", "18446744073709551615", "18446744073709551616", "1e39",
		"3.4028235e38", "3.4028236e38", "1e400", "1e-400", "1.1754944e-38", "1e-45",
		"16777217", "16777217.0000001", "33554431", "0.1",
		"123456789012345678901234567890", "0.00000000000000000000000000000000001",
		"1e999999999999", "1E+5", "1e-05", "8388609.5", "8388608.500000000000000001",
		"1.00000017881393432617187499", "1.00000017881393432617187500",
		"1.00000017881393432617187501"
	};
	char		text[100];
	bool		good = true;

	for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++)
		ok(agrees(hard[i]), hard[i]);

	taken4 = 0;
	for (int i = 0; i < rounds && good; i++)
	{
		snprintf(text, sizeof(text), "%.*g", (int) (random() % 18 + 1), random_share() * 2 - 1);
		good = agrees(text);
	}
	ok(good, "shares of one with up to 18 digits");
	ok(taken4 > rounds * 0.99, "and hardly one took the slow way");

	for (int i = 0; i < rounds && good; i++)
	{
		snprintf(text, sizeof(text), "%.*e", (int) (random() % 20),
				 (random_share() - 0.5) * exp2(random_share() * 300 - 150));
		good = agrees(text);
	}
	ok(good, "numbers of all sizes");
	if (!good)
		printf("# %s\n", text);
}

/* Numbers at, and just beside, the points halfway between two floats. */
static void
test_halfway(void)
{
	char		text[100];
	bool		good = true;

	for (int i = 0; i < rounds && good; i++)
	{
		float		low = (float) ((random_share() - 0.5) * exp2(random_share() * 60 - 30));
		double		halfway = ((double) low + (double) nextafterf(low, INFINITY)) / 2;

		snprintf(text, sizeof(text), "%.*e", (int) (random() % 10 + 9), halfway);
		good = agrees(text);
	}
	ok(good, "numbers around the points between two floats");
	if (!good)
		printf("# %s\n", text);
}

/* A number as it comes in arrays, or something else now and then. */
static int
write_element(char *text, size_t size)
{
	static const char *const others[] = {"null", "\"1.5\"", "[1]", "0.1234567890123456789012", "1e39"};

	if (random() % 50 == 0)
		return snprintf(text, size, "%s", others[random() % 5]);
	return snprintf(text, size, "%.*g", (int) (random() % 20 + 1), (float) (random_share() - 0.5));
}

/* An array of some elements, without a byte behind it, so that a sanitizer sees who reads on. */
static char *
write_array(size_t *length)
{
	static const char *const separators[] = {",", ", ", "\n,", " ,\t"};
	char		text[2000] = "[";
	int			count = (int) (random() % 30 + 1);
	char	   *array;

	*length = 1;
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			*length += snprintf(text + *length, sizeof(text) - *length, "%s", separators[random() % 4]);
		*length += write_element(text + *length, sizeof(text) - *length);
	}
	text[(*length)++] = ']';
	array = malloc(*length);
	memcpy(array, text, *length);
	return array;
}

/* Reads an array in pieces, and each element that was left to the slow way with strtof. */
static bool
array_agrees(const char *array, size_t length)
{
	const char *end = array + length - 1;
	const char *p = number_next(array + 1, end);
	const char *slow = p;
	float		values[30];

	while (p < end)
	{
		size_t		count = number_read_float4s(&p, end, values, random() % 30 + 1);

		for (size_t i = 0; i < count; i++)
		{
			char	   *behind;
			float		right = strtof(slow, &behind);

			if (memcmp(&values[i], &right, sizeof(float)) != 0)
				return false;
			slow = number_next(behind, end);
		}
		if (slow != p)
			return false;
		if (count == 0)
		{
			p += strcspn(p, ",]");
			p = slow = number_next(*p == ']' && p < end ? p + 1 : p, end);
		}
	}
	return p == end;
}

static void
test_arrays(void)
{
	bool		good = true;

	for (int i = 0; i < rounds / 20 && good; i++)
	{
		size_t		length;
		char	   *array = write_array(&length);

		good = array_agrees(array, length);
		if (!good)
			printf("# %.*s\n", (int) length, array);
		free(array);
	}
	ok(good, "arrays, in pieces");
}

static bool
integer_is(const char *text, int64_t expected)
{
	Number		number;
	int64_t		value;

	return scan(text, &number) && number_to_integer(&number, INT64_MIN, INT64_MAX, &value) &&
		value == expected;
}

static bool
no_integer(const char *text, int64_t min, int64_t max)
{
	Number		number;
	int64_t		value;

	return scan(text, &number) && !number_to_integer(&number, min, max, &value);
}

static void
test_integers(void)
{
	Number		number;

	ok(integer_is("0", 0) && integer_is("-0", 0) && integer_is("-12", -12), "small ones");
	ok(integer_is("9223372036854775807", INT64_MAX), "the largest");
	ok(no_integer("9223372036854775808", INT64_MIN, INT64_MAX), "one more");
	ok(no_integer("99999999999999999999", INT64_MIN, INT64_MAX), "twenty digits");
	ok(no_integer("2147483648", INT32_MIN, INT32_MAX), "beyond the bounds given");
	ok(integer_is("-2147483648", INT32_MIN), "within them");
	ok(no_integer("1.0", INT64_MIN, INT64_MAX) && no_integer("1e2", INT64_MIN, INT64_MAX),
	   "a fraction or exponent is for the type's input to judge");
	ok(!scan("null", &number) && !scan("\"1\"", &number) && !scan("[1]", &number) &&
	   !scan("-x", &number) && !scan("", &number) && !scan("-", &number), "no numbers");
}

static bool
base64_is(const char *text, const float *expected, size_t expected_count)
{
	float		floats[16];
	size_t		count;

	return number_decode_base64(text, strlen(text), floats, &count) &&
		count == expected_count && memcmp(floats, expected, count * sizeof(float)) == 0;
}

static void
test_base64(void)
{
	static const float three[] = {1, 2, 3};
	static const float tenth[] = {0.1f};
	static const char *const bad[] = {
		"", "====", "AAA=", "AACAPw=", "AACAPw", "AACAPwA=", "AACA Pw==", "AACAPw==AACAPw==",
		"AACAP_==", "hello", "hell"
	};
	float		floats[16];
	size_t		count;

	ok(base64_is("AACAPwAAAEAAAEBA", three, 3), "three floats");
	ok(base64_is("zczMPQ==", tenth, 1), "one float, padded");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!number_decode_base64(bad[i], strlen(bad[i]), floats, &count), bad[i]);
}

int
main(void)
{
	const char *setting = getenv("NUMBER_ROUNDS");

	rounds = setting != NULL ? atoi(setting) : 300000;
	srandom(5);
	test_floats();
	test_halfway();
	test_arrays();
	test_integers();
	test_base64();
	return done_testing();
}
