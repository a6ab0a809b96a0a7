/*-------------------------------------------------------------------------
 *
 * key_runs_test.c
 *	  Unit tests of key_runs.c.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "store/key_runs.h"
#include "tap.h"

#define ROUNDS 2000
#define MOST_KEYS 60

/* The runs of keys, as text: "1..3 7..7". */
static const char *
runs_of(const int64_t *keys, int count, int most)
{
	static char text[4000];
	KeyRuns		runs = {malloc(sizeof(KeyRun) * count), 0};

	for (int i = 0; i < count; i++)
		key_runs_add(&runs, keys[i]);
	key_runs_settle(&runs, most);
	text[0] = '\0';
	for (int i = 0; i < runs.count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld..%lld",
				 i > 0 ? " " : "", (long long) runs.runs[i].lowest,
				 (long long) runs.runs[i].highest);
	free(runs.runs);
	return text;
}

#define RUNS(most, ...) \
	runs_of((const int64_t[]) {__VA_ARGS__}, \
			sizeof((const int64_t[]) {__VA_ARGS__}) / sizeof(int64_t), most)

static void
test_shapes(void)
{
	is_str(RUNS(9, 5), "5..5", "a key");
	is_str(RUNS(9, 1, 2, 3, 4), "1..4", "a sequence");
	is_str(RUNS(9, 4, 3, 2, 1), "1..4", "a sequence that falls");
	is_str(RUNS(9, 2, 4, 6, 8), "2..8", "every other number");
	is_str(RUNS(9, 1, 2, 5, 6), "1..2 5..6", "two numbers between");
	is_str(RUNS(9, 20, 21, 1, 2, 10, 11), "1..2 10..11 20..21", "requests that ended in any order");
	is_str(RUNS(9, 11, 12, 1, 2, 3, 13, 14, 4, 5), "1..5 11..14", "what goes on later");
	is_str(RUNS(9, 1, 9, 2, 8, 3, 7, 4, 6, 5), "1..9", "from both ends");
	is_str(RUNS(9, -3, -2, -1, 0, 1), "-3..1", "across zero");
	is_str(RUNS(9, 7, 7, 7), "7..7", "the same key again");
}

static void
test_most(void)
{
	is_str(RUNS(3, 1, 10, 20), "1..1 10..10 20..20", "as many runs as there may be");
	is_str(RUNS(2, 1, 10, 100), "1..10 100..100", "one more: the narrower hole is closed");
	is_str(RUNS(1, 1, 10, 100), "1..100", "all are closed");
	is_str(RUNS(1, INT64_MIN, INT64_MAX), "-9223372036854775808..9223372036854775807",
		   "the widest hole there is");
	is_str(RUNS(9, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1),
		   "-9223372036854775808..-9223372036854775807 9223372036854775806..9223372036854775807",
		   "the ends of what there is");
}

/* Every key is in a run, runs are in order and apart, and each begins and ends with a key. */
static bool
is_right(const int64_t *keys, int count, const KeyRuns *runs, int most)
{
	for (int i = 0; i < count; i++)
	{
		int			found = 0;

		for (int j = 0; j < runs->count; j++)
			found += keys[i] >= runs->runs[j].lowest && keys[i] <= runs->runs[j].highest;
		if (found != 1)
			return false;
	}
	for (int j = 0; j < runs->count; j++)
	{
		int			ends = 0;

		for (int i = 0; i < count; i++)
			ends |= (keys[i] == runs->runs[j].lowest) | (keys[i] == runs->runs[j].highest) << 1;
		if (ends != 3 || (j > 0 && runs->runs[j].lowest - runs->runs[j - 1].highest <= 2))
			return false;
	}
	return runs->count <= most;
}

static void
test_any(void)
{
	KeyRun		memory[MOST_KEYS];
	int64_t		keys[MOST_KEYS];
	int			wrong = 0;

	srandom(1);
	for (int round = 0; round < ROUNDS; round++)
	{
		KeyRuns		runs = {memory, 0};
		int			count = 1 + (int) (random() % MOST_KEYS);
		int			most = 1 + (int) (random() % 8);
		int			width = 1 + (int) (random() % 500);

		for (int i = 0; i < count; i++)
		{
			keys[i] = i > 0 && random() % 4 > 0 ? keys[i - 1] + 1 : random() % width - width / 2;
			key_runs_add(&runs, keys[i]);
		}
		key_runs_settle(&runs, most);
		wrong += !is_right(keys, count, &runs, most);
	}
	is_int(wrong, 0, "keys of any kind: each in one run, and runs apart");
}

int
main(void)
{
	test_shapes();
	test_most();
	test_any();
	return done_testing();
}
