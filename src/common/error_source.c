/*-------------------------------------------------------------------------
 *
 * error_source.c
 *	  Where in PostgreSQL an error was raised, for what its SQLSTATE does not tell.
 *
 *-------------------------------------------------------------------------
 */
#include "common/error_source.h"

#include "utils/errcodes.h"

/* The functions of PostgreSQL that raise them: the test reads these lines. */
#define RAISES_CANCEL "ProcessInterrupts"
#define RAISES_POLICY "ExecWithCheckOptions"
#define RAISES_MISPLACED_AGGREGATE "check_agglevels_and_constraints"
#define RAISES_MISPLACED_WINDOW "transformWindowFuncCall"
#define RAISES_MISPLACED_SET "check_srf_call_placement"

static bool
is_raised_in(const ErrorData *error, const char *function)
{
	return error->funcname != NULL && strcmp(error->funcname, function) == 0;
}

bool
error_is_own_cancel(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED && is_raised_in(error, RAISES_CANCEL);
}

bool
error_is_by_policy(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE &&
		is_raised_in(error, RAISES_POLICY);
}

const char *
error_misplaced_functions(const ErrorData *error)
{
	if (is_raised_in(error, RAISES_MISPLACED_AGGREGATE))
		return "aggregate functions";
	if (is_raised_in(error, RAISES_MISPLACED_WINDOW))
		return "window functions";
	if (is_raised_in(error, RAISES_MISPLACED_SET))
		return "set-returning functions";
	return NULL;
}
