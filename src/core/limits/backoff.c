/*-------------------------------------------------------------------------
 *
 * backoff.c
 *	  How long to wait before something that has failed is tried again.
 *
 *-------------------------------------------------------------------------
 */
#include "limits/backoff.h"

int64_t
backoff_us(int64_t base_us, int64_t most_us, int times)
{
	int64_t		wait = base_us;

	while (times-- > 0 && wait < most_us)
		wait *= 2;
	return wait < most_us ? wait : most_us;
}
