/*-------------------------------------------------------------------------
 *
 * json.c
 *	  A strict JSON scanner that works on slices of the text itself.
 *
 * Owns no memory.  json_parse checks a whole text once, byte by byte, with a
 * stack of one bit a level; everything else trusts a text that passed, and so
 * needs to see only brackets and quotes.  Runs of ordinary bytes are taken 64
 * or eight at a time.  Failure is a value: JsonFault.
 *
 *-------------------------------------------------------------------------
 */
#include "json/json_internal.h"

typedef struct Scanner
{
	const char *text;
	const char *end;
	JsonFault  *fault;
	JsonNumberTaker take;		/* or NULL */
	void	   *taker;
	bool		complete;		/* the value just scanned is whole, not only
								 * opened */
	int			depth;
	uint8_t		is_object[JSON_MAX_DEPTH / 8 + 1];	/* one bit a level; else
													 * an array */
} Scanner;

/* Records why and where; at the end of the text always the same reason. */
static const char *
fail(Scanner *scanner, const char *p, const char *message)
{
	scanner->fault->at_end = p >= scanner->end;
	scanner->fault->message = scanner->fault->at_end ? "unexpected end of text" : message;
	scanner->fault->offset = p - scanner->text;
	return NULL;
}

/* From a backslash to behind its escape. */
static const char *
scan_escape(Scanner *scanner, const char *p)
{
	p++;
	if (p == scanner->end)
		return fail(scanner, p, NULL);
	if (*p != 'u')
	{
		if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
			return fail(scanner, p, "invalid escape in a string");
		return p + 1;
	}
	p++;
	for (int i = 0; i < 4; i++, p++)
	{
		if (p == scanner->end || hex_digit(*p) < 0)
			return fail(scanner, p, "invalid \\u escape in a string");
	}
	return p;
}

/* From a quote to behind the closing one. */
static const char *
scan_string(Scanner *scanner, const char *p)
{
	const char *end = scanner->end;

	p++;
	for (;;)
	{
		unsigned char c;

		SKIP_RUN(p, end, !block_has(p, specials), word_is_plain(load_word(p)));
		if (p == end)
			return fail(scanner, p, NULL);
		c = (unsigned char) *p;
		if (c == '"')
			return p + 1;
		if (c == '\\')
		{
			p = scan_escape(scanner, p);
			if (p == NULL)
				return NULL;
		}
		else if (c < 0x20)
			return fail(scanner, p, "control character in a string");
		else if (c < 0x80)
			p++;
		else
		{
			int			sequence = utf8_sequence(p, end - p);

			if (sequence <= 0)
				return fail(scanner, sequence < 0 ? end : p, "invalid UTF-8");
			p += sequence;
		}
	}
}

static inline const char *
skip_digits(const char *p, const char *end)
{
	while ((size_t) (end - p) >= WORD)
	{
		int			count = leading_digits(load_word_in_order(p));

		p += count;
		if (count < (int) WORD)
			return p;
	}
	while (p < end && is_digit(*p))
		p++;
	return p;
}

/* One digit or more. */
static inline const char *
scan_digits(Scanner *scanner, const char *p)
{
	if (p == scanner->end || !is_digit(*p))
		return fail(scanner, p, "invalid number");
	return skip_digits(p + 1, scanner->end);
}

static inline const char *
scan_number(Scanner *scanner, const char *p)
{
	const char *end = scanner->end;

	if (*p == '-')
		p++;
	if (p < end && *p == '0')
	{
		p++;
		if (p < end && is_digit(*p))
			return fail(scanner, p, "number with a leading zero");
	}
	else
		p = scan_digits(scanner, p);
	if (p != NULL && p < end && *p == '.')
		p = scan_digits(scanner, p + 1);
	if (p != NULL && p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = scan_digits(scanner, p);
	}
	return p;
}

/* Behind a number in an array: past the numbers that follow it without white space. */
static inline const char *
scan_numbers(Scanner *scanner, const char *p)
{
	const char *end = scanner->end;

	while (p != NULL && end - p >= 2 && *p == ',' && (is_digit(p[1]) || p[1] == '-'))
		p = scan_number(scanner, p + 1);
	return p;
}

/* Is what is being scanned directly in an array? */
static inline bool
in_array(const Scanner *scanner)
{
	int			level = scanner->depth - 1;

	return level >= 0 && ((scanner->is_object[level / 8] >> (level % 8)) & 1) == 0;
}

static const char *
scan_word(Scanner *scanner, const char *p, const char *word)
{
	for (; *word != '\0'; word++, p++)
	{
		if (p == scanner->end || *p != *word)
			return fail(scanner, p, "unknown word");
	}
	return p;
}

/* A member's name and its colon; p may be at white space before. */
static const char *
scan_name(Scanner *scanner, const char *p)
{
	p = skip_space(p, scanner->end);
	if (p == scanner->end || *p != '"')
		return fail(scanner, p, "expected a member name");
	p = scan_string(scanner, p);
	if (p == NULL)
		return NULL;
	p = skip_space(p, scanner->end);
	if (p == scanner->end || *p != ':')
		return fail(scanner, p, "expected \":\"");
	return p + 1;
}

/* An array's numbers, as far as they are taken; where they are, they are also checked. */
static const char *
take_numbers(Scanner *scanner, const char *array, const char *p)
{
	const char *behind;

	if (scanner->take == NULL || p == scanner->end || !(is_digit(*p) || *p == '-'))
		return p;
	behind = scanner->take(scanner->taker, array, p, scanner->end);
	scanner->complete = behind != p;
	return behind;
}

/*
 * An opening bracket: up to where its first value is expected, or behind an empty
 * pair, or where the closing one is.
 */
static const char *
scan_open(Scanner *scanner, const char *p)
{
	const char *open = p;
	bool		is_object = *p == '{';
	uint8_t		bit = 1 << (scanner->depth % 8);

	if (scanner->depth == JSON_MAX_DEPTH)
		return fail(scanner, p, "nested too deeply");
	p = skip_space(p + 1, scanner->end);
	if (p < scanner->end && *p == (is_object ? '}' : ']'))
		return p + 1;
	if (is_object)
		scanner->is_object[scanner->depth / 8] |= bit;
	else
		scanner->is_object[scanner->depth / 8] &= ~bit;
	scanner->depth++;
	scanner->complete = false;
	return is_object ? scan_name(scanner, p) : take_numbers(scanner, open, p);
}

/* A scalar, an empty container, or the opening of another one. */
static inline const char *
scan_value(Scanner *scanner, const char *p)
{
	scanner->complete = true;
	if (p == scanner->end)
		return fail(scanner, p, NULL);
	if (is_digit(*p) || *p == '-')
	{
		p = scan_number(scanner, p);
		return in_array(scanner) ? scan_numbers(scanner, p) : p;
	}
	switch (*p)
	{
		case '"':
			return scan_string(scanner, p);
		case '[':
		case '{':
			return scan_open(scanner, p);
		case 't':
			return scan_word(scanner, p, "true");
		case 'f':
			return scan_word(scanner, p, "false");
		case 'n':
			return scan_word(scanner, p, "null");
		default:
			return fail(scanner, p, "expected a value");
	}
}

/* Behind a whole value: up to where the next is expected, or out of the last container. */
static inline const char *
scan_after_value(Scanner *scanner, const char *p)
{
	while (scanner->depth > 0)
	{
		int			level = scanner->depth - 1;
		bool		is_object = (scanner->is_object[level / 8] >> (level % 8)) & 1;

		p = skip_space(p, scanner->end);
		if (p == scanner->end)
			return fail(scanner, p, NULL);
		if (*p == ',')
			return is_object ? scan_name(scanner, p + 1) : p + 1;
		if (*p != (is_object ? '}' : ']'))
			return fail(scanner, p, is_object ? "expected \",\" or \"}\"" :
						"expected \",\" or \"]\"");
		scanner->depth--;
		p++;
	}
	return p;
}

bool
json_parse(const char *text, size_t length, JsonSlice *value, JsonFault *fault)
{
	return json_parse_taking(text, length, NULL, NULL, value, fault);
}

bool
json_parse_taking(const char *text, size_t length, JsonNumberTaker take, void *taker,
				  JsonSlice *value, JsonFault *fault)
{
	Scanner		scanner;
	const char *p;

	scanner.text = text;
	scanner.end = text + length;
	scanner.fault = fault;
	scanner.take = take;
	scanner.taker = taker;
	scanner.depth = 0;
	memset(scanner.is_object, 0, sizeof(scanner.is_object));
	p = skip_space(text, scanner.end);
	value->start = p;
	do
	{
		p = scan_value(&scanner, skip_space(p, scanner.end));
		if (p != NULL && scanner.complete)
			p = scan_after_value(&scanner, p);
		if (p == NULL)
			return false;
	} while (scanner.depth > 0);
	value->length = p - value->start;
	p = skip_space(p, scanner.end);
	if (p != scanner.end)
	{
		fail(&scanner, p, "text after the value");
		return false;
	}
	return true;
}

JsonKind
json_kind(JsonSlice value)
{
	switch (*value.start)
	{
		case 'n':
			return JSON_NULL;
		case 't':
			return JSON_TRUE;
		case 'f':
			return JSON_FALSE;
		case '"':
			return JSON_STRING;
		case '[':
			return JSON_ARRAY;
		case '{':
			return JSON_OBJECT;
		case JSON_FLOATS_MARK:
			return JSON_FLOATS;
		default:
			return JSON_NUMBER;
	}
}

const char *
json_kind_name(JsonKind kind)
{
	switch (kind)
	{
		case JSON_NULL:
			return "null";
		case JSON_TRUE:
		case JSON_FALSE:
			return "boolean";
		case JSON_NUMBER:
			return "number";
		case JSON_STRING:
			return "string";
		case JSON_ARRAY:
		case JSON_FLOATS:
			return "array";
		case JSON_OBJECT:
			return "object";
	}
	return "value";
}

/* From a quote to behind the closing one, in a text that was checked. */
static const char *
skip_string(const char *p, const char *end)
{
	p++;
	for (;;)
	{
		SKIP_RUN(p, end, !block_has(p, quotes), !word_has_quote(load_word(p)));
		while (*p != '"' && *p != '\\')
			p++;
		if (*p == '"')
			return p + 1;
		p += 2;
	}
}

/* From an opening bracket to behind the one that closes it, in a text that was checked. */
static const char *
skip_container(const char *p, const char *end)
{
	size_t		depth = 0;

	for (;;)
	{
		SKIP_RUN(p, end, !block_has(p, brackets), !word_has_bracket(load_word(p)));
		switch (*p)
		{
			case '"':
				p = skip_string(p, end);
				continue;
			case '[':
			case '{':
				depth++;
				break;
			case ']':
			case '}':
				if (--depth == 0)
					return p + 1;
				break;
			default:
				break;
		}
		p++;
	}
}

static const char *
skip_value(const char *p, const char *end)
{
	if (*p == '"')
		return skip_string(p, end);
	if (*p == '[' || *p == '{')
		return skip_container(p, end);
	while (p < end && *p != ',' && *p != ']' && *p != '}' && !is_space(*p))
		p++;
	return p;
}

/* Both kinds of container are walked from behind one bracket to before the other. */
static JsonCursor
inside(JsonSlice container)
{
	JsonCursor	cursor = {container.start + 1, container.start + container.length - 1};

	return cursor;
}

JsonCursor
json_elements(JsonSlice array)
{
	return inside(array);
}

/* White space, and the comma behind the element or member before. */
static const char *
skip_separator(const JsonCursor *cursor)
{
	const char *p = skip_space(cursor->position, cursor->end);

	if (p < cursor->end && *p == ',')
		p = skip_space(p + 1, cursor->end);
	return p;
}

bool
json_next_element(JsonCursor *cursor, JsonSlice *value)
{
	const char *p = skip_separator(cursor);

	if (p == cursor->end)
	{
		cursor->position = p;
		return false;
	}
	value->start = p;
	p = skip_value(p, cursor->end);
	value->length = p - value->start;
	cursor->position = p;
	return true;
}

JsonCursor
json_members(JsonSlice object)
{
	return inside(object);
}

bool
json_next_member(JsonCursor *cursor, JsonSlice *name, JsonSlice *value)
{
	const char *p = skip_separator(cursor);

	if (p == cursor->end)
	{
		cursor->position = p;
		return false;
	}
	name->start = p;
	p = skip_string(p, cursor->end);
	name->length = p - name->start;
	p = skip_space(p, cursor->end);
	p = skip_space(p + 1, cursor->end); /* the colon */
	value->start = p;
	p = skip_value(p, cursor->end);
	value->length = p - value->start;
	cursor->position = p;
	return true;
}

bool
json_member(JsonSlice object, const char *name, size_t name_length, JsonSlice *value)
{
	JsonCursor	cursor = json_members(object);
	JsonSlice	member_name;
	JsonSlice	member;
	bool		found = false;

	while (json_next_member(&cursor, &member_name, &member))
	{
		if (json_string_equals(member_name, name, name_length))
		{
			*value = member;
			found = true;
		}
	}
	return found;
}

bool
json_to_int64(JsonSlice number, int64_t *value)
{
	const char *p = number.start;
	const char *end = number.start + number.length;
	bool		negative = *p == '-';
	uint64_t	limit = (uint64_t) INT64_MAX + (negative ? 1 : 0);
	uint64_t	magnitude = 0;

	if (negative)
		p++;
	if (p == end)
		return false;
	for (; p < end; p++)
	{
		uint64_t	digit = (uint64_t) (*p - '0');

		if (!is_digit(*p) || magnitude > (limit - digit) / 10)
			return false;
		magnitude = magnitude * 10 + digit;
	}
	*value = negative ? (int64_t) -magnitude : (int64_t) magnitude;
	return true;
}
