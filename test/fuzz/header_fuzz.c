/*-------------------------------------------------------------------------
 *
 * header_fuzz.c
 *	  Fuzzing the reading of Retry-After.
 *
 * The input is the header's value.
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>
#include <ctype.h>
#include <time.h>

#include "fuzz.h"
#include "http_handle.h"

#define YEAR_MS (INT64_C(366) * 24 * 60 * 60 * 1000)

/* Seconds, with three decimals that count. */
static int64_t
model_seconds(const char *value)
{
	char		decimals[4] = "000";
	int64_t		seconds = 0;

	for (; isdigit((unsigned char) *value); value++)
		seconds = seconds > YEAR_MS ? seconds : seconds * 10 + (*value - '0');
	if (*value == '.')
	{
		for (int i = 0; i < 3 && isdigit((unsigned char) value[1 + i]); i++)
			decimals[i] = value[1 + i];
	}
	if (seconds > YEAR_MS / 1000)
		seconds = YEAR_MS / 1000;
	return seconds * 1000 + atoi(decimals);
}

/* A date, of which the wait may have become a second shorter meanwhile. */
static void
check_date(const char *value, int64_t wait, time_t before)
{
	time_t		date = curl_getdate(value, NULL);
	int64_t		longest = (int64_t) date - (int64_t) before;

	if (date == (time_t) -1)
	{
		must(wait == -1);
		return;
	}
	longest = longest < 0 ? 0 : longest > YEAR_MS / 1000 ? YEAR_MS : longest * 1000;
	must(wait <= longest && wait >= longest - 2000 && wait >= 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *value = copy_string((const char *) data, size);
	time_t		before = time(NULL);
	int64_t		wait = handle_retry_after(value);

	must(wait >= -1 && wait < YEAR_MS + 1000);
	if (isdigit((unsigned char) *value))
		must(wait == model_seconds(value));
	else
		check_date(value, wait, before);
	free(value);
	return 0;
}
