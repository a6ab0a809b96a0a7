/*-------------------------------------------------------------------------
 *
 * pace_test.c
 *	  Unit driver for pace.c: when a worker loads and stores, and how much.
 *
 * Each scenario says what is the case, and writes out what is to be done.  The clock stands
 * at NOW.
 *
 *-------------------------------------------------------------------------
 */
#include "base/clock.h"
#include "limits/pace.h"
#include "tap.h"

#define NOW INT64_C(1000000000)
#define MS INT64_C(1000)
#define MEGABYTE ((size_t) 1024 * 1024)

/* Plenty lies ready: so what is to be loaded says nothing of the rest. */
#define PLENTY 1000

static Pace pace;				/* nothing was stored so far */

/* A worker at work: 64 requests of a row in flight, plenty ready, nothing comes in. */
static PaceFacts
at_work(void)
{
	return (PaceFacts) {
		.now = NOW, .share = 64, .batch_size = 1,
		.ready = PLENTY, .queued = PLENTY, .in_flight = 64,
		.memory_used = 10 * MEGABYTE, .memory_limit = 256 * MEGABYTE
	};
}

/* The same, and outcomes wait: so many rows, the oldest for so long. */
static PaceFacts
with_outcomes(int rows, int64_t age)
{
	PaceFacts	facts = at_work();

	facts.rows = rows;
	facts.bytes = (size_t) rows * 100;
	facts.since = NOW - age;
	return facts;
}

/* Microseconds from now until a store. */
static int64_t
store_in(const PaceFacts *facts)
{
	return pace_plan(&pace, facts).store_at - NOW;
}

static void
is_plan(const PaceFacts *facts, int wanted, int load, const char *name)
{
	PacePlan	plan = pace_plan(&pace, facts);

	is_int(plan.wanted, wanted, name);
	is_int(plan.load, load, "... and of these now");
}

static void
test_idle(void)
{
	PaceFacts	facts = at_work();

	is_plan(&facts, 0, 0, "idle: enough is ready");
	is_int(pace_plan(&pace, &facts).store_at, CLOCK_NEVER, "idle: nothing is to be stored");
}

/* A slow API: an answer now and then. */
static void
test_trickle(void)
{
	PaceFacts	facts = with_outcomes(1, 0);

	is_int(store_in(&facts), 5 * MS, "trickle: an answer waits for others");
	facts.since = NOW - 3 * MS;
	facts.rows = 4;
	is_int(store_in(&facts), 2 * MS, "trickle: others do not make it wait longer");
	facts.since = NOW - 5 * MS;
	is_int(store_in(&facts), 0, "trickle: then all are stored");
}

/* Answers of 8 MB come in, one after the other, for 60 ms. */
static void
test_burst(void)
{
	PaceFacts	facts = with_outcomes(500, 20 * MS);

	facts.bytes = 8 * MEGABYTE;
	facts.receiving = true;
	is_int(store_in(&facts), 80 * MS, "burst: the next one is received before the first is stored");
	facts.ready = 17;
	is_plan(&facts, 2 * 64 + 1000 - 17, 0, "burst: nor is anything loaded meanwhile");
	facts.ready = 16;
	is_plan(&facts, 2 * 64 + 1000 - 16, 1112, "burst: but where little is left");
	facts.bytes = 32 * MEGABYTE;
	is_int(store_in(&facts), 0, "burst: much is stored in between");
	facts.bytes = 31 * MEGABYTE;
	facts.receiving = false;
	is_int(store_in(&facts), -15 * MS, "burst: over, and what it has brought is stored");
	is_int((int64_t) pace_plan(&pace, &facts).store_bytes, 8 * (int64_t) MEGABYTE,
		   "burst: an answer at a time");
}

/* Answers always are there to be received: the worker never sleeps. */
static void
test_no_time_to_spare(void)
{
	PaceFacts	facts = with_outcomes(3000, 0);

	facts.receiving = true;
	is_int(store_in(&facts), 100 * MS, "busy: a store every now and then");
	facts.since = NOW - 100 * MS;
	is_int(store_in(&facts), 0, "busy: then it goes before what there is to receive");
	facts.rows = 5000;
	facts.since = NOW;
	is_int(store_in(&facts), 0, "busy: at once where there are many rows");
	facts.ready = 0;
	facts.rows = 20000;
	is_plan(&facts, 2 * 64 + 1000, 0, "busy: at last no more are loaded before they are stored");
	facts.rows = 19999;
	is_plan(&facts, 2 * 64 + 1000, 1128, "busy: else they are, so that sending goes on");
}

/* How many are many: no more than all requests in flight can bring at a time. */
static void
test_many_rows(void)
{
	static const struct
	{
		int			share;
		int			batch_size;
		int			many;
	}			cases[] = {
		{1, 1, 5000}, {0, 500, 5000}, {10, 500, 5000}, {10, 501, 5010}, {32, 500, 16000},
		{40, 500, 20000}, {41, 500, 20000}, {1, 100000, 20000}, {100000, 100000, 20000}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		PaceFacts	facts = with_outcomes(cases[i].many - 1, 0);

		facts.share = cases[i].share;
		facts.batch_size = cases[i].batch_size;
		facts.receiving = true;
		is_int(store_in(&facts), 100 * MS, "many rows: one fewer wait for others");
		facts.rows++;
		is_int(store_in(&facts), 0, "many rows: these do not");
	}
}

/* What a store takes is measured. */
static void
test_slices(void)
{
	PaceFacts	facts = with_outcomes(20000, 0);
	Pace		measured = {0};

	is_int(pace_plan(&measured, &facts).store_rows, 1200, "first store: some rows");
	pace_note_store(&measured, 1200, 1200 * 4, 100);
	is_int(pace_plan(&measured, &facts).store_rows, 3000, "stores: by what the first one took");
	pace_note_store(&measured, 3000, 3000 * 8, 100);
	is_int(pace_plan(&measured, &facts).store_rows, 2400, "stores: the last counts by a quarter");
	for (int i = 0; i < 40; i++)
		pace_note_store(&measured, 100, 100 * 120, 100);
	is_int(pace_plan(&measured, &facts).store_rows, 100, "stores: those long ago do not count");
	for (int i = 0; i < 40; i++)
		pace_note_store(&measured, 1, 30 * MS, 100);
	is_int(pace_plan(&measured, &facts).store_rows, 0, "stores: an outcome then, at least");
	for (int i = 0; i < 80; i++)
		pace_note_store(&measured, 20000, 0, 0);
	is_int(pace_plan(&measured, &facts).store_rows, 20000, "stores: and never more than these");
}

/* Each commit takes 20 ms. */
static void
test_slow_disk(void)
{
	PaceFacts	facts = with_outcomes(20000, 0);
	Pace		slow = {.row_us = 10, .commit_us = 20000};
	Pace		fast = {.row_us = 10, .commit_us = 3000};

	is_int(pace_plan(&slow, &facts).store_rows, 8000, "slow disk: what a commit is worth");
	is_int(pace_plan(&fast, &facts).store_rows, 1200, "fast disk: nobody is to wait for long");
	for (int i = 0; i < 8; i++)
		pace_note_store(&slow, 1000, 1000 * 10, 3000);
	is_int(pace_plan(&slow, &facts).store_rows, 1880, "slow disk: until it is a fast one");
}

/* Answers cannot be received before others are stored. */
static void
test_memory(void)
{
	PaceFacts	facts = with_outcomes(10, 0);

	facts.needs_memory = facts.receiving = true;
	is_int(store_in(&facts), 0, "memory: what is there is stored at once");
	facts = with_outcomes(10, 0);
	facts.ready = facts.queued = 0;
	facts.memory_used = 128 * MEGABYTE;
	is_plan(&facts, 1128, 1128, "memory: half of it may be taken");
	facts.memory_used++;
	is_plan(&facts, 1128, 0, "memory: beyond that nothing is loaded");
	facts.rows = 0;
	is_plan(&facts, 1128, 1128, "memory: unless nothing is there that makes room");
	facts.queued = 1;
	is_plan(&facts, 1128, 0, "memory: as what waits to be tried again will");
}

/* Too many rows have failed, or nothing was found in any answer yet. */
static void
test_job_may_pause(void)
{
	PaceFacts	facts = with_outcomes(1, 0);

	facts.job_may_pause = facts.receiving = true;
	is_int(store_in(&facts), 0, "pause: what may lead to it is stored at once");
	facts.rows = 0;
	is_int(pace_plan(&pace, &facts).store_at, CLOCK_NEVER, "pause: if there is anything");
}

static void
test_nothing_in_flight(void)
{
	PaceFacts	facts = with_outcomes(1, 0);

	facts.in_flight = 0;
	is_int(store_in(&facts), 0, "nothing in flight: there is nothing to wait for");
}

/* Rows that are skipped: loading brings outcomes, and no requests. */
static void
test_no_answer_needed(void)
{
	PaceFacts	facts = with_outcomes(1000, 0);

	facts.in_flight = facts.ready = facts.queued = 0;
	is_plan(&facts, 1128, 1000, "no answer needed: more are loaded");
	is_int(store_in(&facts), 0, "no answer needed: and those are stored");
	facts.in_flight = 64;
	is_int(store_in(&facts), 5 * MS, "no answer needed: they wait for answers of others");
	facts.rows = 20000;
	is_plan(&facts, 1128, 0, "no answer needed: but do not fill the memory");
	is_int(store_in(&facts), 0, "no answer needed: many are stored at once");
}

/* A store has failed, for a lock, and is to be tried again. */
static void
test_failed_store(void)
{
	PaceFacts	facts = with_outcomes(20000, 200 * MS);

	facts.store_not_before = NOW + 50 * MS;
	is_int(store_in(&facts), 50 * MS, "failed store: is tried again then");
	facts.needs_memory = facts.job_may_pause = true;
	is_int(store_in(&facts), 50 * MS, "failed store: whatever else is the case");
	facts.in_flight = 0;
	is_int(store_in(&facts), 50 * MS, "failed store: and though there is nothing else to do");
	facts.store_not_before = NOW - 1;
	is_int(store_in(&facts), 0, "failed store: now");
}

/* Before the first request, in the middle, and at caps of all sizes. */
static void
test_loading(void)
{
	PaceFacts	facts = at_work();

	facts.ready = facts.queued = facts.in_flight = 0;
	is_plan(&facts, 1128, 1000, "loading: the first request is to go soon");
	facts.batch_size = 500;
	is_plan(&facts, 130, 2, "loading: in requests of 500 rows, too");
	facts.batch_size = 3000;
	is_plan(&facts, 128, 1, "loading: a request at least");
	facts.in_flight = 64;
	facts.batch_size = 500;
	is_plan(&facts, 130, 10, "loading: no more than 5000 rows at a time");
	facts.batch_size = 1;
	facts.ready = 80;
	is_plan(&facts, 1048, 1048, "loading: before less than a share and a quarter is ready");
	facts.ready = 81;
	is_plan(&facts, 0, 0, "loading: and not sooner");
	facts.ready = 0;
	facts.share = 1;
	is_plan(&facts, 1002, 1002, "loading: for one request in flight");
	facts.ready = 1;
	facts.receiving = true;
	is_plan(&facts, 1001, 0, "loading: which is received before");
	facts.ready = 0;
	is_plan(&facts, 1002, 1002, "loading: unless there is no other");
	facts.share = 0;
	is_plan(&facts, 0, 0, "loading: nothing for a cap of 0");
}

int
main(void)
{
	test_idle();
	test_trickle();
	test_burst();
	test_no_time_to_spare();
	test_many_rows();
	test_slices();
	test_slow_disk();
	test_memory();
	test_job_may_pause();
	test_nothing_in_flight();
	test_no_answer_needed();
	test_failed_store();
	test_loading();
	return done_testing();
}
