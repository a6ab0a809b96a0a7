/*-------------------------------------------------------------------------
 *
 * worker_limits.c
 *	  Bounds of a job that pause it: failed rows, tokens, and paths that find nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_limits.h"

#include "catalog/catalog_counters.h"
#include "catalog/catalog_job.h"
#include "worker/worker.h"

void
worker_check_failures(Worker *worker)
{
	const Job  *job = worker->setup.job;
	Counters	sum;
	int64		failed;

	if (job->max_failed_rows < 0)
		return;
	catalog_sum_counters(job->id, &sum);
	failed = sum.rows_failed - job->failures_accepted;
	worker->counters.failures_seen = failed;
	if (failed <= job->max_failed_rows)
		return;
	if (catalog_transition(job->id, JOB_PAUSED, "failures",
						   psprintf(INT64_FORMAT " rows have failed, more than max_failed_rows "
									"(" INT64_FORMAT ")",
									failed, job->max_failed_rows),
						   "See enrich.failures for the reasons. enrich.resume goes on, "
						   "enrich.retry tries the failed rows again.",
						   NULL))
		worker_stop(worker);
}

void
worker_check_paths(Worker *worker)
{
	const Job  *job = worker->setup.job;
	Counters	sum;

	/*
	 * Only of the job's first buckets: later ones may be empty-handed for
	 * good reasons.
	 */
	catalog_sum_counters(job->id, &sum);
	if (sum.buckets_done > worker->counters.storing.buckets_done || sum.rows_done == 0 ||
		worker->setup.recipe->items.output_count == 0)
		return;

	/*
	 * Without a single item (all 404, say) no path could find anything, and
	 * it may well be so: that is worth a pause only if it saves requests.
	 */
	if (!worker->outcomes.found_item && sum.buckets_done == job->buckets_total)
		return;
	if (catalog_transition(job->id, JOB_PAUSED, "configuration",
						   psprintf("no output path found anything in the whole first bucket: %s",
									recipe_list_paths(worker->setup.recipe)),
						   "Look at an answer with enrich.preview, cancel the job and start it "
						   "with paths that fit. enrich.resume goes on with NULLs.",
						   NULL))
		worker_stop(worker);
}

/* By all of its workers. */
static int64
tokens_spent(const Worker *worker)
{
	int64		tokens;

	shared_lock();
	tokens = worker->place.entry->tokens;
	shared_unlock();
	return tokens;
}

/* *paused (a bool): false where the job is at rest already, or ended. */
static void
pause_for_budget_step(Worker *worker, void *paused)
{
	const Job  *job = worker->setup.job;
	const char *error = psprintf("the job has spent " INT64_FORMAT " tokens of max_tokens"
								 " (" INT64_FORMAT ")", tokens_spent(worker), job->max_tokens);

	*(bool *) paused =
		catalog_transition(job->id, JOB_PAUSED, "budget", error,
						   "Use enrich.alter(job, max_tokens => ...) and enrich.resume to go on.",
						   NULL);
	worker_note_counters(worker);
}

bool
worker_check_budget(Worker *worker)
{
	bool		paused;

	if (worker->setup.job->max_tokens < 0 || tokens_spent(worker) < worker->setup.job->max_tokens)
		return false;
	if (worker->control.mode == WORKER_WORKING &&
		worker_try(worker, pause_for_budget_step, &paused))
	{
		worker_pause_written(worker);
		if (paused)
			worker_stop(worker);
	}
	return true;
}
