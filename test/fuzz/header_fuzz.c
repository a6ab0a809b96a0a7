/*-------------------------------------------------------------------------
 *
 * header_fuzz.c
 *	  Fuzzing rate_headers.c: how long an answer asks to be left alone.
 *
 * The input: the time in milliseconds since 1970, and lines of headers.
 *
 * Whatever they hold, the wait is none or within bounds, and lines that are about
 * something else change nothing.  A Retry-After alone, in seconds or as a date, is
 * held against strtold and against libcurl's dates in 128 bits.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <strings.h>

#include <curl/curl.h>

#include "fuzz.h"
#include "http/rate_headers.h"

#define MAX_LINES 20

static void
check_headers(const RateHeaders *headers)
{
	int64_t		wait = rate_headers_wait(headers);

	must(wait >= -1 && wait <= RATE_HEADERS_MAX_WAIT_MS);
	must(headers->retry_after_ms >= -1);
	must(headers->limit_count >= 0 && headers->limit_count <= RATE_HEADERS_LIMITS);
	for (int i = 0; i < headers->limit_count; i++)
	{
		const RateLimit *limit = &headers->limits[i];

		must(memchr(limit->name, '\0', sizeof(limit->name)) != NULL);
		must(limit->reset_ms >= -1);
	}
}

/* Milliseconds that a date, or a number of seconds or since 1970, says; -1: it is neither. */
static __int128
model_wait(const char *value, int64_t now_ms)
{
	size_t		digits = strspn(value, "0123456789");
	const char *point = value + digits;
	time_t		date;
	long double number;
	__int128	wait = -1;

	if (isalpha((unsigned char) *value))
	{
		date = curl_getdate(value, NULL);
		if (date == (time_t) -1)
			return -1;
		wait = (__int128) date * 1000 - now_ms;
		return wait > 0 ? wait : 0;
	}
	if (digits == 0 || digits > 15 || point[strspn(point, "0123456789.")] != '\0' ||
		strchr(point, '.') != strrchr(point, '.'))
		return -1;
	number = strtold(value, NULL);
	if (number >= 1e9L)
		number = (number < 1e12L ? number : number / 1000) - (long double) now_ms / 1000;
	return number > 0 ? (__int128) (number * 1000 + 0.5L) : 0;
}

/* A value of Retry-After that the model knows: the wait is that, but for what doubles round. */
static void
check_retry_after(const char *value, int64_t now_ms)
{
	RateHeaders headers;
	char		line[300];
	int			length = snprintf(line, sizeof(line), "retry-AFTER: %s\r\n", value);
	__int128	expected = model_wait(value, now_ms);
	int64_t		wait;

	if (length >= 200 || expected < 0)
		return;
	rate_headers_clear(&headers);
	rate_headers_note(&headers, line, length, now_ms);
	wait = rate_headers_wait(&headers);
	if (expected > RATE_HEADERS_MAX_WAIT_MS)
		expected = RATE_HEADERS_MAX_WAIT_MS;
	must(wait - expected >= -1 && wait - expected <= 1);
}

static void
check_other(const RateHeaders *headers, int64_t now_ms)
{
	static const char other[] = "X-Request-Reset-Remaining: 7";
	RateHeaders more = *headers;

	rate_headers_note(&more, other, sizeof(other) - 1, now_ms);
	must(rate_headers_wait(&more) == rate_headers_wait(headers));
	must(more.limit_count == headers->limit_count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {(const char *) data, (const char *) data + size};
	char	   *line = next_line(&input);
	int64_t		now_ms = line != NULL ? strtoll(line, NULL, 10) & INT64_C(0xfffffffffff) : 0;
	RateHeaders headers;

	free(line);
	rate_headers_clear(&headers);
	for (int i = 0; i < MAX_LINES && input.at < input.end; i++)
	{
		/* as libcurl hands them over: with their ends, without a NUL, and with any inside */
		const char *from = input.at;
		char	   *value;

		free(next_line(&input));
		rate_headers_note(&headers, from, input.at - from, now_ms);
		check_headers(&headers);
		value = copy_string(from, input.at - from);
		value[strcspn(value, "\r\n")] = '\0';
		if (strncasecmp(value, "Retry-After: ", 13) == 0 && !isspace((unsigned char) value[13]) &&
			(value[13] == '\0' || !isspace((unsigned char) value[strlen(value) - 1])))
			check_retry_after(value + 13, now_ms);
		free(value);
	}
	check_other(&headers, now_ms);
	return 0;
}
