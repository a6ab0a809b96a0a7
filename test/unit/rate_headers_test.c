/*-------------------------------------------------------------------------
 *
 * rate_headers_test.c
 *	  Unit tests of rate_headers.c: what APIs send with a 429.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "http/rate_headers.h"
#include "tap.h"

/* 2026-01-27 12:00:00 UTC */
#define NOW_S INT64_C(1769515200)
#define NOW (NOW_S * 1000)
#define HOUR RATE_HEADERS_MAX_WAIT_MS

/* The wait that these lines, divided by "|", ask for. */
static int64_t
wait_of(const char *lines)
{
	RateHeaders headers;

	rate_headers_clear(&headers);
	while (*lines != '\0')
	{
		size_t		length = strcspn(lines, "|");
		/* of just that size, for the sanitizer to see a read beyond it */
		char	   *line = malloc(length > 0 ? length : 1);

		memcpy(line, lines, length);
		rate_headers_note(&headers, line, length, NOW);
		free(line);
		lines += length + (lines[length] == '|');
	}
	return rate_headers_wait(&headers);
}

static void
is_wait(const char *lines, int64_t expected)
{
	is_int(wait_of(lines), expected, lines);
}

static void
test_retry_after(void)
{
	is_wait("Retry-After: 7", 7000);
	is_wait("retry-after:7\r\n", 7000);
	is_wait("Retry-After: \t1.5 ", 1500);
	is_wait("Retry-After: 0", 0);
	is_wait("Retry-After: Tue, 27 Jan 2026 12:00:30 GMT", 30000);
	is_wait("Retry-After: Tue, 27 Jan 2026 11:00:00 GMT", 0);
	is_wait("Retry-After: Fri, 31 Dec 9999 12:00:30 GMT", HOUR);
	is_wait("Retry-After: 99999999999999999999", HOUR);
	is_wait("Retry-After: 86400", HOUR);
	is_wait("Retry-After: soon", -1);
	is_wait("Retry-After: -5", -1);
	is_wait("Retry-After:", -1);
	is_wait("Retry-After", -1);
	is_wait("retry-after-ms: 1234", 1234);
	is_wait("retry-after-ms: 12.6", 13);
	is_wait("Retry-After: 2|retry-after-ms: 1234", 1234);
	is_wait("retry-after-ms: 1234|Retry-After: 2", 1234);
	is_wait("X-Retry-After: 7", -1);
}

static void
test_limits(void)
{
	is_wait("x-ratelimit-reset-requests: 1s", 1000);
	is_wait("x-ratelimit-reset-requests: 120ms", 120);
	is_wait("x-ratelimit-reset-tokens: 6m0s", 360000);
	is_wait("x-ratelimit-reset-tokens: 2m59.56s", 179560);
	is_wait("x-ratelimit-reset-tokens: 1h2m", HOUR);
	is_wait("x-ratelimit-reset-requests: 8.64s|x-ratelimit-reset-tokens: 200ms", 8640);
	is_wait("anthropic-ratelimit-requests-reset: 2026-01-27T12:00:20Z", 20000);
	is_wait("anthropic-ratelimit-requests-reset: 2026-01-27T12:00:20.25Z", 20250);
	is_wait("anthropic-ratelimit-requests-reset: 2026-01-27T14:00:20+02:00", 20000);
	is_wait("anthropic-ratelimit-requests-reset: 2026-01-27T07:00:20-05:00", 20000);
	is_wait("anthropic-ratelimit-requests-reset: 2026-01-27T11:59:00Z", -1);
	is_wait("X-RateLimit-Reset: 30", 30000);
	is_wait("X-RateLimit-Reset: 1769515240", 40000);
	is_wait("X-RateLimit-Reset: 1769515240500", 40500);
	is_wait("X-RateLimit-Reset: 1769510000", -1);
	is_wait("X-Rate-Limit-Reset: 1769515240", 40000);
	is_wait("X-RateLimit-Reset-After: 0.25", 250);
	is_wait("RateLimit-Reset: 50", 50000);
	is_wait("X-RateLimit-Reset: Tue, 27 Jan 2026 12:00:30 GMT", 30000);
	is_wait("X-RateLimit-Reset: 2d", HOUR);
	is_wait("X-RateLimit-Reset: 5 bananas", -1);
	is_wait("X-RateLimit-Reset: 0", -1);
	is_wait("X-RateLimit-Limit: 100", -1);
	is_wait("Reset: 100|Content-Length: 7", -1);
}

static void
test_remaining(void)
{
	is_wait("x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: 1s|"
			"x-ratelimit-remaining-tokens: 149984|x-ratelimit-reset-tokens: 6m0s", 1000);
	is_wait("x-ratelimit-reset-tokens: 6m0s|x-ratelimit-remaining-tokens: 0|"
			"x-ratelimit-reset-requests: 1s|x-ratelimit-remaining-requests: 0", 360000);
	is_wait("anthropic-ratelimit-tokens-remaining: 0|"
			"anthropic-ratelimit-tokens-reset: 2026-01-27T12:00:20Z|"
			"anthropic-ratelimit-requests-remaining: 49|"
			"anthropic-ratelimit-requests-reset: 2026-01-27T12:00:50Z", 20000);
	is_wait("X-RateLimit-Remaining: 5|X-RateLimit-Reset: 30", -1);
	is_wait("X-RateLimit-Remaining: -1|X-RateLimit-Reset: 30", 30000);
	is_wait("X-RateLimit-Remaining: 0", -1);
	is_wait("X-RateLimit-Remaining: 0|X-RateLimit-Reset: 30|Retry-After: 2", 2000);
}

static void
test_combined(void)
{
	is_wait("RateLimit: limit=100, remaining=0, reset=50", 50000);
	is_wait("RateLimit: limit=100, remaining=3, reset=50", -1);
	is_wait("RateLimit: reset=50", 50000);
	is_wait("RateLimit: \"default\";r=0;t=50", 50000);
	is_wait("RateLimit: default; r=0; t=50", 50000);
	is_wait("RateLimit: \"minute\";r=0;t=20, \"day\";r=900;t=3000", 20000);
	is_wait("RateLimit: \"minute\";r=0;t=20, \"day\";r=0;t=3000", 3000000);
	is_wait("RateLimit-Policy: \"default\";q=100;w=60", -1);
	is_wait("RateLimit: ;,=;\"", -1);
}

/* Whatever is sent, nothing breaks. */
static void
test_nonsense(void)
{
	static const char *const words[] = {
		"x-ratelimit-", "reset", "remaining", "-tokens", ": ", ":", "1", "9", "99999999999",
		".", "-", "T", "Z", "s", "ms", "h", ",", ";", "=", "\"", " ", "2026-01-27T", "12:00:00",
		"Retry-After", "RateLimit", "|", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	};
	char		lines[2048];
	bool		good = true;

	for (int i = 0; i < 200000; i++)
	{
		int64_t		wait;

		lines[0] = '\0';
		for (int n = (int) (random() % 30); n > 0; n--)
			strcat(lines, words[(size_t) random() % (sizeof(words) / sizeof(words[0]))]);
		wait = wait_of(lines);
		good = good && wait >= -1 && wait <= HOUR;
	}
	ok(good, "no nonsense makes an impossible wait");
}

int
main(void)
{
	srandom(7);
	test_retry_after();
	test_limits();
	test_remaining();
	test_combined();
	test_nonsense();
	return done_testing();
}
