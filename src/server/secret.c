/*-------------------------------------------------------------------------
 *
 * secret.c
 *	  Where a text holds a secret, in whatever way that is written.
 *
 * APIs quote what they were sent, in messages and in values: as it is, within
 * JSON (also within JSON that is a string of another), percent-encoded, in
 * base64, or cut to a length.  A text is compared with a secret character by
 * character, each in any of the ways that it may be written.
 *
 *-------------------------------------------------------------------------
 */
#include "server/secret.h"

#include <ctype.h>

#include "common/base64.h"
#include "mb/pg_wchar.h"

#include "common/encoding.h"
#include "common/pg_compat.h"

/* So many characters of a secret are too many, though the rest is missing; */
#define LONG_BEGINNING 8

/* and so many where the text ends, or was cut. */
#define BEGINNING_AT_END 4

/* Shorter parts of a header's value are no secrets, but words. */
#define SHORTEST_PART 8

/* Shorter base64 might stand in a text by chance. */
#define SHORTEST_BASE64 12

struct Secrets
{
	List	   *texts;			/* of char * */
	List	   *encoded;		/* of char *: base64 of them, of either
								 * alphabet */
	bool		may_begin[256]; /* bytes that one of them may begin with */
};

/*
 * Ways to write a character
 */

/* A hexadecimal number of so many digits; -1: there is none. */
static int
hexadecimal(const char *p, const char *end, int digits)
{
	int			number = 0;

	if (end - p < digits)
		return -1;
	for (int i = 0; i < digits; i++)
	{
		if (!isxdigit((unsigned char) p[i]))
			return -1;
		number = number * 16 + (isdigit((unsigned char) p[i]) ? p[i] - '0'
								: (p[i] | 0x20) - 'a' + 10);
	}
	return number;
}

/* The character as JSON's \uXXXX, of which the letter u is at p; returns what of that it takes. */
static size_t
match_unicode(const char *p, const char *end, pg_wchar character)
{
	if (p == end || *p != 'u')
		return 0;
	if (character < 0x10000)
		return hexadecimal(p + 1, end, 4) == (int) character ? 5 : 0;
	/* the second half comes behind another backslash, or several */
	if (hexadecimal(p + 1, end, 4) == (int) (0xd7c0 + (character >> 10)))
		for (const char *half = p + 5; half < end && (*half == '\\' || *half == 'u'); half++)
			if (*half == 'u')
				return hexadecimal(half + 1, end, 4) == (int) (0xdc00 + (character & 0x3ff))
					? half + 5 - p : 0;
	return 0;
}

/* The letter behind a backslash that is JSON's for a control character; 0: there is none. */
static char
short_escape(char character)
{
	static const char characters[] = "\b\f\n\r\t";
	const char *found = strchr(characters, character);

	return character == '\0' || found == NULL ? '\0' : "bfnrt"[found - characters];
}

/* As %XX, all of its bytes. */
static size_t
match_percent(const char *p, const char *end, const char *character, int length)
{
	for (int i = 0; i < length; i++, p += 3)
		if (end - p < 3 || *p != '%' ||
			hexadecimal(p + 1, end, 2) != (unsigned char) character[i])
			return 0;
	return 3 * (size_t) length;
}

/*
 * JSON within JSON doubles its backslashes; so a backslash, or a run of them,
 * may be any number of them, each written in any way.
 */
static size_t
match_backslashes(const char *p, const char *end)
{
	const char *from = p;
	const char *before;

	do
	{
		before = p;
		while (p < end && *p == '\\')
			p++;
		if (p > from && match_unicode(p, end, '\\') > 0)
			p += 5;
		if (p < end && *p == '%')
			p += match_percent(p, end, "\\", 1);
	} while (p > before);
	return p - from;
}

/*
 * The bytes at p that stand for the character; 0: they stand for another.  Of
 * backslashes before, one may have been its own.
 */
static size_t
match_character(const char *p, const char *end, const char *character, int length,
				bool after_backslash)
{
	const char *escaped = p;
	size_t		taken;

	if (*character == '\\')
		return match_backslashes(p, end);
	while (escaped < end && *escaped == '\\')
		escaped++;
	if (end - p >= length && memcmp(p, character, length) == 0)
		return length;
	if (*p == '%')
		return match_percent(p, end, character, length);
	if (*p == '+' && *character == ' ')
		return 1;
	if ((escaped == p && !after_backslash) || escaped == end ||
		pg_utf_mblen((const unsigned char *) character) != length)
		return 0;
	if (*escaped == *character && strchr("\"'/", *character) != NULL)
		return escaped - p + 1;
	if (*escaped == short_escape(*character))
		return escaped - p + 1;
	taken = match_unicode(escaped, end, utf8_to_unicode((const unsigned char *) character));
	return taken > 0 ? escaped - p + taken : 0;
}

/* Base64 also of the alphabet for URLs, and percent-encoded. */
static size_t
match_base64(const char *p, const char *end, const char *digit)
{
	if ((*p == '-' && *digit == '+') || (*p == '_' && *digit == '/'))
		return 1;
	return match_character(p, end, digit, 1, false);
}

static bool
is_cut(const char *p, const char *end)
{
	return p == end || (end - p >= 3 && strncmp(p, "...", 3) == 0);
}

/* What the text has at p of one secret. */
static size_t
match_secret(const char *p, const char *end, const char *secret, bool is_base64)
{
	const char *from = p;
	size_t		whole = strlen(secret);
	int			characters = 0;
	bool		after_backslash = false;

	if ((size_t) (end - p) >= whole && memcmp(p, secret, whole) == 0)
		return whole;
	while (*secret != '\0' && p < end)
	{
		int			length = Min(pg_utf_mblen((const unsigned char *) secret),
								 (int) strlen(secret));
		size_t		taken = is_base64 ? match_base64(p, end, secret)
			: match_character(p, end, secret, length, after_backslash);

		if (taken == 0)
			break;
		p += taken;
		after_backslash = *secret == '\\';
		secret += after_backslash ? (int) strspn(secret, "\\") : length;
		characters++;
	}
	if (*secret == '\0' || characters >= LONG_BEGINNING ||
		(characters >= BEGINNING_AT_END && is_cut(p, end)))
		return p - from;
	return 0;
}

static size_t
longest_match(const List *secrets, const char *p, const char *end, bool is_base64)
{
	size_t		longest = 0;
	ListCell   *cell;

	foreach(cell, secrets)
	{
		longest = Max(longest, match_secret(p, end, lfirst(cell), is_base64));
	}
	return longest;
}

size_t
secret_length_at(const Secrets *secrets, const char *p, const char *end)
{
	size_t		length;

	if (!secrets->may_begin[(unsigned char) *p])
		return 0;
	length = longest_match(secrets->texts, p, end, false);
	return Max(length, longest_match(secrets->encoded, p, end, true));
}

/*
 * What is looked for
 */
static void
note_beginning(Secrets *secrets, const char *text)
{
	secrets->may_begin[(unsigned char) *text] = true;
	secrets->may_begin['%'] = secrets->may_begin['\\'] = true;
	if (*text == '+')
		secrets->may_begin['-'] = true;
	if (*text == '/')
		secrets->may_begin['_'] = true;
	if (*text == ' ')
		secrets->may_begin['+'] = true;
}

/*
 * Base64 of bytes that begin at that place of a group of three.  Digits that
 * depend on bytes around them are left out.
 */
static void
add_base64(Secrets *secrets, const char *bytes, int place)
{
	int			length = place + (int) strlen(bytes);
	int			first = place == 0 ? 0 : place + 1;
	int			end = length * 8 / 6;
	char	   *padded = psprintf("%.*s%s", place, "  ", bytes);
	char	   *encoded = palloc0(pg_b64_enc_len(length) + 1);

	if (compat_b64_encode(padded, length, encoded, pg_b64_enc_len(length)) < 0 ||
		end - first < SHORTEST_BASE64)
		return;
	encoded[end] = '\0';
	secrets->encoded = lappend(secrets->encoded, encoded + first);
	note_beginning(secrets, encoded + first);
}

static void
add_text(Secrets *secrets, const char *text)
{
	if (text[0] == '\0')
		return;
	secrets->texts = lappend(secrets->texts, pstrdup(text));
	note_beginning(secrets, text);
	for (int place = 0; place < 3; place++)
		add_base64(secrets, text, place);
}

/* What becomes of UTF-8 whose bytes are taken for characters of LATIN1, as many do with headers. */
static char *
mistaken_for_latin1(const char *text)
{
	char	   *utf8 = palloc(2 * strlen(text) + 1);
	char	   *out = utf8;

	for (; *text != '\0'; text++)
	{
		unsigned char byte = (unsigned char) *text;

		if (byte < 0x80)
			*out++ = *text;
		else
		{
			*out++ = (char) (0xc0 | byte >> 6);
			*out++ = (char) (0x80 | (byte & 0x3f));
		}
	}
	*out = '\0';
	return utf8;
}

static void
add_other(Secrets *secrets, const char *text, const char *other)
{
	if (strcmp(other, text) != 0)
		add_text(secrets, other);
}

/* A secret in UTF-8. */
static void
add_secret(Secrets *secrets, const char *text, bool of_database)
{
	char	   *mistaken = mistaken_for_latin1(text);

	add_text(secrets, text);
	add_other(secrets, text, mistaken);
	if (of_database)
	{
		add_other(secrets, text, message_from_utf8(text));
		add_other(secrets, mistaken, message_from_utf8(mistaken));
	}
}

/* A header's value; of "Bearer token" and the like what follows the scheme, and its parts. */
static void
add_header(Secrets *secrets, const char *line, bool of_database)
{
	const char *value = strchr(line, ':');
	const char *scheme_end;

	if (value == NULL)
		return;
	value += 1 + strspn(value + 1, " ");
	scheme_end = strchr(value, ' ');
	if (pg_strncasecmp(line, "authorization:", strlen("authorization:")) == 0 &&
		scheme_end != NULL)
		value = scheme_end + strspn(scheme_end, " ");
	add_secret(secrets, value, of_database);
	for (const char *part = value; *part != '\0';)
	{
		int			length = (int) strcspn(part, " ,;=\"");

		if (length >= SHORTEST_PART && length < (int) strlen(value))
			add_secret(secrets, pnstrdup(part, length), of_database);
		part += length + (part[length] != '\0');
	}
}

/* A text without its percent-encoding, which url_append_encoded made. */
static char *
percent_decoded(const char *text)
{
	char	   *decoded = pstrdup(text);
	char	   *out = decoded;
	const char *end = text + strlen(text);

	while (text < end)
	{
		int			code = *text == '%' ? hexadecimal(text + 1, end, 2) : -1;

		*out++ = code < 0 ? *text : (char) code;
		text += code < 0 ? 1 : 3;
	}
	*out = '\0';
	return decoded;
}

Secrets *
secrets_of(const Credentials *credentials, bool of_database)
{
	Secrets    *secrets = palloc0(sizeof(Secrets));
	ListCell   *cell;

	if (credentials == NULL)
		return secrets;
	foreach(cell, credentials->headers)
	{
		add_header(secrets, lfirst(cell), of_database);
	}
	foreach(cell, credentials->query)
	{
		const char *value = strchr(lfirst(cell), '=');

		if (value != NULL)
			add_secret(secrets, percent_decoded(value + 1), of_database);
	}
	if (credentials->userpwd != NULL)
	{
		const char *password = strchr(credentials->userpwd, ':');

		add_secret(secrets, password ? password + 1 : credentials->userpwd, of_database);
		add_base64(secrets, credentials->userpwd, 0);
	}
	return secrets;
}
