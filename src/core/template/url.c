/*-------------------------------------------------------------------------
 *
 * url.c
 *	  Checking, joining and encoding URLs, which may hold placeholders.
 *
 * A server's url bounds every job: what a job's path adds must stay below it,
 * so nothing is let through that some server takes for a way up ("..", also
 * percent-encoded or between encoded slashes, and empty segments).  What
 * stands between {{ and }} is a name, and none of these rules apply to it.
 * Owns no memory.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "template/placeholder.h"

#define MAPPING_HINT "Put credentials into a user mapping: " \
	"CREATE USER MAPPING ... OPTIONS (username '...', password '...')."
#define URL_HINT "Write it as https://host:port/path."

/* What is checked, for messages: "url" or "path". */
typedef struct UrlCheck
{
	const char *what;
	const char *text;
	TemplateFault *fault;
} UrlCheck;

static bool
refuse(const UrlCheck *check, const char *at, const char *hint, const char *problem)
{
	template_fault(check->fault, NULL, hint, "%s %s", check->what, problem);
	check->fault->offset = at - check->text;
	return false;
}

/* The first of the characters in a text that stands outside placeholders; else its end. */
static const char *
find_outside(const char *text, const char *end, const char *characters)
{
	const char *p = text;

	while (p < end)
	{
		/*
		 * only here can a mark begin, so looking for one costs nothing
		 * elsewhere
		 */
		if (p[0] == '{' && end - p > 1 && p[1] == '{')
		{
			MarkScan	scan = {p, end, false};
			Mark		mark;

			p = next_mark(&scan, &mark) ? mark.end : end;
		}
		else if (strchr(characters, *p) != NULL)
			return p;
		else
			p++;
	}
	return end;
}

/* Characters no URL can hold, outside placeholders; a backslash, which some take for a slash. */
static bool
check_characters(const UrlCheck *check, const char *from, const char *to)
{
	for (const char *p = from; p < to; p++)
	{
		unsigned char c = (unsigned char) *p;

		if (c <= 0x20 || c == 0x7f)
			return refuse(check, p, "Write a space as %20.",
						  "holds white space or a control character");
		if (c == '\\')
			return refuse(check, p, "Write a slash, or %5C for a backslash in a query.",
						  "holds a backslash");
		if (c == '#')
			return refuse(check, p, "Remove it, or write %23 for a literal \"#\".",
						  "holds a fragment (\"#\")");
		if (c == '%' && (to - p < 3 || !isxdigit((unsigned char) p[1]) ||
						 !isxdigit((unsigned char) p[2])))
			return refuse(check, p, "Write %25 for a literal \"%\".",
						  "holds a \"%\" without two hexadecimal digits");
		/* some servers take the text before it for the whole, such as ".." */
		if (c == '%' && p[1] == '0' && p[2] == '0')
			return refuse(check, p, "Remove it.", "holds a NUL (\"%00\")");
	}
	return true;
}

/* All characters, and each placeholder has its end. */
static bool
check_text(const UrlCheck *check, const char *text)
{
	const char *end = text + strlen(text);
	const char *from = text;
	MarkScan	scan = {text, end, false};
	Mark		mark;

	while (next_mark(&scan, &mark))
	{
		if (!check_characters(check, from, mark.start))
			return false;
		if (mark.kind == MARK_UNTERMINATED)
		{
			unterminated_fault(check->fault, check->what, check->text, &mark);
			return false;
		}
		from = mark.end;
	}
	return check_characters(check, from, end);
}

/* Is there a percent-encoded character at p?  Both cases of its last digit. */
static bool
is_encoded(const char *p, const char *end, char first, char last)
{
	return end - p >= 3 && p[0] == '%' && p[1] == first && (p[2] | 0x20) == last;
}

/* Encoded slashes and backslashes end a segment as well, since some servers decode them first. */
bool
url_segment_goes_up(const char *p, const char *end)
{
	int			dots = 0;
	int			others = 0;

	while (p < end)
	{
		if (is_encoded(p, end, '2', 'f') || is_encoded(p, end, '5', 'c'))
		{
			if (dots == 2 && others == 0)
				return true;
			dots = others = 0;
			p += 3;
		}
		else if (is_encoded(p, end, '2', 'e'))
		{
			dots++;
			p += 3;
		}
		else if (*p++ == '.')
			dots++;
		else
			others++;
	}
	return dots == 2 && others == 0;
}

/*
 * The segments from p, the first of which may be empty: the path's own leading
 * slash.  The last may be, too.
 */
static bool
check_segments(const UrlCheck *check, const char *p, const char *end)
{
	const char *first = p;

	for (;;)
	{
		const char *segment_end = find_outside(p, end, "/");

		if (segment_end == p && p != first && p < end)
			return refuse(check, p - 1, "Write one slash.", "holds \"//\"");
		if (url_segment_goes_up(p, segment_end))
			return refuse(check, p, "Write the path out without \"..\".", "holds a \"..\" segment");
		if (segment_end == end)
			return true;
		p = segment_end + 1;
	}
}

static bool
check_port(const UrlCheck *check, const char *port, size_t length)
{
	int			number = 0;

	if (strspn(port, "0123456789") >= length && length > 0 && length <= 5)
		number = atoi(port);
	if (number < 1 || number > 65535)
		return refuse(check, port, "Write a port from 1 to 65535, or none.",
					  "has a malformed port");
	return true;
}

static bool
is_host_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '_' || c == '.';
}

static const char *
skip_host(const char *p, const char *end)
{
	while (p < end && is_host_character(*p))
		p++;
	return p;
}

/*
 * An IPv6 address, and "%25" with a zone (RFC 6874): what follows a "]" that must be there.
 * NULL: it is none.  libcurl would take what is encoded there for something else.
 */
static const char *
skip_address(const char *p, const char *end)
{
	const char *start = p;
	const char *zone;

	while (p < end && (isxdigit((unsigned char) *p) || *p == ':' || *p == '.'))
		p++;
	if (p == start)
		return NULL;
	if (end - p > 3 && strncmp(p, "%25", 3) == 0)
	{
		zone = p + 3;
		p = skip_host(zone, end);
		if (p == zone)
			return NULL;
	}
	return p < end && *p == ']' ? p + 1 : NULL;
}

/* host, host:port, [address] or [address]:port */
static bool
check_authority(const UrlCheck *check, const char *host, size_t length)
{
	const char *end = host + length;
	const char *p;

	if (memchr(host, '@', length) != NULL)
		return refuse(check, host, MAPPING_HINT, "holds a user or a password");
	if (length == 2 && strncmp(host, "[]", 2) == 0)
		p = host;
	else if (length > 0 && *host == '[')
		p = skip_address(host + 1, end);
	else
		p = skip_host(host, end);
	if (p == NULL)
		return refuse(check, host, URL_HINT, "has a malformed host");

	/*
	 * What such a name is in ASCII libcurl would decide by the process's
	 * locale.
	 */
	if (p < end && (*p & 0x80) != 0)
		return refuse(check, p, "Write the host in its ASCII form, which begins with \"xn--\".",
					  "has a host with characters that are not ASCII");
	if (p == host)
		return refuse(check, host, URL_HINT, "has no host");
	if (p == end)
		return true;
	if (*p != ':')
		return refuse(check, p, URL_HINT, "has a malformed host");
	return check_port(check, p + 1, end - p - 1);
}

/* Length of "http://" or "https://" at the beginning; 0 where neither is there. */
static size_t
scheme_length(const char *url)
{
	if (strncasecmp(url, "http://", 7) == 0)
		return 7;
	if (strncasecmp(url, "https://", 8) == 0)
		return 8;
	return 0;
}

bool
url_check(const char *url, TemplateFault *fault)
{
	UrlCheck	check = {"url", url, fault};
	const char *end = url + strlen(url);
	size_t		scheme = scheme_length(url);
	const char *host = url + scheme;
	const char *path = host + strcspn(host, "/?");
	MarkScan	scan = {url, end, false};
	Mark		mark;

	if (!check_text(&check, url))
		return false;
	if (next_mark(&scan, &mark) && mark.start < path)
		return refuse(&check, mark.start, "Placeholders may stand in the path and the query.",
					  "holds a placeholder in its scheme or host");
	if (scheme == 0)
		return refuse(&check, url, URL_HINT, "does not begin with http:// or https://");
	if (!check_authority(&check, host, path - host))
		return false;
	return check_segments(&check, path, find_outside(path, end, "?"));
}

bool
url_path_check(const char *path, TemplateFault *fault)
{
	UrlCheck	check = {"path", path, fault};
	const char *end = path + strlen(path);
	const char *query = find_outside(path, end, "?");
	const char *second;

	if (!check_text(&check, path))
		return false;
	for (const char *p = path; p < query; p = find_outside(p + 1, query, ":"))
	{
		if (strncmp(p, "://", 3) == 0)
			return refuse(&check, p, "It is appended to the server's url: give only what follows.",
						  "holds a scheme");
	}
	if (query < end && (second = find_outside(query + 1, end, "?")) < end)
		return refuse(&check, second, "Write \"&\" between parameters, or %3F for a literal \"?\".",
					  "holds a second \"?\"");
	return check_segments(&check, path, query);
}

void
url_join(ByteBuffer *out, const char *url, const char *path)
{
	const char *url_end = url + strlen(url);
	const char *url_query = find_outside(url, url_end, "?");
	const char *path_end = path != NULL ? path + strlen(path) : NULL;
	const char *path_query = path != NULL ? find_outside(path, path_end, "?") : NULL;
	const char *base_end = url_query;
	char		separator = '?';

	if (path != NULL && path < path_query)
	{
		if (base_end > url && base_end[-1] == '/')
			base_end--;
		buffer_append(out, url, base_end - url);
		if (*path != '/')
			buffer_append_char(out, '/');
		buffer_append(out, path, path_query - path);
	}
	else
		buffer_append(out, url, base_end - url);
	if (url_query < url_end && url_query + 1 < url_end)
	{
		buffer_append_char(out, separator);
		buffer_append(out, url_query + 1, url_end - url_query - 1);
		separator = '&';
	}
	if (path != NULL && path_query < path_end && path_query + 1 < path_end)
	{
		buffer_append_char(out, separator);
		buffer_append(out, path_query + 1, path_end - path_query - 1);
	}
}

void
url_append_encoded(ByteBuffer *out, const char *bytes, size_t length)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) bytes[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '.' || c == '_' || c == '~')
			buffer_append_char(out, (char) c);
		else
		{
			char		encoded[3] = {'%', digits[c >> 4], digits[c & 0x0f]};

			buffer_append(out, encoded, 3);
		}
	}
}
