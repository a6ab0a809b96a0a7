/*-------------------------------------------------------------------------
 *
 * permits_server.c
 *	  What shared memory knows of a server: its limits, its health, its statistics.
 *
 * An entry is made by the first worker that sends to a server, and kept until
 * its place is needed.  Answers are noted in the order they came; what was
 * throttled or has failed is judged before its permit is given back.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/permits_internal.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "common/settings.h"
#include "server/server.h"

static void
reset_statistics(ServerEntry *entry)
{
	entry->stats_reset = GetCurrentTimestamp();
	entry->requests = entry->throttled = entry->errors = 0;
	entry->bytes_in = entry->bytes_out = entry->tokens = 0;
	memset(entry->answers, 0, sizeof(entry->answers));
	memset(&entry->latency, 0, sizeof(entry->latency));
}

static bool
server_is_used(int server_index)
{
	return shared_next_slot(shared->slots, -1, server_index) != NULL;
}

/* The server's entry, else a free one, else that of a server nobody uses; -1: none. */
static int
find_place(Oid database, Oid server)
{
	int			unused = -1;

	Assert(shared_is_locked());
	for (int i = 0; i < SHARED_MAX_SERVERS; i++)
	{
		const ServerEntry *entry = &shared->servers[i];

		if (entry->in_use && entry->database == database && entry->server == server)
			return i;
		if (unused < 0 && !entry->in_use)
			unused = i;
	}
	for (int i = 0; i < SHARED_MAX_SERVERS && unused < 0; i++)
		if (!server_is_used(i))
			unused = i;
	return unused;
}

bool
permits_have_room(Oid database, Oid server)
{
	return find_place(database, server) >= 0;
}

/* The server's entry, made if need be; -1: there is no room. */
static int
find_server(Oid server)
{
	int			place = find_place(MyDatabaseId, server);
	ServerEntry *entry;

	if (place < 0)
		return -1;
	entry = &shared->servers[place];
	if (entry->in_use && entry->database == MyDatabaseId && entry->server == server)
		return place;
	memset(entry, 0, sizeof(*entry));
	entry->in_use = true;
	entry->database = MyDatabaseId;
	entry->server = server;
	reset_statistics(entry);
	return place;
}

/* A server that moved is another server. */
static uint32
hash_address(const Server *server)
{
	uint32		hash = string_hash(server->url, strlen(server->url) + 1);

	return server->proxy == NULL ? hash
		: hash_combine(hash, string_hash(server->proxy, strlen(server->proxy) + 1));
}

static void
update_entry(int index, const Server *server)
{
	ServerEntry *entry = &shared->servers[index];
	uint32		address = hash_address(server);
	int64		now = clock_now();

	Assert(shared_is_locked());
	quota_change(&entry->request_quota, entry->requests_per_minute, server->requests_per_minute,
				 now);
	quota_change(&entry->token_quota, entry->tokens_per_minute, server->tokens_per_minute, now);
	if (entry->tokens_per_minute != server->tokens_per_minute)
		memset(&entry->token_window, 0, sizeof(entry->token_window));
	entry->max_concurrency = server->max_concurrency;
	entry->requests_per_minute = server->requests_per_minute;
	entry->tokens_per_minute = server->tokens_per_minute;
	entry->backoff_base_us = server->backoff_base_ms * INT64CONST(1000);
	entry->backoff_max_us = server->backoff_max_ms * INT64CONST(1000);
	if (entry->address != 0 && entry->address != address)
	{
		health_forget(&entry->health, now);
		permits_end_probe(entry);
	}
	entry->address = address;
}

int
permits_use_server(int slot_index, const Server *server)
{
	int			index;

	shared_lock();
	index = find_server(server->oid);
	shared->jobs[shared->slots[slot_index].job_index].no_server =
		index < 0 ? server->oid : InvalidOid;
	if (index >= 0)
	{
		update_entry(index, server);
		shared->slots[slot_index].server_index = index;
	}
	shared_unlock();
	if (index < 0)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("too many servers are in use at the same time"),
				errdetail("At most %d servers can have running jobs.", SHARED_MAX_SERVERS),
				errhint("Wait for jobs on other servers to finish."));
	return index;
}

/*
 * Health.
 */

static HealthScene
make_scene(int server_index)
{
	const ServerEntry *server = &shared->servers[server_index];
	HealthScene scene = {.now = clock_now()};

	Assert(shared_is_locked());
	scene.backoff_base_us = server->backoff_base_us;
	scene.backoff_max_us = server->backoff_max_us;
	scene.cap = permits_cap_without_limit(server_index);
	scene.chance = pg_prng_double(&pg_global_prng_state);
	return scene;
}

Charge
permits_judge(int server_index, const Trial *trial)
{
	ServerEntry *server = &shared->servers[server_index];
	HealthReport report = {trial->sign, false, trial->sent_at, trial->wait_us};
	HealthScene scene;
	Charge		charge = {0};
	bool		was_out;

	shared_lock();
	scene = make_scene(server_index);
	was_out = server->health.out;
	charge.forgiven = trial->outages != server->health.outages;
	report.first_failure = !trial->failed_before || charge.forgiven;
	charge.counts = health_note(&server->health, &report, &scene);
	charge.out = server->health.out;
	charge.outage_begins = !was_out && charge.out;
	charge.outage_ends = was_out && !charge.out;
	charge.forgiven |= charge.outage_begins;
	charge.outages = server->health.outages;
	if (trial->sign == HEALTH_THROTTLED)
		server->throttled++;
	else if (trial->failure != NULL)
		strlcpy(server->failure, trial->failure, sizeof(server->failure));
	if (charge.outage_begins)
		server->probe_generation = 0;
	if (charge.outage_ends)
		permits_wake_users(server);
	shared_unlock();
	return charge;
}

HealthBlame
permits_blame(int server_index, int64 failed_at, uint32 outages)
{
	HealthBlame blame;

	shared_lock();
	blame = health_blame(&shared->servers[server_index].health, failed_at, outages);
	shared_unlock();
	return blame;
}

bool
permits_server_is_asked(int server_index)
{
	bool		asked;

	shared_lock();
	asked = permits_in_flight(server_index) > 0;
	shared_unlock();
	return asked;
}

bool
permits_others_pass(int server_index, bool may_pass, int64 sent_at)
{
	bool		pass;

	shared_lock();
	pass = health_others_pass(&shared->servers[server_index].health, may_pass, sent_at);
	shared_unlock();
	return pass;
}

/*
 * Giving back.
 */

/* The answers say that the server works. */
static void
note_answers(int server_index, const Answer *answers, int count)
{
	ServerEntry *server = &shared->servers[server_index];
	HealthScene scene = make_scene(server_index);

	Assert(shared_is_locked());
	for (int i = 0; i < count; i++)
	{
		HealthReport report = {HEALTH_ANSWERED, false, answers[i].sent_at, 0};

		if (answers[i].works)
			(void) health_note(&server->health, &report, &scene);
	}
}

static void
count_answer(ServerEntry *server, const Answer *answer)
{
	Assert(shared_is_locked());
	server->bytes_in += answer->bytes_in;
	server->bytes_out += answer->bytes_out;
	server->tokens += answer->tokens;
	if (answer->tokens > 0 && server->tokens_per_minute > 0)
		quota_correct(&server->token_quota, &server->token_window, server->tokens_per_minute,
					  answer->sent_at, answer->tokens_taken, answer->tokens);
	if (answer->status == 0)
	{
		server->errors++;
		return;
	}
	if (answer->status >= 100 && answer->status < 600)
		server->answers[answer->status / 100]++;
	latency_add(&server->latency, answer->elapsed_us);
}

/* Is the probe among the requests that have ended? */
static bool
ends_probe(const ServerEntry *server, const WorkerSlot *slot, const Answer *answers, int count)
{
	if (!permits_is_prober(server, slot))
		return false;
	for (int i = 0; i < count; i++)
		if (answers[i].sent_at >= server->health.out_since)
			return true;
	return false;
}

bool
permits_give_back(int slot_index, int server_index, const Answer *answers, int count)
{
	WorkerSlot *slot = &shared->slots[slot_index];
	ServerEntry *server = &shared->servers[server_index];
	bool		was_out;
	bool		outage_ends;

	shared_lock();
	was_out = server->health.out;
	note_answers(server_index, answers, count);
	outage_ends = was_out && !server->health.out;
	for (int i = 0; i < count; i++)
	{
		Assert(slot->in_flight > 0 || answers[i].returned);
		slot->in_flight -= !answers[i].returned;
		count_answer(server, &answers[i]);
	}
	if (ends_probe(server, slot, answers, count))
		permits_end_probe(server);
	else if (outage_ends)
		permits_wake_users(server);
	shared_unlock();
	permits_wake_waiting(slot_index);
	return outage_ends;
}
