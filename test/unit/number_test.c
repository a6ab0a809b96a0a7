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

#include "number.h"
#include "tap.h"

#define ROUNDS 300000

static int	taken4;				/* how many float4 were read the fast way */

/* Scans text that is followed by what follows a number in an array. */
static bool
scan(const char *text, Number *number)
{
	static char array[200];

	snprintf(array, sizeof(array), "%s, 1]", text);
	return number_scan(array, number) &&
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
	for (int i = 0; i < ROUNDS && good; i++)
	{
		snprintf(text, sizeof(text), "%.*g", (int) (random() % 18 + 1), random_share() * 2 - 1);
		good = agrees(text);
	}
	ok(good, "shares of one with up to 18 digits");
	ok(taken4 > ROUNDS * 0.99, "and hardly one took the slow way");

	for (int i = 0; i < ROUNDS && good; i++)
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

	for (int i = 0; i < ROUNDS && good; i++)
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
	ok(!number_scan("null]", &number) && !number_scan("\"1\"]", &number) &&
	   !number_scan("[1]]", &number) && !number_scan("-x", &number), "no numbers");
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
	srandom(5);
	test_floats();
	test_halfway();
	test_integers();
	test_base64();
	return done_testing();
}
