/*-------------------------------------------------------------------------
 *
 * backoff_test.c
 *	  Unit tests of backoff.c.
 *
 *-------------------------------------------------------------------------
 */
#include "limits/backoff.h"
#include "tap.h"

int
main(void)
{
	is_int(backoff_us(1000, 30000, 0), 1000, "the first time: the base");
	is_int(backoff_us(1000, 30000, 1), 2000, "twice as long each time");
	is_int(backoff_us(1000, 30000, 4), 16000, "... and again");
	is_int(backoff_us(1000, 30000, 5), 30000, "no more than the most");
	is_int(backoff_us(1000, 30000, INT32_MAX), 30000, "... however often");
	is_int(backoff_us(5000, 3000, 0), 3000, "a base beyond the most");
	is_int(backoff_us(0, 3000, 3), 0, "nothing stays nothing");
	return done_testing();
}
