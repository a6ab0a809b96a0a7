/*-------------------------------------------------------------------------
 *
 * http_queue.c
 *	  Requests on their way: from waiting to libcurl, and from there to their end.
 *
 * Owns the handles in http's lists of what waits and what runs, and says when each is
 * given to libcurl and when it is too late.  Cannot fail: what does becomes a result.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_internal.h"

#include "http/http_failure.h"
#include "http/http_result.h"
#include "http/http_signals.h"

/* Requests that may start to look up a host at once. */
#define MAX_LOOKUPS 32

/* Requests that a connection bears at most, where they share it: libcurl's own limit. */
#define STREAMS 100

/* Right while libcurl is being called and just after http_account_time. */
static int64_t
attended_now(const Http *http)
{
	return http->clock() - http->away;
}

static int64_t
handle_deadline(const HttpHandle *handle)
{
	if (handle->paused_at != 0)
		return NEVER;			/* it is our doing that nothing comes */
	if (handle->phase < HANDLE_CONNECTED && handle->connect_deadline < handle->deadline)
		return handle->connect_deadline;
	return handle->deadline;
}

/* It has ended, and is in that list until now. */
static void
move_to_finished(Http *http, HandleList *list, HttpHandle *handle)
{
	handle->result.elapsed_us = http->clock() - handle->started_at;
	handle_drop_easy(handle);
	list_remove(list, handle);
	list_append(&http->finished, handle);
	if (http->running.first == NULL)
		http->earliest = NEVER;
}

/*
 * Gives a handle to libcurl; again, when it follows a redirect or is to have another
 * connection.  The connect deadline is then a new one; the other stays with a redirect.
 */
static void
submit(Http *http, HttpHandle *handle)
{
	int64_t		now = attended_now(http);
	const HttpSettings *settings = &handle->settings;

	if (handle->deadline == 0)
		handle->deadline = settings->timeout_ms > 0 ?
			now + settings->timeout_ms * INT64_C(1000) : NEVER;
	handle->connect_deadline = settings->connect_timeout_ms > 0 ?
		now + settings->connect_timeout_ms * INT64_C(1000) : NEVER;
	handle_advance(handle, HANDLE_SUBMITTED);
	http->submitted++;

	if (curl_multi_add_handle(http->multi, handle->easy) != CURLM_OK)
	{
		handle_fail(handle, HTTP_INTERNAL, "libcurl did not take the request");
		move_to_finished(http, &http->running, handle);
	}
	else if (handle_deadline(handle) < http->earliest)
		http->earliest = handle_deadline(handle);
}

/*
 * Where requests share connections, they wait for one that is being made; and one more than
 * those bear goes, which makes another one.  libcurl can have
 * them wait, too (CURLOPT_PIPEWAIT), but lets them go on one by one, and not always.
 */
static int
room_on_shared_connections(const Http *http)
{
	int			ready = http->load.sockets.ready;
	int			running = http->running.count;
	int			to_come;

	if (running == 0)
		return 1;

	/*
	 * A connection may bear fewer, and one only where it turns out to be
	 * HTTP/1.1: so each request that is not on the wire may be to have one of
	 * its own.
	 */
	to_come = http->max_connections - ready - (running - http->load.on_the_wire);
	if (to_come <= 0)
		return http->max_connections - running;
	return to_come < ready * STREAMS + 1 - running ? to_come : ready * STREAMS + 1 - running;
}

/* A connection that is being made may take two descriptors. */
static int
room_on_own_connections(const Http *http)
{
	return http->max_connections - http->running.count - http->load.connecting;
}

static int
room_for_more(const Http *http)
{
	int			by_connections = http->load.multiplexes ? room_on_shared_connections(http)
		: room_on_own_connections(http);
	int			by_lookups = MAX_LOOKUPS - http->submitted - http->load.lookups;

	return by_connections < by_lookups ? by_connections : by_lookups;
}

int
http_capacity(const Http *http)
{
	return http->load.multiplexes ? http->max_connections * STREAMS : http->max_connections;
}

int
http_room(const Http *http)
{
	int			room = room_for_more(http) - http->waiting.count;

	return room > 0 ? room : 0;
}

void
http_submit_waiting(Http *http)
{
	while (http->waiting.first != NULL && room_for_more(http) > 0)
	{
		HttpHandle *handle = http->waiting.first;

		list_remove(&http->waiting, handle);
		list_append(&http->running, handle);
		submit(http, handle);
	}
}

void
http_end_transfer(Http *http, HttpHandle *handle, CURLcode code)
{
	(void) curl_multi_remove_handle(http->multi, handle->easy);
	if (handle_finish(handle, code))
	{
		/*
		 * Once more, when there is a connection for it, and before all
		 * others.
		 */
		list_remove(&http->running, handle);
		list_prepend(&http->waiting, handle);
	}
	else
		move_to_finished(http, &http->running, handle);
}

void
http_collect_finished(Http *http)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL)
	{
		char	   *private = NULL;
		HttpHandle *handle;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		handle = (HttpHandle *) private;
		http->load.put_off |= handle->again == AGAIN_LATER;
		http_end_transfer(http, handle, message->data.result);	/* message is gone now */
	}
}

int
http_unsent(const Http *http)
{
	return http->waiting.count + http->running.count - http->load.on_the_wire;
}

/* May it be taken back, and has not been?  What a redirect asks for is begun. */
static bool
can_be_recalled(const HttpHandle *handle)
{
	return handle->phase < HANDLE_CONNECTED && handle->redirects == 0 && !handle->recalled;
}

/*
 * Takes one back.  Where a look-up is under way libcurl would wait for its thread, perhaps
 * for long: such a one ends when it could be sent.
 */
static void
recall(Http *http, HandleList *list, HttpHandle *handle)
{
	handle->recalled = true;
	if (handle->phase == HANDLE_LOOKUP)
		return;
	if (list == &http->running)
		(void) curl_multi_remove_handle(http->multi, handle->easy);
	handle_take_back(handle);
	move_to_finished(http, list, handle);
}

static int
recall_from(Http *http, HandleList *list, int most)
{
	HttpHandle *previous;
	int			recalled = 0;

	for (HttpHandle *handle = list->last; handle != NULL && recalled < most; handle = previous)
	{
		previous = handle->previous;
		if (!can_be_recalled(handle))
			continue;
		recall(http, list, handle);
		recalled++;
	}
	return recalled;
}

void
http_recall(Http *http, int most)
{
	sigset_t	before;

	if (http_unsent(http) == 0)
		return;
	block_signals(&before);
	http->load.now = http->clock();
	most -= recall_from(http, &http->waiting, most);
	(void) recall_from(http, &http->running, most);
	restore_signals(&before);
}

/*
 * Nothing came for a request, and nothing for any other on its connection since it was
 * sent: something between here and the server may have lost it, and whatever is sent on it.
 * A connection that it had for itself is closed by now; one of HTTP/2 would be
 * used again and again.
 */
static void
give_up_silent(Http *http, const HttpHandle *handle)
{
	const HttpSocket *socket = socket_get(&http->load.sockets, handle->socket);

	if (socket != NULL && handle->phase == HANDLE_CONNECTED &&
		socket->heard_at <= handle->connected_at)
		socket_shut(&http->load.sockets, handle->socket, SHUT_SILENT);
}

void
http_break_off(Http *http, HttpHandle *handle, const char *error)
{
	(void) curl_multi_remove_handle(http->multi, handle->easy);
	handle_fail(handle, HTTP_INTERNAL, error);
	handle->result.reached = false;
	move_to_finished(http, &http->running, handle);
}

void
http_expire_overdue(Http *http, int64_t now)
{
	HttpHandle *next;
	int64_t		earliest = NEVER;

	http->load.now = http->clock();
	for (HttpHandle *handle = http->running.first; handle != NULL; handle = next)
	{
		next = handle->next;
		if (handle_deadline(handle) <= now)
		{
			(void) curl_multi_remove_handle(http->multi, handle->easy);
			give_up_silent(http, handle);
			handle_expire(handle);
			move_to_finished(http, &http->running, handle);
		}
		else if (handle_deadline(handle) < earliest)
			earliest = handle_deadline(handle);
	}
	http->earliest = earliest;
}

void
http_set_multiplexing(Http *http, bool wanted)
{
	wanted = wanted && !http->load.sockets.false_http2;
	if (wanted == http->load.multiplexes)
		return;
	http->load.multiplexes = wanted;
	http->load.sockets.may_share |= wanted;
	(void) curl_multi_setopt(http->multi, CURLMOPT_PIPELINING,
							 (long) (wanted ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING));
}
