/*-------------------------------------------------------------------------
 *
 * rate_headers.c
 *	  How long an answer asks to be left alone, by its headers.
 *
 * Owns nothing.  The headers of one limit are recognised by what is left of
 * their names without "reset" or "remaining".
 *
 *-------------------------------------------------------------------------
 */
#include "http/rate_headers.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>

#define NAME_SIZE 64
#define VALUE_SIZE 256

/* Numbers from here on are no durations, but seconds or milliseconds since 1970. */
#define EPOCH_S 1e9
#define EPOCH_MS 1e12

/* Far more than counts, and far from overflow. */
#define MAX_SECONDS 1e9

void
rate_headers_clear(RateHeaders *headers)
{
	headers->retry_after_ms = -1;
	headers->limit_count = 0;
}

/*
 * Values.
 */

static double
min_double(double a, double b)
{
	return a < b ? a : b;
}

/* A decimal number at *text, which moves behind it; no sign, no exponent.  -1: there is none. */
static double
read_number(const char **text)
{
	double		number = 0;
	double		unit = 1;
	const char *c = *text;

	if (!isdigit((unsigned char) *c) && !(*c == '.' && isdigit((unsigned char) c[1])))
		return -1;
	for (; isdigit((unsigned char) *c); c++)
		number = number * 10 + (*c - '0');
	if (*c == '.')
	{
		for (c++; isdigit((unsigned char) *c); c++)
			number += (*c - '0') * (unit /= 10);
	}
	*text = c;
	return number;
}

/* Seconds in the unit at *text, which moves behind it; 0: it is none. */
static double
read_unit(const char **text)
{
	static const struct
	{
		const char *name;
		double		seconds;
	}			units[] = {{"ms", 1e-3}, {"us", 1e-6}, {"\302\265s", 1e-6}, {"ns", 1e-9}, {"s", 1},
	{"m", 60}, {"h", 3600}, {"d", 86400}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
	{
		size_t		length = strlen(units[i].name);

		if (strncasecmp(*text, units[i].name, length) != 0)
			continue;
		*text += length;
		return units[i].seconds;
	}
	return 0;
}

static int64_t
milliseconds_of(double seconds)
{
	return (int64_t) (min_double(seconds, MAX_SECONDS) * 1000 + 0.5);
}

/* "7", "1.5", "6m0s", "120ms"; times since 1970 become durations.  -1: none of these. */
static int64_t
read_duration(const char *text, int64_t now_ms)
{
	double		number = read_number(&text);
	double		seconds = 0;

	if (number < 0)
		return -1;
	text += strspn(text, " ");
	if (*text == '\0')
	{
		if (number < EPOCH_S)
			return milliseconds_of(number);
		seconds = (number < EPOCH_MS ? number : number / 1000) - (double) now_ms / 1000;
		return milliseconds_of(seconds > 0 ? seconds : 0);
	}
	while (number >= 0)
	{
		double		unit = read_unit(&text);

		if (unit == 0)
			return -1;
		seconds += number * unit;
		text += strspn(text, " ");
		if (*text == '\0')
			return milliseconds_of(seconds);
		number = read_number(&text);
	}
	return -1;
}

/* "2026-01-27T12:00:30Z", with a fraction or an offset perhaps.  -1: it is none. */
static int64_t
read_rfc3339(const char *text, int64_t now_ms)
{
	struct tm	date = {0};
	int			used = 0;
	int			hours = 0;
	int			minutes = 0;
	int64_t		from_now;

	if (sscanf(text, "%4d-%2d-%2d%*[Tt ]%2d:%2d:%2d%n", &date.tm_year, &date.tm_mon,
			   &date.tm_mday, &date.tm_hour, &date.tm_min, &date.tm_sec, &used) != 6 || used == 0)
		return -1;
	text += used;
	date.tm_year -= 1900;
	date.tm_mon -= 1;
	from_now = (int64_t) timegm(&date) * 1000 - now_ms;
	if (*text == '.')
		from_now += (int64_t) (read_number(&text) * 1000);
	if ((*text == '+' || *text == '-') && sscanf(text + 1, "%2d:%2d", &hours, &minutes) == 2)
		from_now -= (*text == '+' ? 1 : -1) * (hours * 60 + minutes) * INT64_C(60000);
	return from_now > 0 ? from_now : 0;
}

static int64_t
read_http_date(const char *text, int64_t now_ms)
{
	time_t		date = curl_getdate(text, NULL);
	int64_t		seconds = (int64_t) date - now_ms / 1000;

	if (date == (time_t) -1)
		return -1;
	if (seconds < 0)
		return 0;
	if (seconds >= MAX_SECONDS) /* libcurl knows years of more digits than fit
								 * in milliseconds */
		return milliseconds_of(MAX_SECONDS);
	return (int64_t) date * 1000 > now_ms ? (int64_t) date * 1000 - now_ms : 0;
}

/* Milliseconds from now, in whatever way they are told; -1: in none that is known. */
static int64_t
read_time(const char *text, int64_t now_ms)
{
	int64_t		wait;

	if (*text == '\0' || *text == '-')
		return -1;
	wait = read_duration(text, now_ms);
	if (wait < 0)
		wait = read_rfc3339(text, now_ms);
	if (wait < 0 && isalpha((unsigned char) *text))
		wait = read_http_date(text, now_ms);
	return wait;
}

static RateRemaining
read_remaining(const char *text)
{
	double		number = read_number(&text);

	if (number < 0)
		return *text == '-' ? RATE_REMAINING_NOTHING : RATE_REMAINING_UNKNOWN;
	return number > 0 ? RATE_REMAINING_SOME : RATE_REMAINING_NOTHING;
}

/*
 * Limits.
 */

/* The limit of that name, made if need be; NULL: there are too many. */
static RateLimit *
find_limit(RateHeaders *headers, const char *name)
{
	RateLimit  *limit;

	for (int i = 0; i < headers->limit_count; i++)
		if (strncasecmp(headers->limits[i].name, name, sizeof(limit->name) - 1) == 0)
			return &headers->limits[i];
	if (headers->limit_count == RATE_HEADERS_LIMITS)
		return NULL;
	limit = &headers->limits[headers->limit_count++];
	snprintf(limit->name, sizeof(limit->name), "%.*s", (int) sizeof(limit->name) - 1, name);
	limit->remaining = RATE_REMAINING_UNKNOWN;
	limit->reset_ms = -1;
	return limit;
}

/* Where the word stands in the name, in whatever case; NULL: nowhere. */
static char *
find_word(char *name, const char *word)
{
	for (; *name != '\0'; name++)
		if (strncasecmp(name, word, strlen(word)) == 0)
			return name;
	return NULL;
}

/* Takes a word out of the name.  False: it is not in it. */
static bool
take_out(char *name, const char *word)
{
	char	   *place = find_word(name, word);
	size_t		length = strlen(word);

	if (place == NULL)
		return false;
	memmove(place, place + length, strlen(place + length) + 1);
	return true;
}

/*
 * The value of RateLimit, in its older form (limit=9, remaining=0, reset=50)
 * or its newer one, where each limit begins with its name ("minute";r=0;t=50).
 */
static void
note_combined(RateHeaders *headers, char *value, int64_t now_ms)
{
	RateLimit  *limit = find_limit(headers, "RateLimit");
	char	   *rest;

	for (char *item = strtok_r(value, ",; \t", &rest); item != NULL;
		 item = strtok_r(NULL, ",; \t", &rest))
	{
		char	   *equals = strchr(item, '=');

		if (equals == NULL)
			limit = find_limit(headers, item);
		if (equals == NULL || limit == NULL)
			continue;
		*equals = '\0';
		if (strcasecmp(item, "remaining") == 0 || strcmp(item, "r") == 0)
			limit->remaining = read_remaining(equals + 1);
		else if (strcasecmp(item, "reset") == 0 || strcmp(item, "t") == 0)
			limit->reset_ms = read_time(equals + 1, now_ms);
	}
}

/* Both end up NUL-terminated and without blanks around.  False: too long, or no header. */
static bool
split_line(const char *line, size_t length, char *name, char *value)
{
	const char *colon = memchr(line, ':', length);
	const char *end = line + length;

	if (colon == NULL || colon - line >= NAME_SIZE)
		return false;
	snprintf(name, NAME_SIZE, "%.*s", (int) (colon - line), line);
	for (colon++; colon < end && isspace((unsigned char) *colon); colon++)
		;
	while (end > colon && isspace((unsigned char) end[-1]))
		end--;
	if (end - colon >= VALUE_SIZE)
		return false;
	snprintf(value, VALUE_SIZE, "%.*s", (int) (end - colon), colon);
	return true;
}

static void
note_retry_after(RateHeaders *headers, int64_t wait, bool precise)
{
	/* Where both are sent, the one in milliseconds was rounded less. */
	if (wait >= 0 && (precise || headers->retry_after_ms < 0))
		headers->retry_after_ms = wait;
}

void
rate_headers_note(RateHeaders *headers, const char *line, size_t length, int64_t now_ms)
{
	char		name[NAME_SIZE];
	char		value[VALUE_SIZE];
	const char *number = value;
	RateLimit  *limit;

	if (!split_line(line, length, name, value))
		return;
	if (strcasecmp(name, "Retry-After") == 0)
		note_retry_after(headers, read_time(value, now_ms), false);
	else if (strcasecmp(name, "Retry-After-Ms") == 0)
	{
		double		wait = read_number(&number);

		note_retry_after(headers, wait < 0 ? -1 : milliseconds_of(wait / 1000), true);
	}
	else if (strcasecmp(name, "RateLimit") == 0)
		note_combined(headers, value, now_ms);
	else if (find_word(name, "ratelimit") == NULL && find_word(name, "rate-limit") == NULL)
		return;
	else if (take_out(name, "reset"))
	{
		if ((limit = find_limit(headers, name)) != NULL)
			limit->reset_ms = read_time(value, now_ms);
	}
	else if (take_out(name, "remaining"))
	{
		if ((limit = find_limit(headers, name)) != NULL)
			limit->remaining = read_remaining(value);
	}
}

static int64_t
longest_reset(const RateHeaders *headers, RateRemaining remaining)
{
	int64_t		longest = -1;

	for (int i = 0; i < headers->limit_count; i++)
	{
		const RateLimit *limit = &headers->limits[i];

		if (limit->remaining == remaining && limit->reset_ms > longest)
			longest = limit->reset_ms;
	}
	return longest;
}

static bool
says_what_remains(const RateHeaders *headers)
{
	for (int i = 0; i < headers->limit_count; i++)
		if (headers->limits[i].remaining != RATE_REMAINING_UNKNOWN)
			return true;
	return false;
}

int64_t
rate_headers_wait(const RateHeaders *headers)
{
	int64_t		wait = headers->retry_after_ms;

	if (wait < 0)
	{
		wait = longest_reset(headers, says_what_remains(headers) ? RATE_REMAINING_NOTHING
							 : RATE_REMAINING_UNKNOWN);
		/* A limit that is renewed by now does not say how long to wait. */
		if (wait == 0)
			wait = -1;
	}
	return wait < RATE_HEADERS_MAX_WAIT_MS ? wait : RATE_HEADERS_MAX_WAIT_MS;
}
