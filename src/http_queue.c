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
#include "http_internal.h"

/* Requests that may start to look up a host at once. */
#define MAX_LOOKUPS 32

/* Requests that a connection is thought to bear, where they share it: libcurl's own limit. */
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
	if (handle->phase < HANDLE_CONNECTED && handle->connect_deadline < handle->deadline)
		return handle->connect_deadline;
	return handle->deadline;
}

/* It has ended: from running to finished. */
static void
move_to_finished(Http *http, HttpHandle *handle)
{
	handle->result.elapsed_us = http->clock() - handle->started_at;
	handle_drop_easy(handle);
	list_remove(&http->running, handle);
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
		move_to_finished(http, handle);
	}
	else if (handle_deadline(handle) < http->earliest)
		http->earliest = handle_deadline(handle);
}

/*
 * Where requests share connections, they wait for one that is being made.  libcurl can have
 * them wait, too (CURLOPT_PIPEWAIT), but lets them go on one by one, and not always.
 */
static bool
has_connection_for_more(const Http *http)
{
	return !http->load.multiplexes || http->running.count == 0 ||
		http->running.count <= http->load.sockets.ready * STREAMS;
}

void
http_submit_waiting(Http *http)
{
	while (http->waiting.first != NULL &&
		   http->running.count < http->max_connections && has_connection_for_more(http) &&
		   http->submitted + http->load.lookups < MAX_LOOKUPS)
	{
		HttpHandle *handle = http->waiting.first;

		list_remove(&http->waiting, handle);
		list_append(&http->running, handle);
		submit(http, handle);
	}
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
		CURLcode	code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		handle = (HttpHandle *) private;
		http->load.put_off |= handle->again == AGAIN_LATER;
		(void) curl_multi_remove_handle(http->multi, handle->easy);	/* message is gone now */
		if (handle_finish(handle, code))
		{
			/* Once more, when there is a connection for it, and before all others. */
			list_remove(&http->running, handle);
			list_prepend(&http->waiting, handle);
		}
		else
			move_to_finished(http, handle);
	}
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
			move_to_finished(http, handle);
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
