/*-------------------------------------------------------------------------
 *
 * http_memory.c
 *	  Which answers go on while there is no room for all of them.
 *
 * What bodies claim (http_body.c) is bounded by the room that the caller gives.  One
 * that claims more than that starves: its transfer is paused.  It goes on when there is
 * room.  When nothing else will make room (nothing is received, to be taken, or to be
 * freed by the caller) the oldest of those that starve becomes the leader, which may
 * exceed the bound: so there is progress always, and one answer the only excess.
 *
 * Time in which a transfer is paused counts for no deadline.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_internal.h"

#include "http/http_body.h"
#include "http/http_signals.h"

/* Memory that the system has refused is asked for again after so long. */
#define REFUSED_US 100000

/* One that starves waits no longer than this for others that are being received. */
#define LEAD_US 1000000

bool
http_holds_back(const Http *http)
{
	return http->load.paused > 0;
}

int64_t
http_memory_refused(const Http *http)
{
	return http->load.refused;
}

/* The first one that starves, or NULL. */
static HttpHandle *
oldest_starved(const Http *http)
{
	HttpHandle *handle = http->running.first;

	while (handle != NULL && handle->wanted == 0)
		handle = handle->next;
	return handle;
}

/* Is any being received that has what it needs? */
static bool
has_granted(const Http *http)
{
	for (const HttpHandle *handle = http->running.first; handle != NULL; handle = handle->next)
	{
		if (handle->claim > 0 && handle->wanted == 0)
			return true;
	}
	return false;
}

/* The youngest that holds memory, but for the leader; or NULL. */
static HttpHandle *
youngest_other(const Http *http)
{
	HttpHandle *handle = http->running.last;

	while (handle != NULL && (handle->claim == 0 || handle == http->load.leader))
		handle = handle->previous;
	return handle;
}

/*
 * Nothing else makes room: one goes on whatever there is; but not while others are being
 * received, which make room soon unless their peers take their time.  Where the system has
 * no memory for that one, and no other is being received, one of those gives up what it has,
 * and is to be sent again.
 */
static void
lead(Http *http, bool refused)
{
	HttpLoad   *load = &http->load;
	HttpHandle *starved = load->leader != NULL ? load->leader : oldest_starved(http);
	HttpHandle *victim;
	sigset_t	before;
	bool		granted = has_granted(http);

	if (starved == NULL || starved->wanted == 0 ||
		(granted && http->accounted - http->away - starved->paused_at < LEAD_US))
		return;
	load->leader = starved;
	victim = refused && !granted ? youngest_other(http) : NULL;
	if (victim == NULL)
		return;
	block_signals(&before);
	load->now = http->clock();
	http_break_off(http, victim, "out of memory for several answers at a time");
	restore_signals(&before);
	http->grant_at = 0;
}

static void
grant(Http *http)
{
	for (HttpHandle *handle = http->running.first; handle != NULL; handle = handle->next)
	{
		if (handle->wanted > 0 && body_grant(handle))
			http->resumable = true;
	}
}

void
http_set_room(Http *http, int64_t bytes, bool more_to_come)
{
	HttpLoad   *load = &http->load;
	bool		refused = load->refused != http->refused_before;

	load->room = bytes;
	load->last_hope = !more_to_come;
	http->refused_before = load->refused;
	if (load->paused == 0)
		return;
	http_account_time(http);
	if (refused)
		http->grant_at = http->accounted + REFUSED_US;
	if (!more_to_come && http->finished.first == NULL)
		lead(http, refused);
	if (http->accounted >= http->grant_at)
		grant(http);
}

int64_t
http_room_due(const Http *http)
{
	if (http->resumable)
		return http->accounted;
	if (http->load.paused == 0)
		return NEVER;
	return http->grant_at > http->accounted ? http->grant_at : http->accounted + LEAD_US;
}

/* What has come for it before is handed over in this very call, and may starve it again. */
static void
resume(Http *http, HttpHandle *handle)
{
	int64_t		paused_for = http->accounted - http->away - handle->paused_at;
	CURLcode	code;

	body_resumed(handle);
	if (handle->deadline < NEVER)
		handle->deadline += paused_for;
	if (handle->deadline < http->earliest)
		http->earliest = handle->deadline;
	code = curl_easy_pause(handle->easy, CURLPAUSE_CONT);
	if (code != CURLE_OK)
		http_end_transfer(http, handle, code);	/* libcurl leaves that to us */
}

void
http_resume_granted(Http *http)
{
	HttpHandle *next;

	http->resumable = false;
	for (HttpHandle *handle = http->running.first; handle != NULL; handle = next)
	{
		next = handle->next;
		if (handle->paused_at != 0 && handle->wanted == 0)
			resume(http, handle);
	}
}
