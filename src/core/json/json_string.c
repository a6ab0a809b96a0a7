/*-------------------------------------------------------------------------
 *
 * json_string.c
 *	  JSON string tokens: decoding, comparing and writing them; UTF-8.
 *
 * Owns no memory: what is written goes to the caller's ByteBuffer.  Tokens are
 * trusted to have passed json_parse, so the closing quote stops every look
 * ahead.  What a valid token can still hold and text cannot (\u0000, half of a
 * surrogate pair) is refused here, with a reason.
 *
 *-------------------------------------------------------------------------
 */
#include "json/json_internal.h"

/* The escapes of one letter, and what they stand for. */
static const char escape_letters[] = "bfnrt";
static const char escape_meanings[] = "\b\f\n\r\t";

int
utf8_sequence(const char *bytes, size_t available)
{
	const unsigned char *p = (const unsigned char *) bytes;
	unsigned char low = 0x80;	/* the range of the second byte */
	unsigned char high = 0xbf;
	int			length;

	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;				/* below: overlong */
	else if (p[0] == 0xed)
		high = 0x9f;			/* above: surrogates */
	else if (p[0] == 0xf0)
		low = 0x90;				/* below: overlong */
	else if (p[0] == 0xf4)
		high = 0x8f;			/* above: beyond U+10FFFF */
	for (int i = 1; i < length; i++)
	{
		if ((size_t) i >= available)
			return -1;
		if (p[i] < low || p[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

size_t
utf8_valid_prefix(const char *bytes, size_t length)
{
	const char *p = bytes;
	const char *end = bytes + length;

	while (p < end)
	{
		if ((size_t) (end - p) >= WORD && (load_word(p) & EACH_BYTE(0x80)) == 0)
			p += WORD;
		else if ((*p & 0x80) == 0)
			p++;
		else
		{
			int			sequence = utf8_sequence(p, end - p);

			if (sequence <= 0)
				break;
			p += sequence;
		}
	}
	return p - bytes;
}

static int
encode_utf8(uint32_t code, char *out)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (char) (0xc0 | code >> 6);
		out[1] = (char) (0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (char) (0xe0 | code >> 12);
		out[1] = (char) (0x80 | (code >> 6 & 0x3f));
		out[2] = (char) (0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | code >> 18);
	out[1] = (char) (0x80 | (code >> 12 & 0x3f));
	out[2] = (char) (0x80 | (code >> 6 & 0x3f));
	out[3] = (char) (0x80 | (code & 0x3f));
	return 4;
}

static uint32_t
four_hex_digits(const char *p)
{
	uint32_t	code = 0;

	for (int i = 0; i < 4; i++)
		code = code << 4 | (uint32_t) hex_digit(p[i]);
	return code;
}

/*
 * Decodes the \u escape at p, and the one behind it where the two are a
 * surrogate pair.  The closing quote stops every look ahead.
 */
static const char *
decode_unicode(const char *p, char *out, int *length, const char **why)
{
	uint32_t	code = four_hex_digits(p + 2);

	p += 6;
	if (code == 0)
	{
		*why = "\\u0000 cannot be text";
		return NULL;
	}
	if (code >= 0xd800 && code <= 0xdfff)
	{
		uint32_t	second = 0;

		if (code < 0xdc00 && p[0] == '\\' && p[1] == 'u')
			second = four_hex_digits(p + 2);
		if (second < 0xdc00 || second > 0xdfff)
		{
			*why = "half of a surrogate pair cannot be text";
			return NULL;
		}
		code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
		p += 6;
	}
	*length = encode_utf8(code, out);
	return p;
}

/* Decodes the escape at p, at most 4 bytes.  Returns what is behind it, or NULL. */
static const char *
decode_escape(const char *p, char *out, int *length, const char **why)
{
	const char *letter;

	if (p[1] == 'u')
		return decode_unicode(p, out, length, why);
	letter = strchr(escape_letters, p[1]);
	out[0] = letter != NULL ? escape_meanings[letter - escape_letters] : p[1];
	*length = 1;
	return p + 2;
}

bool
json_string_equals(JsonSlice string, const char *bytes, size_t length)
{
	const char *p = string.start + 1;
	const char *end = string.start + string.length - 1;
	const char *why;

	if (memchr(p, '\\', end - p) == NULL)
		return (size_t) (end - p) == length && memcmp(p, bytes, length) == 0;
	while (p < end)
	{
		char		decoded[4];
		int			count = 1;

		decoded[0] = *p;
		if (*p == '\\')
			p = decode_escape(p, decoded, &count, &why);
		else
			p++;
		if (p == NULL || (size_t) count > length || memcmp(decoded, bytes, count) != 0)
			return false;
		bytes += count;
		length -= count;
	}
	return length == 0;
}

bool
json_decode_string(JsonSlice string, ByteBuffer *out, const char **why)
{
	const char *p = string.start + 1;
	const char *end = string.start + string.length - 1;

	buffer_append(out, p, 0);	/* an empty text is terminated too */
	while (p < end)
	{
		const char *escape = memchr(p, '\\', end - p);
		const char *run_end = escape != NULL ? escape : end;
		char		decoded[4];
		int			count;

		buffer_append(out, p, run_end - p);
		if (escape == NULL)
			break;
		p = decode_escape(escape, decoded, &count, why);
		if (p == NULL)
			return false;
		buffer_append(out, decoded, count);
	}
	return true;
}

static void
append_escape(ByteBuffer *out, char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *meaning = c != '\0' ? strchr(escape_meanings, c) : NULL;
	char		escape[6] = {'\\', c, '0', '0'};

	if (c == '"' || c == '\\')
		buffer_append(out, escape, 2);
	else if (meaning != NULL)
	{
		escape[1] = escape_letters[meaning - escape_meanings];
		buffer_append(out, escape, 2);
	}
	else
	{
		escape[1] = 'u';
		escape[4] = digits[c >> 4];
		escape[5] = digits[c & 0x0f];
		buffer_append(out, escape, 6);
	}
}

void
json_append_escaped(ByteBuffer *out, const char *bytes, size_t length)
{
	const char *end = bytes + length;
	const char *p = bytes;
	const char *run = bytes;	/* from here on nothing was appended */

	while (p < end)
	{
		SKIP_RUN(p, end, !block_has(p, specials), word_is_plain(load_word(p)));
		if (p == end)
			break;
		if ((unsigned char) *p >= 0x20 && *p != '"' && *p != '\\')
			p++;
		else
		{
			buffer_append(out, run, p - run);
			append_escape(out, *p);
			run = ++p;
		}
	}
	buffer_append(out, run, p - run);
}

void
json_append_quoted(ByteBuffer *out, const char *bytes, size_t length)
{
	buffer_append_char(out, '"');
	json_append_escaped(out, bytes, length);
	buffer_append_char(out, '"');
}
