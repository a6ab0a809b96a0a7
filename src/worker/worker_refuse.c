/*-------------------------------------------------------------------------
 *
 * worker_refuse.c
 *	  Requests that are refused because of their rows: parted until the bad row
 *	  stands alone.
 *
 * The API does not say which of the rows it will not have.  So the request is
 * parted in halves, which are requests of their own, and only a row that is
 * refused alone fails: of n rows with one bad among them that takes no more than
 * two further requests for each halving.
 *
 * Where the API refuses everything (a wrong model, a template that does not
 * fit), this would cost two requests a row.  A job is in doubt of that until the
 * first request is answered, if it has more than a few rows: the leftovers of
 * earlier runs may all be bad, and to try a few costs little.  In doubt, rows
 * that are refused alone do not fail yet.  Once DOUBT_ROWS of them were refused
 * with the same status, or DOUBT_MOST with any, and still nothing is answered, the
 * job pauses, and they go back.  That halves are refused is no evidence: with one bad row
 * in a hundred nearly every request of some hundred rows is.  So that it does not take a
 * whole halving to come to single rows, a half is parted in DOUBT_ROWS single rows from
 * all over it, which go before all else, and the others, if the other half was
 * refused as well; a single bad row never brings that about.
 *
 * Items that do not match their rows are another matter.  Where paths are wrong
 * a single row may have its one item all the same, and not the right one.  So
 * there it is enough that a request and both its halves do not match while no
 * request of several rows did.
 *
 * A job pauses so once.  Whoever resumes it accepts that each row is tried.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_refuse.h"

#include "catalog/catalog_job.h"
#include "worker/worker.h"

/* Rows that are refused alone before the API is thought to refuse all. */
#define DOUBT_ROWS 10

/* The same where statuses differ: rows are held in memory, and their buckets with them. */
#define DOUBT_MOST 50

/* A job of no more rows is never in doubt. */
#define DOUBT_MIN_ROWS 100

/* Nor is one that pauses after fewer failed rows than this: it stops soon enough. */
#define DOUBT_MIN_BOUND 100

static bool
in_doubt(const Worker *worker, const Request *request, RefusalCause cause)
{
	const JobEntry *entry = worker->place.entry;
	int64		bound = worker->setup.job->max_failed_rows;
	bool		together = cause == REFUSED_MISMATCH && request->row_count > 1;

	if (together ? entry->matched : entry->answered)
		return false;
	/* Rows of requests that are parted until they match need not fail. */
	if (!together && bound >= 0 && bound < DOUBT_MIN_BOUND)
		return false;
	/* Rows that are tried again were refused before. */
	return !worker->setup.job->refused && worker->setup.job->rows_total > DOUBT_MIN_ROWS &&
		!request->bucket->row.retried;
}

void
worker_note_answered(Worker *worker, int rows)
{
	JobEntry   *entry = worker->place.entry;

	if (entry->answered && (entry->matched || rows == 1))
		return;
	shared_lock();
	entry->answered = true;
	entry->matched |= rows > 1;
	shared_unlock();
}

/* Half a request each, to be sent before anything new. */
static void
part_in_halves(Worker *worker, Request *request)
{
	int			half = (request->row_count + 1) / 2;
	Request    *first = request_part(request, 0, half);
	Request    *second = request_part(request, half, request->row_count - half);

	request_pair(first, second);
	outbox_put_part(&worker->outbox, first);
	outbox_put_part(&worker->outbox, second);
}

/* Single rows from all over a request, and one request of the others. */
static void
part_in_samples(Worker *worker, Request *request)
{
	int			step = request->row_count / DOUBT_ROWS;
	int			others = 0;

	for (int i = 0; i < DOUBT_ROWS; i++)
		outbox_put_first(&worker->outbox, request_part(request, i * step, 1));
	/* Those that are taken out stand at the beginning of each step. */
	for (int i = 0; i < request->row_count; i++)
		if (i % step != 0 || i / step >= DOUBT_ROWS)
			request->rows[others++] = request->rows[i];
	if (others > 0)
		outbox_put_part(&worker->outbox, request_part(request, 0, others));
}

void
worker_fit_request(Worker *worker, Request *request)
{
	for (int i = 0; i < request->row_count; i += worker->setup.endpoint->batch_size)
		outbox_put_part(&worker->outbox,
						request_part(request, i, Min(worker->setup.endpoint->batch_size,
													 request->row_count - i)));
	request_free(request);
}

static void
note_refused_step(Worker *worker, void *arg pg_attribute_unused())
{
	catalog_set_refused(worker->setup.job->id);
}

/* A row goes back, as if it had not been sent. */
static void
put_back(Worker *worker, Request *request)
{
	request->attempts--;
	request_set_refusal(request, 0, NULL);
	outbox_put_part(&worker->outbox, request);
}

static void
return_held(Worker *worker)
{
	Request    *request;

	while ((request = worker->held) != NULL)
	{
		worker->held = request->next;
		put_back(worker, request);
	}
}

void
worker_doubt_anew(Worker *worker)
{
	return_held(worker);
	shared_lock();
	worker->place.entry->answered = worker->place.entry->matched = false;
	worker->place.entry->refused_alone = worker->place.entry->refused_in_all = 0;
	shared_unlock();
}

static void
pause_refused(Worker *worker, const char *what, const char *error, const char *hint)
{
	const char *message = worker_message(worker, error);

	/* Where this cannot be written, the job pauses for it once more. */
	(void) worker_try(worker, note_refused_step, NULL);
	worker_pause(worker, "configuration", psprintf("%s: %s", what, message), hint);
	return_held(worker);
}

static void
pause_mismatched(Worker *worker, Request *request, const char *error)
{
	request->attempts--;
	outbox_put_part(&worker->outbox, request);
	if (worker->control.mode == WORKER_WORKING)
		pause_refused(worker, "no answer matches the rows of its request so far", error,
					  "Look with enrich.preview at what comes back: results, and result_index or "
					  "result_key, must find an item for each row. Server options can be changed, "
					  "other paths need a new job. After enrich.resume requests that do not match "
					  "are parted until they do.");
}

/* A row was refused alone, and nothing is answered yet: wait and see. */
static void
hold(Worker *worker, Request *request, int http_status, const char *error)
{
	JobEntry   *entry = worker->place.entry;
	int			refused;

	if (worker->control.mode != WORKER_WORKING)
	{
		put_back(worker, request);
		return;
	}
	request_set_refusal(request, http_status, error);
	request->next = worker->held;
	worker->held = request;
	shared_lock();
	if (entry->refused_status != http_status)
		entry->refused_alone = 0;
	entry->refused_status = http_status;
	entry->refused_alone++;
	entry->refused_in_all++;
	refused = entry->refused_alone >= DOUBT_ROWS ? DOUBT_ROWS
		: entry->refused_in_all >= DOUBT_MOST ? DOUBT_MOST : 0;
	shared_unlock();
	if (refused > 0)
		pause_refused(worker, psprintf("the API refuses all rows so far, %d of them one by one",
									   refused), error,
					  "Look with enrich.preview at what is sent and what comes back. Server options "
					  "can be changed, another template or path needs a new job. After enrich.resume "
					  "rows that are refused fail one by one.");
}

void
worker_settle_held(Worker *worker)
{
	Request    *request;

	while ((request = worker->held) != NULL)
	{
		worker->held = request->next;
		outcome_queue_fail_refused(&worker->outcomes, request);
	}
}

/* A request of several rows was refused. */
static void
part(Worker *worker, Request *request, RefusalCause cause, const char *error)
{
	bool		both_refused = request_note_refused(request);
	bool		doubt = both_refused && in_doubt(worker, request, cause);

	if (doubt && cause == REFUSED_MISMATCH)
	{
		pause_mismatched(worker, request, error);
		return;
	}
	/* One that is too large says nothing of smaller ones. */
	if (doubt && cause == REFUSED_CONTENT && request->row_count >= DOUBT_ROWS)
		part_in_samples(worker, request);
	else
		part_in_halves(worker, request);
	request_free(request);
}

void
worker_refuse(Worker *worker, Request *request, RefusalCause cause, int http_status,
			  const char *error)
{
	request->bucket->http_status = http_status;
	if (request->row_count > 1)
		part(worker, request, cause, error);
	else if (in_doubt(worker, request, cause))
		hold(worker, request, http_status, error);
	else
		outcome_queue_fail(&worker->outcomes, request, http_status, error);
}
