/*-------------------------------------------------------------------------
 *
 * number_fuzz.c
 *	  Fuzzing number.c, against strtof, strtod and integers of 128 bits.
 *
 * The input's first byte says what the rest is: the text of a JSON array; eight
 * bytes of a double and how it is to be written; base64; or bytes that make base64.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <math.h>

#include "fuzz.h"
#include "json/number.h"

/* What the token says, where it is an integer that 128 bits can hold. */
static bool
integer_value(const char *text, __int128 *value)
{
	bool		negative = *text == '-';

	*value = 0;
	for (text += negative; *text >= '0' && *text <= '9'; text++)
	{
		if (*value > ((__int128) 1 << 100))
			return false;
		*value = *value * 10 + (*text - '0');
	}
	if (negative)
		*value = -*value;
	return *text == '\0';
}

static void
check_integer(const Number *number, const char *text, int64_t min, int64_t max)
{
	__int128	expected;
	int64_t		value;
	bool		fits = integer_value(text, &expected) && expected >= min && expected <= max;

	if (number_to_integer(number, min, max, &value))
		must(fits && value == (int64_t) expected);
	else
		must(!fits || !number->complete || expected == INT64_MIN);
}

/* One number of an array that is JSON. */
static void
check_number(JsonSlice token, const char *end)
{
	char	   *text = copy_string(token.start, token.length);
	float		right4 = strtof(text, NULL);
	double		right8 = strtod(text, NULL);
	float		real4;
	double		real8;
	Number		number;

	must(number_scan(token.start, end, &number));
	must(number.start == token.start && number.end == token.start + token.length);
	must(number.negative == (text[0] == '-'));
	must(number.integral == (strpbrk(text, ".eE") == NULL));
	if (number_to_float4(&number, &real4))
		must(memcmp(&real4, &right4, sizeof(float)) == 0);
	if (number_to_float8(&number, &real8))
		must(memcmp(&real8, &right8, sizeof(double)) == 0);
	else
		must(isinf(right8) || fabs(right8) < 2.3e-308);
	check_integer(&number, text, INT32_MIN, INT32_MAX);
	check_integer(&number, text, INT64_MIN, INT64_MAX);
	free(text);
}

static void
check_array(const char *text, size_t length)
{
	JsonSlice	array;
	JsonSlice	element;
	JsonFault	fault;
	JsonCursor	cursor;
	Number		number;

	if (!json_parse(text, length, &array, &fault) || json_kind(array) != JSON_ARRAY)
		return;
	for (cursor = json_elements(array); json_next_element(&cursor, &element);)
	{
		if (json_kind(element) == JSON_NUMBER)
			check_number(element, cursor.end);
		else
			must(!number_scan(element.start, cursor.end, &number));
	}
}

/* A double, and its neighbour halfway between two floats, in so many digits. */
static void
check_double(Input *input)
{
	static const char *const formats[] = {"[%.*g]", "[%.*e]", "[%.*f]", "[-%.*g,1]"};
	int			format = next_choice(input, 4);
	int			digits = next_choice(input, 40);
	double		value;
	uint64_t	bits;
	char		text[500];

	if (input->end - input->at < (ptrdiff_t) sizeof(value))
		return;
	memcpy(&value, input->at, sizeof(value));
	for (int halfway = 0; halfway < 2; halfway++)
	{
		if (!isfinite(value))
			return;
		snprintf(text, sizeof(text), formats[format], digits, fabs(value));
		check_array(text, strlen(text));
		memcpy(&bits, &value, sizeof(bits));
		bits = (bits & ~UINT64_C(0x1fffffff)) | UINT64_C(0x10000000);
		memcpy(&value, &bits, sizeof(bits));
	}
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Is it base64, padded, of whole floats? */
static bool
is_base64(const char *text, size_t length, size_t *count)
{
	size_t		padding = 0;
	size_t		bytes;

	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < length - padding; i++)
	{
		if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL)
			return false;
	}
	bytes = length / 4 * 3 - (length >= 4 ? padding : 0);
	*count = bytes / 4;
	return length > 0 && length % 4 == 0 && bytes % 4 == 0;
}

static void
check_base64(const char *text, size_t length)
{
	float	   *floats = malloc(length / 4 * sizeof(float) + 1);
	size_t		count = 0;
	size_t		expected = 0;
	bool		good = is_base64(text, length, &expected);

	must(number_decode_base64(text, length, floats, &count) == good);
	if (good)
		must(count == expected);
	free(floats);
}

/* What is encoded here comes out of it to the bit. */
static void
check_encoded(const char *bytes, size_t length)
{
	char	   *text = malloc(length * 2 + 5);
	float	   *floats = malloc(length * 2 + 5);
	size_t		used = 0;
	size_t		count;

	length -= length % 4;
	for (size_t i = 0; i < length; i += 3)
	{
		unsigned char three[3] = {0};
		size_t		taken = length - i < 3 ? length - i : 3;

		memcpy(three, bytes + i, taken);
		text[used++] = alphabet[three[0] >> 2];
		text[used++] = alphabet[(three[0] & 3) << 4 | three[1] >> 4];
		text[used++] = taken > 1 ? alphabet[(three[1] & 15) << 2 | three[2] >> 6] : '=';
		text[used++] = taken > 2 ? alphabet[three[2] & 63] : '=';
	}
	must(number_decode_base64(text, used, floats, &count) == (length > 0));
	must(length == 0 || (count == length / 4 && memcmp(floats, bytes, length) == 0));
	free(text);
	free(floats);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {(const char *) data, (const char *) data + size};
	int			mode = next_choice(&input, 4);
	size_t		length = input.end - input.at;

	switch (mode)
	{
		case 0:
			check_array(input.at, length);
			break;
		case 1:
			check_double(&input);
			break;
		case 2:
			check_base64(input.at, length);
			break;
		default:
			check_encoded(input.at, length);
			break;
	}
	return 0;
}
