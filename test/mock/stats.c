/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  Counters, and which requests were seen and answered before.
 *
 * A table maps the hash of method, target and body to how often that request
 * came and whether it was answered; at its bound no more requests are added,
 * so an endless benchmark costs a bounded amount of memory.
 *
 *-------------------------------------------------------------------------
 */
#include "stats.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inputlog.h"

#define SEEN_LIMIT ((size_t) 16 << 20)
#define SEEN_FIRST_CAPACITY ((size_t) 4096)

/* One request; empty where key is 0. */
typedef struct Seen
{
	uint64_t	key;
	uint32_t	attempts;		/* since the script that script_epoch names */
	uint32_t	script_epoch;
	bool		answered;		/* with 2xx, in a usable way */
} Seen;

typedef struct Counters
{
	uint64_t	requests;
	uint64_t	connections;
	uint64_t	repeats;
	uint64_t	inputs;
	uint64_t	input_repeats;
	uint64_t	bytes_in;
	uint64_t	bytes_out;
	uint64_t	aborted;
	uint64_t	counted[STATS_COUNTERS];
	uint64_t	answers[600];	/* by status */
	uint64_t	max_in_flight;
	uint64_t	per_second_max;
} Counters;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Guarded by lock. */
static Counters counters;
static uint64_t in_flight;
static uint64_t connections_open;
static time_t second;			/* the one that second_requests counts */
static uint64_t second_requests;
static unsigned epoch;			/* of the counters: one more with each reset */
static uint32_t script_epoch;
static uint64_t sequence;
static Seen *seen;				/* open addressing, capacity a power of two */
static size_t seen_count;
static size_t seen_capacity;

/* The place of a key: its own, or the empty one where it would be. */
static Seen *
seen_place(uint64_t key)
{
	size_t		i = key & (seen_capacity - 1);

	while (seen[i].key != 0 && seen[i].key != key)
		i = (i + 1) & (seen_capacity - 1);
	return &seen[i];
}

static void
seen_grow(void)
{
	Seen	   *old = seen;
	size_t		old_capacity = seen_capacity;

	seen_capacity = old_capacity > 0 ? old_capacity * 2 : SEEN_FIRST_CAPACITY;
	seen = xcalloc(seen_capacity * sizeof(*seen));
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].key != 0)
			*seen_place(old[i].key) = old[i];
	free(old);
}

/* The entry of a key, made if there is none; NULL when the table is full. */
static Seen *
seen_entry(uint64_t key)
{
	Seen	   *entry;

	if (seen_count * 2 >= seen_capacity)
		seen_grow();
	if (key == 0)
		key = 1;
	entry = seen_place(key);
	if (entry->key == key)
		return entry;
	if (seen_count >= SEEN_LIMIT)
		return NULL;
	entry->key = key;
	seen_count++;
	return entry;
}

void
stats_connection(bool opened)
{
	pthread_mutex_lock(&lock);
	if (opened)
	{
		counters.connections++;
		connections_open++;
	}
	else
		connections_open--;
	pthread_mutex_unlock(&lock);
}

void
stats_begin(Request *request)
{
	pthread_mutex_lock(&lock);
	request->epoch = epoch;
	in_flight++;
	if (in_flight > counters.max_in_flight)
		counters.max_in_flight = in_flight;
	pthread_mutex_unlock(&lock);
}

static void
count_second(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != second)
	{
		second = now.tv_sec;
		second_requests = 0;
	}
	if (++second_requests > counters.per_second_max)
		counters.per_second_max = second_requests;
}

void
stats_receive(Request *request)
{
	Seen	   *entry;

	pthread_mutex_lock(&lock);
	request->epoch = epoch;		/* from here on it counts, wherever a reset came */
	counters.requests++;
	counters.bytes_in += request->body.length;
	count_second();
	request->sequence = ++sequence;
	entry = seen_entry(request->key);
	if (entry != NULL)
	{
		counters.repeats += entry->answered;
		if (entry->script_epoch != script_epoch)
			entry->attempts = 0;
		entry->script_epoch = script_epoch;
		request->attempt = ++entry->attempts;
	}
	else
		request->attempt = 1;
	pthread_mutex_unlock(&lock);
}

void
stats_receive_inputs(Request *request)
{
	uint64_t	repeats = inputlog_count_answered(&request->inputs);

	pthread_mutex_lock(&lock);
	counters.inputs += request->inputs.count;
	counters.input_repeats += repeats;
	pthread_mutex_unlock(&lock);
}

void
stats_count(StatsCounter counter)
{
	pthread_mutex_lock(&lock);
	counters.counted[counter]++;
	pthread_mutex_unlock(&lock);
}

/* The connection was to end without a whole answer, and the client waited for it. */
static bool
ended_by_script(const Request *request)
{
	return (request->transport == TRANSPORT_RESET || request->transport == TRANSPORT_CUT) &&
		request->wake != WAKE_GONE;
}

void
stats_end(Request *request, bool complete)
{
	int			status = request->answered_status;
	bool		good = complete && status >= 200 && status < 300 && !script_spoils(request);
	bool		current;
	Seen	   *entry;

	pthread_mutex_lock(&lock);
	in_flight--;
	current = request->epoch == epoch;
	if (current && complete)
	{
		counters.answers[status]++;
		counters.bytes_out += request->answered_bytes;
	}
	else if (current && !ended_by_script(request))
		counters.aborted++;
	if (current && good && (entry = seen_entry(request->key)) != NULL)
		entry->answered = true;
	pthread_mutex_unlock(&lock);

	if (current && good)
		inputlog_add(&request->inputs);
}

void
stats_new_script(void)
{
	pthread_mutex_lock(&lock);
	script_epoch++;
	sequence = 0;
	pthread_mutex_unlock(&lock);
}

void
stats_reset(void)
{
	pthread_mutex_lock(&lock);
	memset(&counters, 0, sizeof(counters));
	counters.max_in_flight = in_flight;
	second_requests = 0;
	sequence = 0;
	epoch++;
	free(seen);
	seen = NULL;
	seen_count = seen_capacity = 0;
	pthread_mutex_unlock(&lock);
}

static json_t *
describe_answers(void)
{
	json_t	   *answers = json_object();
	char		status[16];

	for (int i = 0; i < 600; i++)
		if (counters.answers[i] > 0)
		{
			snprintf(status, sizeof(status), "%d", i);
			json_object_set_new(answers, status, json_integer((json_int_t) counters.answers[i]));
		}
	return answers;
}

json_t *
stats_describe(void)
{
	json_t	   *object;

	pthread_mutex_lock(&lock);
	object = json_pack("{s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, "
					   "s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
					   "requests", (json_int_t) counters.requests,
					   "in_flight", (json_int_t) in_flight,
					   "max_in_flight", (json_int_t) counters.max_in_flight,
					   "answers", describe_answers(),
					   "connections", (json_int_t) counters.connections,
					   "connections_open", (json_int_t) connections_open,
					   "repeats", (json_int_t) counters.repeats,
					   "inputs", (json_int_t) counters.inputs,
					   "input_repeats", (json_int_t) counters.input_repeats,
					   "bytes_in", (json_int_t) counters.bytes_in,
					   "bytes_out", (json_int_t) counters.bytes_out,
					   "per_second_max", (json_int_t) counters.per_second_max,
					   "resets", (json_int_t) counters.counted[STATS_RESETS],
					   "cuts", (json_int_t) counters.counted[STATS_CUTS],
					   "hangs", (json_int_t) counters.counted[STATS_HANGS],
					   "aborted", (json_int_t) counters.aborted);
	pthread_mutex_unlock(&lock);
	return object;
}
