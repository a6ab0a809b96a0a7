/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Byte buffers, UTF-8, hashes and the writing of JSON texts.
 *
 *-------------------------------------------------------------------------
 */
#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wctype.h>

#define REPLACEMENT_CHARACTER 0xFFFD

/* Odd numbers with about as many ones as zeros, to multiply with. */
#define HASH_FACTOR_A UINT64_C(0x9E3779B97F4A7C15)
#define HASH_FACTOR_B UINT64_C(0xD6E8FEB86659FD93)

static void
out_of_memory(void)
{
	fputs("mockapi: out of memory\n", stderr);
	_exit(1);
}

void *
xmalloc(size_t size)
{
	void	   *memory = malloc(size > 0 ? size : 1);

	if (memory == NULL)
		out_of_memory();
	return memory;
}

void *
xcalloc(size_t size)
{
	void	   *memory = calloc(1, size > 0 ? size : 1);

	if (memory == NULL)
		out_of_memory();
	return memory;
}

char *
xstrndup(const char *string, size_t length)
{
	char	   *copy = xmalloc(length + 1);

	memcpy(copy, string, length);
	copy[length] = '\0';
	return copy;
}

char *
buffer_reserve(Buffer *buffer, size_t more)
{
	if (buffer->capacity - buffer->length < more)
	{
		size_t		capacity = buffer->capacity * 2;

		if (capacity < buffer->length + more)
			capacity = buffer->length + more;
		if (capacity < 256)
			capacity = 256;
		buffer->data = realloc(buffer->data, capacity);
		if (buffer->data == NULL)
			out_of_memory();
		buffer->capacity = capacity;
	}
	return buffer->data + buffer->length;
}

void
buffer_append(Buffer *buffer, const void *bytes, size_t length)
{
	if (length == 0)
		return;
	memcpy(buffer_reserve(buffer, length), bytes, length);
	buffer->length += length;
}

void
buffer_append_string(Buffer *buffer, const char *string)
{
	buffer_append(buffer, string, strlen(string));
}

void
buffer_append_char(Buffer *buffer, char c)
{
	*buffer_reserve(buffer, 1) = c;
	buffer->length++;
}

void
buffer_append_format(Buffer *buffer, const char *format,...)
{
	va_list		args;
	int			length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);

	/* vsnprintf writes a NUL behind, which is reserved and not counted */
	va_start(args, format);
	vsnprintf(buffer_reserve(buffer, length + 1), length + 1, format, args);
	va_end(args);
	buffer->length += length;
}

void
buffer_append_integer(Buffer *buffer, int64_t value)
{
	char		digits[24];
	char	   *p = digits + sizeof(digits);
	uint64_t	rest = value < 0 ? -(uint64_t) value : (uint64_t) value;

	do
	{
		*--p = '0' + rest % 10;
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		*--p = '-';
	buffer_append(buffer, p, digits + sizeof(digits) - p);
}

/*
 * Nine digits are got by scaling to an integer in double precision.  That may
 * round a tie the other way than printf does, by one in the ninth digit, which
 * is a tenth of what would reach the neighbouring float4.
 */
void
buffer_append_float(Buffer *buffer, float value)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13};
	double		size = fabs((double) value);
	uint64_t	digits;
	int			decimals = 8;
	char		text[32];
	char	   *p = text + sizeof(text);

	if (size == 0)
	{
		buffer_append_char(buffer, '0');
		return;
	}
	if (!(size >= 1e-4 && size < 1e8))
	{
		buffer_append_format(buffer, "%.9g", (double) value);
		return;
	}
	while (size * powers[decimals] < 1e8)
		decimals++;
	while (size * powers[decimals] >= 1e9)
		decimals--;
	digits = (uint64_t) (size * powers[decimals] + 0.5);
	for (; decimals > 0 && digits % 10 == 0; decimals--)
		digits /= 10;
	if (decimals > 0)
	{
		for (; decimals > 0; decimals--, digits /= 10)
			*--p = '0' + digits % 10;
		*--p = '.';
	}
	do
	{
		*--p = '0' + digits % 10;
		digits /= 10;
	} while (digits > 0);
	if (value < 0)
		*--p = '-';
	buffer_append(buffer, p, text + sizeof(text) - p);
}

void
buffer_append_base64(Buffer *buffer, const void *bytes, size_t length)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = bytes;
	char	   *out = buffer_reserve(buffer, (length + 2) / 3 * 4);

	for (size_t i = 0; i < length; i += 3)
	{
		size_t		left = length - i;
		uint32_t	group = (uint32_t) in[i] << 16;

		if (left > 1)
			group |= (uint32_t) in[i + 1] << 8;
		if (left > 2)
			group |= in[i + 2];
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		*out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[group & 63] : '=';
	}
	buffer->length = out - buffer->data;
}

void
buffer_append_utf8(Buffer *buffer, uint32_t code)
{
	char	   *out = buffer_reserve(buffer, 4);
	int			length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};

	for (int i = length - 1; i > 0; i--, code >>= 6)
		out[i] = (char) (0x80 | (code & 0x3F));
	out[0] = (char) (lead[length] | code);
	buffer->length += length;
}

/* A character inside a JSON string. */
static void
append_json_character(Buffer *buffer, uint32_t code)
{
	if (code == '"' || code == '\\')
	{
		buffer_append_char(buffer, '\\');
		buffer_append_char(buffer, (char) code);
	}
	else if (code == '\n')
		buffer_append(buffer, "\\n", 2);
	else if (code < 0x20)
		buffer_append_format(buffer, "\\u%04x", code);
	else
		buffer_append_utf8(buffer, code == UTF8_INVALID ? REPLACEMENT_CHARACTER : code);
}

void
buffer_append_json(Buffer *buffer, const char *text, size_t length)
{
	const char *end = text + length;

	buffer_reserve(buffer, length + 2);
	buffer_append_char(buffer, '"');
	while (text < end)
	{
		const char *plain = text;

		while (text < end && (unsigned char) *text >= 0x20 && (unsigned char) *text < 0x80 &&
			   *text != '"' && *text != '\\')
			text++;
		buffer_append(buffer, plain, text - plain);
		if (text < end)
			append_json_character(buffer, utf8_next(&text, end));
	}
	buffer_append_char(buffer, '"');
}

void
buffer_append_json_upper(Buffer *buffer, const char *text, size_t length)
{
	const char *end = text + length;

	buffer_append_char(buffer, '"');
	while (text < end)
	{
		uint32_t	code = utf8_next(&text, end);

		append_json_character(buffer, code == UTF8_INVALID ? code : (uint32_t) towupper(code));
	}
	buffer_append_char(buffer, '"');
}

void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

/* Refuses what the Unicode standard does: overlong forms, surrogates, above U+10FFFF. */
uint32_t
utf8_next(const char **p, const char *end)
{
	const unsigned char *s = (const unsigned char *) *p;
	size_t		left = end - *p;
	int			more;
	uint32_t	code;
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

	(*p)++;
	if (s[0] < 0x80)
		return s[0];
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return UTF8_INVALID;
	more = s[0] < 0xE0 ? 1 : s[0] < 0xF0 ? 2 : 3;
	if (left <= (size_t) more)
		return UTF8_INVALID;
	code = s[0] & (0x3F >> more);
	for (int i = 1; i <= more; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
			return UTF8_INVALID;
		code = code << 6 | (s[i] & 0x3F);
	}
	if (code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
		return UTF8_INVALID;
	*p += more;
	return code;
}

size_t
utf8_length(const char *text, size_t length)
{
	const char *end = text + length;
	size_t		count = 0;

	for (; text < end; count++)
		utf8_next(&text, end);
	return count;
}

uint64_t
hash_mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t) (a ^ HASH_FACTOR_A) * (b ^ HASH_FACTOR_B);

	return (uint64_t) product ^ (uint64_t) (product >> 64);
}

uint64_t
hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
	const char *p = bytes;
	uint64_t	hash = hash_mix(seed, length);
	uint64_t	word;

	for (; length >= sizeof(word); p += sizeof(word), length -= sizeof(word))
	{
		memcpy(&word, p, sizeof(word));
		hash = hash_mix(hash ^ word, HASH_FACTOR_B >> 1);
	}
	word = 0;
	if (length > 0)
		memcpy(&word, p, length);
	return hash_mix(hash, word);
}
