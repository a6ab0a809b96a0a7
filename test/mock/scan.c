/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Reads JSON as slices of its own text, so numbers keep their digits.
 *
 * Strict as RFC 8259 is, and about UTF-8 and surrogates too: a client that
 * sends anything less gets told.
 *
 *-------------------------------------------------------------------------
 */
#include "scan.h"

#include <string.h>

/* Deeper nesting is refused: the scanner recurses. */
#define MAX_DEPTH 2500

static const char *scan_value(const char *p, const char *end, int depth);

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* Four hexadecimal digits, or -1. */
static int32_t
hex4(const char *p, const char *end)
{
	int32_t		value = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char		c = p[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			value = value << 4 | ((c | 32) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* The \uXXXX or pair of them at p: moves p behind and returns the character, else NULL. */
static const char *
scan_unicode(const char *p, const char *end, uint32_t *code)
{
	int32_t		high = hex4(p + 2, end);
	int32_t		low;

	if (high < 0 || (high >= 0xDC00 && high <= 0xDFFF))
		return NULL;
	*code = high;
	p += 6;
	if (high < 0xD800 || high > 0xDBFF)
		return p;
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return NULL;
	low = hex4(p + 2, end);
	if (low < 0xDC00 || low > 0xDFFF)
		return NULL;
	*code = 0x10000 + ((uint32_t) (high - 0xD800) << 10) + (low - 0xDC00);
	return p + 6;
}

/* The escape at p: moves behind it and says which character it means, else NULL. */
static const char *
scan_escape(const char *p, const char *end, uint32_t *code)
{
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (end - p < 2)
		return NULL;
	if (p[1] == 'u')
		return scan_unicode(p, end, code);
	name = p[1] != '\0' ? strchr(names, p[1]) : NULL;
	if (name == NULL)
		return NULL;
	*code = (unsigned char) values[name - names];
	return p + 2;
}

static const char *
scan_string(const char *p, const char *end)
{
	uint32_t	code;

	p++;
	while (p != NULL && p < end)
	{
		unsigned char c = (unsigned char) *p;

		if (c == '"')
			return p + 1;
		if (c < 0x20)
			return NULL;
		if (c == '\\')
			p = scan_escape(p, end, &code);
		else if (c < 0x80)
			p++;
		else if (utf8_next(&p, end) == UTF8_INVALID)
			return NULL;
	}
	return NULL;
}

/* One digit or more, else NULL. */
static const char *
scan_digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > start ? p : NULL;
}

static const char *
scan_number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else
		p = scan_digits(p, end);
	if (p != NULL && p < end && *p == '.')
		p = scan_digits(p + 1, end);
	if (p != NULL && p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = scan_digits(p, end);
	}
	return p;
}

static const char *
scan_word(const char *p, const char *end, const char *word)
{
	size_t		length = strlen(word);

	return (size_t) (end - p) >= length && memcmp(p, word, length) == 0 ? p + length : NULL;
}

/* An object's name with its colon. */
static const char *
scan_name(const char *p, const char *end)
{
	if (p >= end || *p != '"')
		return NULL;
	p = scan_string(p, end);
	if (p == NULL)
		return NULL;
	p = skip_space(p, end);
	return p < end && *p == ':' ? skip_space(p + 1, end) : NULL;
}

static const char *
scan_container(const char *p, const char *end, int depth)
{
	bool		object = *p == '{';
	char		closing = object ? '}' : ']';

	p = skip_space(p + 1, end);
	if (p < end && *p == closing)
		return p + 1;
	for (;;)
	{
		if (object && (p = scan_name(p, end)) == NULL)
			return NULL;
		p = scan_value(p, end, depth + 1);
		if (p == NULL)
			return NULL;
		p = skip_space(p, end);
		if (p >= end || (*p != ',' && *p != closing))
			return NULL;
		if (*p == closing)
			return p + 1;
		p = skip_space(p + 1, end);
	}
}

/* The value that begins at p: returns what is behind it, or NULL. */
static const char *
scan_value(const char *p, const char *end, int depth)
{
	if (p >= end || depth > MAX_DEPTH)
		return NULL;
	switch (*p)
	{
		case '{':
		case '[':
			return scan_container(p, end, depth);
		case '"':
			return scan_string(p, end);
		case 't':
			return scan_word(p, end, "true");
		case 'f':
			return scan_word(p, end, "false");
		case 'n':
			return scan_word(p, end, "null");
		default:
			return scan_number(p, end);
	}
}

Slice
scan_text(const char *text, size_t length)
{
	const char *end = text + length;
	Slice		value = {NULL, 0};
	const char *behind;

	if (length == 0)
		return value;
	text = skip_space(text, end);
	behind = scan_value(text, end, 0);
	if (behind != NULL && skip_space(behind, end) == end)
	{
		value.start = text;
		value.length = behind - text;
	}
	return value;
}

bool
scan_is(Slice value, char first)
{
	return value.start != NULL && value.start[0] == first;
}

bool
scan_equals(Slice value, const char *string)
{
	Buffer		text = {0};
	bool		equal;

	if (!scan_is(value, '"'))
		return false;
	if (memchr(value.start, '\\', value.length) == NULL)
		return value.length - 2 == strlen(string) &&
			memcmp(value.start + 1, string, value.length - 2) == 0;
	scan_append_text(&text, value);
	equal = text.length == strlen(string) && memcmp(text.data, string, text.length) == 0;
	buffer_free(&text);
	return equal;
}

Slice
scan_member(Slice object, const char *name)
{
	const char *end = object.start + object.length;
	const char *p = object.start;
	Slice		found = {NULL, 0};

	if (!scan_is(object, '{'))
		return found;
	for (p = skip_space(p + 1, end); *p != '}'; p = skip_space(p, end))
	{
		Slice		key = {p, scan_string(p, end) - p};
		Slice		value;

		value.start = scan_name(p, end);
		p = scan_value(value.start, end, 0);
		value.length = p - value.start;
		if (scan_equals(key, name))
			found = value;		/* the last one counts, as in jsonb */
		p = skip_space(p, end);
		if (*p == ',')
			p++;
	}
	return found;
}

bool
scan_element(Slice array, const char **position, Slice *element)
{
	const char *end = array.start + array.length;
	const char *p = *position;

	if (!scan_is(array, '['))
		return false;
	p = skip_space(p == NULL ? array.start + 1 : p, end);
	if (*p == ',')
		p = skip_space(p + 1, end);
	if (*p == ']')
		return false;
	element->start = p;
	*position = scan_value(p, end, 0);
	element->length = *position - p;
	return true;
}

void
scan_append_text(Buffer *buffer, Slice value)
{
	const char *p = value.start;
	const char *end = value.start + value.length;

	if (!scan_is(value, '"'))
	{
		buffer_append(buffer, value.start, value.length);
		return;
	}
	buffer_reserve(buffer, value.length);
	for (p++, end--; p < end;)
	{
		const char *plain = p;
		uint32_t	code;

		while (p < end && *p != '\\')
			p++;
		buffer_append(buffer, plain, p - plain);
		if (p < end && (p = scan_escape(p, end, &code)) != NULL)
			buffer_append_utf8(buffer, code);
	}
}
