/*-------------------------------------------------------------------------
 *
 * worker_turn.c
 *	  The first steps of a worker's turn, in the order data flows: load and send.  After
 *	  them come collect (worker_collect.c) and store (worker_store.c).
 *
 * A free permit waits for none of them: what lies ready is sent first, and
 * leaves at once; and the other steps do a slice of their work at a time.
 *
 * Only load and store open transactions, short ones; while the network is
 * waited for none is open.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_loop.h"

#include <poll.h>

#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "recipe/call.h"
#include "shared/permits.h"
#include "worker/claims.h"

/* Rows loaded by one query, but for a single request that holds more. */
#define LOAD_ROWS 5000

/*
 * Rows a query should bring at least, beyond the requests that are needed at once.
 * While none is on its way it brings no more: the first is to go as soon as can be.
 */
#define LOAD_MIN_ROWS 1000

/* Loading waits while there is something to receive, until this part of the cap is left. */
#define LOAD_URGENT_SHARE 4

/* Buckets claimed at a time. */
#define CLAIM_BUCKETS 1000

/* Requests go as connections, streams and look-ups have room: so often in one turn. */
#define SEND_ROUNDS 8

static bool
network_is_busy(const Worker *worker)
{
	struct pollfd descriptor = {http_descriptor(worker->http), POLLIN, 0};

	return http_in_flight(worker->http) > 0 && poll(&descriptor, 1, 0) > 0;
}

bool
worker_is_receiving(const Worker *worker)
{
	return (http_has_finished(worker->http) && worker_can_read(worker)) ||
		network_is_busy(worker) || clock_now() < worker_burst_end(worker);
}

/*
 * Load.
 */

/* Requests that a bucket makes, about. */
static int
requests_of_bucket(const Worker *worker)
{
	return (worker->job->bucket_size + worker->recipe->batch_size - 1) / worker->recipe->batch_size;
}

static int
share_of_cap(Worker *worker)
{
	int			share = permits_share(worker_effective_cap(worker), worker->job->workers);

	return Min(share, http_capacity(worker->http));
}

/*
 * How many requests to load now: none while so many lie ready that loading does
 * not become urgent before a whole cap's worth was sent, so that no free permit
 * waits for the database; then enough for each query to bring a decent number of
 * rows.  Of the job's cap each worker has its share.
 */
static int
wanted_requests(Worker *worker)
{
	int			cap = share_of_cap(worker);

	if (cap == 0 || worker->outbox.ready > cap + cap / LOAD_URGENT_SHARE)
		return 0;
	return 2 * cap + LOAD_MIN_ROWS / worker->recipe->batch_size - worker->outbox.ready;
}

/* The last buckets are shared, too: no worker is to be done long before the others. */
static int
wanted_buckets(Worker *worker)
{
	int64		left = worker->job->buckets_total - claims_next_bucket(worker->slot_index) + 1;
	int64		share = Max(left / worker->job->workers, 1);
	int			count = wanted_requests(worker) / requests_of_bucket(worker) + 1;

	return (int) Min(Min(count, CLAIM_BUCKETS), share);
}

static void
claim(Worker *worker)
{
	List	   *rows = claims_take(worker->slot_index, worker->job, wanted_buckets(worker));
	MemoryContext old = MemoryContextSwitchTo(worker->context);
	List	   *buckets = NIL;
	ListCell   *cell;

	worker->exhausted = rows == NIL;
	foreach(cell, rows)
		buckets = lappend(buckets, bucket_make(lfirst(cell), worker->context));
	worker->unloaded = list_concat(worker->unloaded, buckets);
	MemoryContextSwitchTo(old);
	if (rows != NIL)
		claims_confirm(worker->slot_index, list_length(rows));
}

/* The buckets that the next query can load together, and how many rows of them. */
static List *
choose_buckets(Worker *worker, int *rows)
{
	int			batch = worker->recipe->batch_size;
	bool		starting = worker->outbox.ready == 0 && http_in_flight(worker->http) == 0;
	int			limit = Max((starting ? LOAD_MIN_ROWS : LOAD_ROWS) / batch, 1) * batch;
	const Bucket *first = linitial(worker->unloaded);
	const Bucket *last = NULL;
	List	   *chosen = NIL;
	ListCell   *cell;

	limit = Min(limit, Max(wanted_requests(worker), 1) * batch);
	*rows = 0;
	foreach(cell, worker->unloaded)
	{
		Bucket	   *bucket = lfirst(cell);

		/* Only consecutive ones: rows of a finished bucket between two would be loaded, too. */
		if (chosen != NIL && (*rows + bucket->rows_open > limit || first->row.retried ||
							  bucket->row.retried ||
							  bucket->row.partition != first->row.partition ||
							  bucket->row.bucket != last->row.bucket + 1))
			break;
		chosen = lappend(chosen, bucket);
		last = bucket;
		*rows += bucket->rows_open;
	}
	*rows = Min(*rows, limit);
	return chosen;
}

static void
forget_loaded(Worker *worker, List *buckets)
{
	ListCell   *cell;

	foreach(cell, buckets)
		if (bucket_is_loaded(lfirst(cell)))
			worker->unloaded = list_delete_first(worker->unloaded);
}

/* An error leaves the buckets as they were before the slice was loaded. */
static pg_noinline Outcome *
cut_or_unload(Worker *worker, List *buckets, int64 next_row, Slice *slice)
{
	Outcome    *unsent = NULL;

	PG_TRY();
	{
		unsent = outbox_cut(&worker->outbox, worker->recipe, slice);
	}
	PG_CATCH();
	{
		bucket_unload(buckets, next_row, slice);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return unsent;
}

static void
load_step(Worker *worker)
{
	int			rows;
	List	   *buckets;
	int64		next_row;
	Outcome    *unsent;
	Slice	   *slice;

	server_check_usage(worker->server, GetUserId());
	recipe_check_source(worker->recipe);
	if (worker->unloaded == NIL)
		claim(worker);
	if (worker->unloaded == NIL)
		return;
	buckets = choose_buckets(worker, &rows);
	next_row = ((Bucket *) linitial(buckets))->next_row;
	slice = bucket_load(worker->recipe, buckets, rows, worker_memory_limit(worker) / 8, worker->context);
	unsent = cut_or_unload(worker, buckets, next_row, slice);
	forget_loaded(worker, buckets);
	worker->loaded_bytes += slice->bytes;
	while (unsent != NULL)
	{
		Outcome    *next = unsent->next;

		worker_add_outcome(worker, unsent);
		unsent = next;
	}
	if (slice->row_count == 0)
		MemoryContextDelete(slice->context);
}

/* Has any worker of the job a bucket left to claim? */
static bool
may_claim(const Worker *worker)
{
	return worker->slot->claim_count < SHARED_MAX_CLAIMS &&
		claims_next_bucket(worker->slot_index) <= worker->job->buckets_total;
}

/* Enough lies ready for a while: what is to be received, and makes room for it, comes first. */
static bool
can_wait(Worker *worker)
{
	return worker->outbox.ready * LOAD_URGENT_SHARE > share_of_cap(worker) &&
		worker_is_receiving(worker);
}

bool
turn_load(Worker *worker)
{
	bool		loaded = false;

	if (!worker->stopping && worker_effective_cap(worker) == 0)
		worker_set_waiting(worker, WAITING_CAP);
	while (worker_may_send(worker) && wanted_requests(worker) > 0 && !can_wait(worker))
	{
		if (worker->unloaded == NIL && !may_claim(worker))
		{
			worker->exhausted = worker->slot->claim_count < SHARED_MAX_CLAIMS;
			break;
		}
		if (worker_memory_used(worker) > worker_memory_limit(worker) / 2 &&
			(outbox_count(&worker->outbox) > 0 || worker->outcomes != NULL))
			break;
		/* Rows that need no answer are stored as they come, too. */
		if (worker->outcome_rows >= STORE_BUSY_ROWS)
			break;
		if (!worker_try_as(worker, STEP_LOAD, load_step))
		{
			if (worker->attempts[STEP_LOAD].last == ERROR_LOCK)
				worker_set_waiting(worker, WAITING_LOCK);
			break;
		}
		loaded = true;
		/* What can be sent, or needs no answer, is not to wait for more. */
		if (worker->exhausted || worker->outcome_rows >= STORE_ROWS || worker->outbox.ready > 0)
			break;
	}
	return loaded;
}

/*
 * Send.
 */

/* Fill the templates.  False: *why says why not. */
static bool
build(Worker *worker, Request *request, const char **why)
{
	RequestRow *rows = palloc(sizeof(RequestRow) * request->row_count);
	RequestScope scope = {worker->job->id, request->bucket->row.bucket, rows, request->row_count};
	bool		built;

	for (int i = 0; i < request->row_count; i++)
		rows[i] = request->rows[i]->request;
	buffer_reset(&request->url);
	buffer_reset(&request->body);
	built = call_build(worker->recipe, &scope, &request->url, &request->body, why);
	pfree(rows);
	return built;
}

static void
note_sent(Worker *worker, Request *request)
{
	if (request->bucket->started_at == 0)
		request->bucket->started_at = GetCurrentTimestamp();
	request->bucket->row.attempts++;
	worker->body_bytes += request->body.capacity;
	request->setup = worker->setup_sent = worker->setup;
	request->credentials = worker->credentials;
	worker->unsaved.requests++;
	request->attempts++;
	request->sent_at = clock_now();
	if (request->sent++ > 0)
		worker->unsaved.retries++;
}

/* Send one request, for which a permit is held. */
static void
send_request(Worker *worker, Request *request)
{
	const char *why = "";

	if (build(worker, request, &why) &&
		call_start(worker->http, &worker->http_settings, worker->recipe, worker->credentials,
				   worker->setup, &request->url, &request->body, request))
	{
		note_sent(worker, request);
		return;
	}
	permits_return_unused(worker->slot_index, request->tokens_taken, clock_now(), false);
	worker_fail_request(worker, request, 0,
						why[0] != '\0' ? why : "out of memory while the request was made");
}

/* What it will probably cost: the estimate, and how answers so far have differed from theirs. */
static int64
expected_tokens(const Worker *worker, const Request *request)
{
	if (worker->tokens_estimated <= 0)
		return request->tokens;
	return (int64) (request->tokens * (worker->tokens_reported / worker->tokens_estimated)) + 1;
}

bool
worker_is_steered(const Worker *worker)
{
	AcceptInvalidationMessages();
	return worker_is_behind(worker) || intake_server_changed;
}

/*
 * What was decided and is not sent yet, because its connection is still being made, is
 * decided anew: caps, pauses, keys and addresses may be others by now.  It takes a look at
 * shared memory, and only while there is such a request.
 */
void
turn_recall(Worker *worker)
{
	bool		all;

	if (http_unsent(worker->http) == 0)
		return;
	all = !worker_may_send(worker) || worker_is_steered(worker) ||
		worker->setup_sent != worker->setup;
	http_recall(worker->http, all ? PG_INT32_MAX : permits_excess(worker->slot_index));
}

/* Returns whether there is more to be sent, by permits, than there are connections for. */
static bool
send_ready(Worker *worker)
{
	Request    *request;
	bool		full = false;

	worker->permit_not_before = CLOCK_NEVER;
	if (worker_check_budget(worker))
	{
		/* Those that are due are not what to wake up for, where the pause cannot be written yet. */
		(void) outbox_peek(&worker->outbox, clock_now());
		http_recall(worker->http, PG_INT32_MAX);
		if (worker->slot->wants)
			permits_want_nothing(worker->slot_index);
		return false;
	}
	while (worker_may_send(worker) && (request = outbox_peek(&worker->outbox, clock_now())) != NULL)
	{
		Refusal		refusal;

		/* Requests may have become smaller since it was cut: its server was changed. */
		if (request->row_count > worker->recipe->batch_size)
		{
			outbox_pop(&worker->outbox);
			worker_fit_request(worker, request);
			continue;
		}
		if (clock_now() < worker->attempts[STEP_CONNECT].not_before)
			break;
		/* What is not sent at once is decided when it can be. */
		full = http_room(worker->http) == 0;
		if (full)
			break;
		/* A single request may exceed it, but not on top of answers that wait to be stored. */
		if (worker_memory_used(worker) > worker_memory_limit(worker) &&
			(http_in_flight(worker->http) > 0 || worker->outcomes != NULL))
			break;
		request->tokens_taken = expected_tokens(worker, request);
		if (!permits_take(worker->slot_index, request->tokens_taken, &refusal))
		{
			if (refusal.wait_us != CLOCK_NEVER)
				worker->permit_not_before = clock_now() + refusal.wait_us;
			return false;
		}
		outbox_pop(&worker->outbox);
		send_request(worker, request);
	}
	if (worker->slot->wants)
		permits_want_nothing(worker->slot_index);
	return full;
}

/*
 * On the wire at once: what comes next in a turn may take long.  What has come back makes
 * room for others, but comes first itself.
 */
void
turn_send(Worker *worker)
{
	int			rounds = SEND_ROUNDS;
	bool		more;

	if (worker_may_send(worker) && outbox_peek(&worker->outbox, clock_now()) != NULL)
		intake_look_at_file(worker);
	turn_recall(worker);
	do
	{
		more = !worker_is_steered(worker) && send_ready(worker);
		http_flush(worker->http);
		more = more && http_room(worker->http) > 0 && !http_has_finished(worker->http);
	} while (more && --rounds > 0);
	worker->more_to_send = more;
}
