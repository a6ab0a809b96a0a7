/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  When a worker loads and stores, and how much at a time.
 *
 * A worker does one thing at a time.  While it loads or stores, an answer that comes in
 * waits, and so does the request that could take its place.  So both are done in pieces,
 * and are put off while there is something to receive; but not for ever.
 *
 * Load: so many requests lie ready that sending them takes as long as a whole share of the
 * caps takes to be answered.  Where a quarter of a share is left, loading waits no longer.
 *
 * Store: when the worker is about to sleep, outcomes wait a little for others, as each
 * transaction costs something; while it receives they wait longer, and at most for
 * STORE_MAX_AGE_US.  Where there are many, or it is of no use to wait, they are stored at
 * once.  A worker that never sleeps so has a transaction each STORE_MAX_AGE_US; and one
 * that is mostly asleep stores what has come in since the last time, which is little.
 *
 * Owns nothing, allocates nothing, cannot fail.
 *
 *-------------------------------------------------------------------------
 */
#include "limits/pace.h"

#include "base/clock.h"

/* Rows that a query brings at most: it bounds how long nothing is received meanwhile. */
#define LOAD_ROWS 5000

/*
 * Rows that a query brings at least, beyond the requests that are needed at once: it bounds
 * what queries cost by themselves.  While no request is under way it brings no more: the
 * first is to go as soon as can be.
 */
#define LOAD_MIN_ROWS 1000

/* Loading waits while there is something to receive, until this part of the share is left. */
#define LOAD_URGENT_SHARE 4

/*
 * Outcomes that are this old are stored if there is nothing to receive.  It bounds how long
 * they wait for one another: what is not stored is lost in a crash.  3,000 answers of an API
 * that takes 10 to 50 ms, 32 at a time, took a worker 0.43 s of processor time with this, and
 * 0.61 s where each was stored at once (medians of three).
 */
#define STORE_AGE_US 5000

/* The same where there is something to receive: it bounds that in a worker that never sleeps. */
#define STORE_MAX_AGE_US 100000

/*
 * So many bytes of answers do not wait, nor do more rows than a burst can bring, which is an
 * answer to each request that may be in flight: where more have come, there are no quiet
 * times to store in.  But waiting for so many rows always pays, as a store has its own costs.
 * That bounds the memory which is held only for the sake of a later store.  Rows are loaded
 * on, so that sending goes on, until there are PACE_STORE_ROWS: those that need no answer wait
 * for a store at once.
 */
#define STORE_BYTES ((size_t) 32 * 1024 * 1024)
#define STORE_MIN_ROWS 5000

/*
 * What a store is to take, without its commit: it bounds how long a permit that has come free
 * waits.  No difference was seen in workload `rows` from 2 to 40 ms; but those runs differed by
 * 5% among themselves, on a machine with other work.
 */
#define SLICE_US 12000.0

/* But so many times what a commit takes: it bounds the share of time that slow ones take. */
#define SLICE_COMMITS 4

/* Bytes of answers that one store takes: it bounds the memory that its copies of them need. */
#define SLICE_BYTES ((size_t) 8 * 1024 * 1024)

/* What a row is thought to take before any was stored: it bounds the first store. */
#define FIRST_ROW_US 10.0

/* Of the averages: the last few stores count. */
#define WEIGHT 0.25

static int
least(int a, int b)
{
	return a < b ? a : b;
}

/*
 * None while so many lie ready that loading does not become urgent before a whole share was
 * sent; then enough for each query to bring a decent number of rows.
 */
static int
wanted_requests(const PaceFacts *facts)
{
	if (facts->share == 0 || facts->ready > facts->share + facts->share / LOAD_URGENT_SHARE)
		return 0;
	return 2 * facts->share + LOAD_MIN_ROWS / facts->batch_size - facts->ready;
}

/* Half of the memory is for answers, unless nothing is there that is going to free some. */
static bool
may_hold_more(const PaceFacts *facts)
{
	return facts->memory_used <= facts->memory_limit / 2 ||
		(facts->queued == 0 && facts->rows == 0);
}

/* So many rows do not wait for others to be stored with. */
static int
many_rows(const PaceFacts *facts)
{
	int64_t		burst = (int64_t) facts->share * facts->batch_size;

	if (burst < STORE_MIN_ROWS)
		return STORE_MIN_ROWS;
	return burst < PACE_STORE_ROWS ? (int) burst : PACE_STORE_ROWS;
}

static int
requests_to_load(const PaceFacts *facts, int wanted)
{
	bool		starting = facts->ready == 0 && facts->in_flight == 0;
	int			most = (starting ? LOAD_MIN_ROWS : LOAD_ROWS) / facts->batch_size;

	if (facts->receiving && facts->ready > facts->share / LOAD_URGENT_SHARE)
		return 0;
	if (!may_hold_more(facts) || facts->rows >= PACE_STORE_ROWS)
		return 0;
	return least(wanted, most > 1 ? most : 1);
}

/* Is waiting for more of no use? */
static bool
store_is_urgent(const PaceFacts *facts)
{
	return facts->in_flight == 0 || facts->needs_memory || facts->job_may_pause ||
		facts->rows >= many_rows(facts) || facts->bytes >= STORE_BYTES;
}

static int64_t
store_at(const PaceFacts *facts)
{
	int64_t		at = facts->now;

	if (facts->rows == 0)
		return CLOCK_NEVER;
	if (!store_is_urgent(facts))
		at = facts->since + (facts->receiving ? STORE_MAX_AGE_US : STORE_AGE_US);
	return at > facts->store_not_before ? at : facts->store_not_before;
}

static int
rows_to_store(const Pace *pace)
{
	double		row_us = pace->row_us > 0 ? pace->row_us : FIRST_ROW_US;
	double		slice_us = pace->commit_us * SLICE_COMMITS;
	double		rows;

	if (slice_us < SLICE_US)
		slice_us = SLICE_US;
	rows = slice_us / row_us;
	return rows < PACE_STORE_ROWS ? (int) rows : PACE_STORE_ROWS;
}

PacePlan
pace_plan(const Pace *pace, const PaceFacts *facts)
{
	PacePlan	plan;

	plan.wanted = wanted_requests(facts);
	plan.load = requests_to_load(facts, plan.wanted);
	plan.store_at = store_at(facts);
	plan.store_rows = rows_to_store(pace);
	plan.store_bytes = SLICE_BYTES;
	return plan;
}

void
pace_note_store(Pace *pace, int rows, int64_t write_us, int64_t commit_us)
{
	double		row_us = (double) (write_us > 0 ? write_us : 1) / rows;

	pace->row_us += pace->row_us > 0 ? (row_us - pace->row_us) * WEIGHT : row_us;
	pace->commit_us += ((double) commit_us - pace->commit_us) * WEIGHT;
}
