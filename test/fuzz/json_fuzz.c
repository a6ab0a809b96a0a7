/*-------------------------------------------------------------------------
 *
 * json_fuzz.c
 *	  Fuzzing json.c and json_string.c, against jansson.
 *
 * The input is the text.  Ours takes just what jansson takes, but for what
 * oracle.h tells apart; and what ours finds in it is what is in jansson's tree.
 * It is the same where float_pool.c takes the numbers of arrays, and those are
 * what strtof makes of each.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <math.h>

#include "json/float_pool.h"
#include "fuzz.h"
#include "json/json.h"
#include "oracle.h"

static FloatPool pool;			/* of the text at hand, where it is JSON */

/* A string token: decodes to these bytes, is equal to just these, and comes back. */
static void
check_string(JsonSlice token, const char *bytes, size_t length)
{
	ByteBuffer	decoded = {0};
	ByteBuffer	quoted = {0};
	ByteBuffer	again = {0};
	JsonSlice	value;
	JsonFault	fault;
	const char *why;

	if (memchr(bytes, '\0', length) != NULL)
	{
		must(!json_decode_string(token, &decoded, &why));
		buffer_free(&decoded);
		return;
	}
	must(json_decode_string(token, &decoded, &why));
	must(decoded.length == length && memcmp(decoded.data, bytes, length) == 0);
	must(decoded.data[length] == '\0');
	must(json_string_equals(token, bytes, length));
	must(length == 0 || !json_string_equals(token, bytes, length - 1));
	must(!json_string_equals(token, bytes, length + 1));	/* both end with a NUL */
	must(is_utf8(bytes, length) && utf8_valid_prefix(bytes, length) == length);
	json_append_quoted(&quoted, bytes, length);
	must(json_parse(quoted.data, quoted.length, &value, &fault));
	must(value.length == quoted.length && json_kind(value) == JSON_STRING);
	must(json_decode_string(value, &again, &why));
	must(again.length == length && memcmp(again.data, bytes, length) == 0);
	buffer_free(&decoded);
	buffer_free(&quoted);
	buffer_free(&again);
}

static void
check_number(JsonSlice token, const OracleNode *node)
{
	char	   *text = copy_string(token.start, token.length);
	int64_t		integer;

	must(oracle_real(node) == strtod(text, NULL));
	must(json_to_int64(token, &integer) == oracle_is_integer(node));
	must(!oracle_is_integer(node) || integer == oracle_integer(node));
	free(text);
}

/* What float4's input does with the number; false: it refuses it. */
static bool
read_float4(JsonSlice token, float *value)
{
	char	   *text = copy_string(token.start, token.length);

	errno = 0;
	*value = strtof(text, NULL);
	free(text);
	return errno == 0;
}

/* An array was read if, and only if, it is nothing but numbers that fit. */
static void
check_floats(JsonSlice array)
{
	JsonSlice	read = float_pool_find(&pool, array.start);
	size_t		count = 0;
	const float *floats = read.start != NULL ? floats_of(read, &count) : NULL;
	JsonCursor	cursor = json_elements(array);
	JsonSlice	element;
	size_t		seen = 0;
	bool		fits = true;

	for (; fits && json_next_element(&cursor, &element); seen++)
	{
		float		value = 0;

		fits = json_kind(element) == JSON_NUMBER && read_float4(element, &value);
		if (floats != NULL)
			must(fits && seen < count && memcmp(&floats[seen], &value, sizeof(value)) == 0);
	}
	must(floats == NULL ? !fits || seen == 0 : seen == count);
	must(floats == NULL || json_kind(read) == JSON_FLOATS);
}

static void check_value(JsonSlice value, OracleNode *node);

static void
check_array(JsonSlice value, OracleNode *node)
{
	JsonCursor	cursor = json_elements(value);
	JsonSlice	element;
	size_t		count = 0;

	for (; json_next_element(&cursor, &element); count++)
	{
		must(count < oracle_size(node));
		must(element.start > value.start &&
			 element.start + element.length < value.start + value.length);
		check_value(element, oracle_element(node, count));
	}
	must(count == oracle_size(node));
	must(!json_next_element(&cursor, &element));
	check_floats(value);
}

static void
check_object(JsonSlice value, OracleNode *node)
{
	JsonCursor	cursor = json_members(value);
	JsonSlice	token;
	JsonSlice	member;
	JsonSlice	found;
	size_t		count = 0;
	size_t		last_ones = 0;

	for (; json_next_member(&cursor, &token, &member); count++)
	{
		ByteBuffer	name = {0};
		const char *why;

		must(json_decode_string(token, &name, &why));
		check_string(token, name.data, name.length);
		must(json_member(value, name.data, name.length, &found));
		must(oracle_member(node, name.data, name.length) != NULL);
		if (found.start == member.start)
		{
			last_ones++;
			check_value(member, oracle_member(node, name.data, name.length));
		}
		buffer_free(&name);
	}
	must(last_ones == oracle_member_count(node));
	must(!json_member(value, "not there\x01", 10, &found) || count > 0);
}

static void
check_value(JsonSlice value, OracleNode *node)
{
	static const OracleKind kinds[] = {
		[JSON_NULL] = ORACLE_NULL,[JSON_TRUE] = ORACLE_BOOLEAN,[JSON_FALSE] = ORACLE_BOOLEAN,
		[JSON_NUMBER] = ORACLE_NUMBER,[JSON_STRING] = ORACLE_STRING,
		[JSON_ARRAY] = ORACLE_ARRAY,[JSON_OBJECT] = ORACLE_OBJECT
	};
	const char *bytes;
	size_t		length;

	must(kinds[json_kind(value)] == oracle_kind(node));
	switch (oracle_kind(node))
	{
		case ORACLE_NULL:
			must(value.length == 4);
			break;
		case ORACLE_BOOLEAN:
			must((json_kind(value) == JSON_TRUE) == oracle_is_true(node));
			must(value.length == (oracle_is_true(node) ? 4 : 5));
			break;
		case ORACLE_NUMBER:
			check_number(value, node);
			break;
		case ORACLE_STRING:
			bytes = oracle_string(node, &length);
			check_string(value, bytes, length);
			break;
		case ORACLE_ARRAY:
			check_array(value, node);
			break;
		case ORACLE_OBJECT:
			check_object(value, node);
			break;
	}
}

/* Does every string token in a value decode?  Also walks all of it. */
static bool
all_decode(JsonSlice value)
{
	JsonCursor	cursor;
	JsonSlice	name = {NULL, 0};
	JsonSlice	inner;
	ByteBuffer	decoded = {0};
	const char *why = NULL;
	JsonKind	kind = json_kind(value);
	bool		good = true;

	if (kind == JSON_STRING)
	{
		good = json_decode_string(value, &decoded, &why);
		must(good || why != NULL);
		buffer_free(&decoded);
	}
	else if (kind == JSON_ARRAY)
	{
		for (cursor = json_elements(value); json_next_element(&cursor, &inner);)
			good &= all_decode(inner);
	}
	else if (kind == JSON_OBJECT)
	{
		for (cursor = json_members(value); json_next_member(&cursor, &name, &inner);)
		{
			good &= all_decode(name);
			good &= all_decode(inner);
		}
	}
	return good;
}

/* Whether the numbers of arrays are taken or not, a text is JSON or is not, for the same reason. */
static void
check_taking(const char *text, size_t size)
{
	JsonSlice	value = {NULL, 0};
	JsonSlice	again = {NULL, 0};
	JsonFault	fault;
	JsonFault	same;
	bool		good = json_parse(text, size, &value, &fault);

	float_pool_forget(&pool);
	must(json_parse_taking(text, size, float_pool_take, &pool, &again, &same) == good);
	if (good)
		must(again.start == value.start && again.length == value.length);
	else
		must(same.message == fault.message && same.offset == fault.offset &&
			 same.at_end == fault.at_end);
}

/* A text that was cut off is told from one that is wrong. */
static void
check_refusal(const char *text, size_t size, const JsonFault *fault)
{
	JsonSlice	value;
	JsonFault	before;

	must(fault->message != NULL && fault->message[0] != '\0');
	must(fault->offset <= size);
	must(fault->at_end == (fault->offset == size));

	/* up to the place of the fault, nothing was wrong but that there is more to come */
	if (fault->offset < size && !json_parse(text, fault->offset, &value, &before))
		must(before.at_end);
}

/* The valid prefix of any bytes, and nothing valid beyond it. */
static void
check_prefix(const char *text, size_t size)
{
	size_t		prefix = utf8_valid_prefix(text, size);

	must(prefix <= size && is_utf8(text, prefix));
	for (size_t more = 1; more <= 4 && prefix + more <= size; more++)
		must(!is_utf8(text, prefix + more));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	JsonSlice	value;
	JsonFault	fault = {0};
	OracleNode *root;
	OracleVerdict verdict = oracle_parse(text, size, &root);
	bool		accepted = json_parse(text, size, &value, &fault);

	if (verdict == ORACLE_JSON || verdict == ORACLE_REPEATED)
		must(accepted);
	else if (verdict == ORACLE_REFUSED || verdict == ORACLE_TOO_DEEP)
		must(!accepted);
	check_taking(text, size);
	if (!accepted)
		check_refusal(text, size, &fault);
	else if (root != NULL)
		check_value(value, root);
	else if (all_decode(value))
		must(verdict == ORACLE_BEYOND);
	check_prefix(text, size);
	oracle_free(root);
	return 0;
}
