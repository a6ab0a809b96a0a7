/*-------------------------------------------------------------------------
 *
 * token_file.c
 *	  A token's file that changes, or is being replaced, while its job runs.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/token_file.h"

#include "base/clock.h"
#include "worker/worker.h"

/* A file that cannot be used for so long is not merely being replaced. */
#define FILE_PATIENCE_US 1000000

/* Between two looks at a token's file. */
#define FILE_LOOK_US 250000

bool
token_file_is_awaited(Worker *worker)
{
	if (credentials_look(&worker->token_file.file) != TOKEN_FILE_UNUSABLE)
		return false;
	if (worker->token_file.bad_since == 0)
		worker->token_file.bad_since = clock_now();
	return clock_now() - worker->token_file.bad_since < FILE_PATIENCE_US;
}

void
token_file_look(Worker *worker)
{
	int64		now = clock_now();
	TokenFileState state;

	if (worker->token_file.file.path == NULL ||
		now - worker->token_file.looked_at < FILE_LOOK_US)
		return;
	worker->token_file.looked_at = now;
	state = credentials_look(&worker->token_file.file);
	if (state == TOKEN_FILE_UNUSABLE)
	{
		/* The old token may be good for a while yet. */
		if (worker->token_file.bad_since == 0)
			worker->token_file.bad_since = now;
		if (now - worker->token_file.bad_since < FILE_PATIENCE_US)
			return;
	}
	worker->token_file.bad_since = 0;
	/* Of a file that stays unusable, reading it says what is wrong. */
	if (state != TOKEN_FILE_SAME)
		(void) intake_refresh(worker);
}
