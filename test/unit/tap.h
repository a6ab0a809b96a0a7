/*-------------------------------------------------------------------------
 *
 * tap.h
 *	  A few functions to print test results in the Test Anything Protocol.
 *
 * For the unit drivers: one driver is one source file with its own main(),
 * which ends with "return done_testing();".  The counters are static, so each
 * driver has its own.  A failed check goes on; done_testing() prints the plan
 * and returns 1 if any check failed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_TAP_H
#define PG_ENRICH_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __GNUC__
#define TAP_FUNCTION static __attribute__((unused))
#else
#define TAP_FUNCTION static
#endif

static int	tap_checks = 0;
static int	tap_failures = 0;

/* One check; returns its outcome, so that a caller can go without the rest. */
TAP_FUNCTION bool
ok(bool passed, const char *name)
{
	tap_checks++;
	if (!passed)
		tap_failures++;
	printf("%s %d - %s\n", passed ? "ok" : "not ok", tap_checks, name);
	fflush(stdout);
	return passed;
}

/* Are two integers equal? */
TAP_FUNCTION bool
is_int(int64_t got, int64_t expected, const char *name)
{
	bool		passed = ok(got == expected, name);

	if (!passed)
		printf("#      got: %lld\n# expected: %lld\n", (long long) got, (long long) expected);
	return passed;
}

/* Are two strings equal?  NULL equals only NULL. */
TAP_FUNCTION bool
is_str(const char *got, const char *expected, const char *name)
{
	bool		passed;

	if (got == NULL || expected == NULL)
		passed = ok(got == expected, name);
	else
		passed = ok(strcmp(got, expected) == 0, name);
	if (!passed)
		printf("#      got: %s\n# expected: %s\n", got ? got : "(null)",
			   expected ? expected : "(null)");
	return passed;
}

/* Prints the plan; the driver's exit status. */
TAP_FUNCTION int
done_testing(void)
{
	printf("1..%d\n", tap_checks);
	if (tap_failures > 0)
		printf("# %d of %d checks failed\n", tap_failures, tap_checks);
	fflush(stdout);
	return tap_failures > 0 ? 1 : 0;
}

#endif							/* PG_ENRICH_TAP_H */
