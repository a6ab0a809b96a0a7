/*-------------------------------------------------------------------------
 *
 * http.c
 *	  Many HTTP requests at once on one event loop.
 *
 * An Http owns a libcurl multi handle, the descriptor that watches all its
 * sockets, and every request as an HttpHandle, in exactly one of four lists:
 *
 *		spare --start--> waiting --submit--> running --> finished --take--> spare
 *
 * A refused request goes straight to finished.  Waiting is a queue of our own
 * in front of libcurl's, for two bounds: connections, and resolver threads
 * (libcurl starts one, with two descriptors, per request for a host that it
 * has not looked up yet).
 *
 * Failure.  Nothing here fails but http_create and, when memory runs out,
 * http_start; all else becomes a result.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/event.h"
#include "http/http_body.h"
#include "http/http_internal.h"
#include "http/http_setup.h"
#include "http/http_watchdog.h"

#include "http/curl_compat.h"

/*-------------------------------------------------------------------------
 * Callbacks from libcurl
 *-------------------------------------------------------------------------
 */

/* What a socket is to be watched for.  socket_state is not NULL once it is watched. */
static int
on_socket(CURL *easy, curl_socket_t socket, int what, void *state, void *socket_state)
{
	Http	   *http = state;

	(void) easy;
	if (what == CURL_POLL_REMOVE)
	{
		event_forget(http->descriptor, socket);
		(void) curl_multi_assign(http->multi, socket, NULL);
		return 0;
	}
	if (!event_watch(http->descriptor, socket, (what & CURL_POLL_IN) != 0,
					 (what & CURL_POLL_OUT) != 0, socket_state != NULL))
		return -1;
	if (socket_state == NULL)
		(void) curl_multi_assign(http->multi, socket, http);
	return 0;
}

static int
on_timer(CURLM *multi, long milliseconds, void *state)
{
	Http	   *http = state;

	(void) multi;
	http->timer_due = milliseconds < 0 ? NEVER : http->clock() + milliseconds * INT64_C(1000);
	return 0;
}

int64_t
http_timeout(Http *http)
{
	int64_t		due = http->timer_due < http->settle_at ? http->timer_due : http->settle_at;
	int64_t		wait;

	http_account_time(http);
	if (http->earliest != NEVER && http->earliest + http->away < due)
		due = http->earliest + http->away;
	if (http_room_due(http) < due)
		due = http_room_due(http);

	if (http->finished.first != NULL)
		wait = 0;
	else if (due == NEVER)
		wait = -1;
	else
		wait = due > http->accounted ? (due - http->accounted + 999) / 1000 : 0;
	http->attending = wait < 0 ? NEVER : wait * 1000;
	return wait;
}

int
http_descriptor(const Http *http)
{
	return http->descriptor;
}

/*-------------------------------------------------------------------------
 * Requests in, results out
 *-------------------------------------------------------------------------
 */
bool
http_start(Http *http, const HttpSettings *settings, const HttpRequest *request)
{
	HttpHandle *handle = http->spare.last;	/* the one still in the caches */

	http_account_time(http);
	if (handle != NULL)
		list_remove(&http->spare, handle);
	else if ((handle = handle_create(&http->load)) == NULL)
		return false;

	handle->started_at = http->accounted;
	http_set_multiplexing(http, http_multiplexes(settings));
	if (!handle_prepare(handle, &http->profile, settings, request))
	{
		list_append(&http->finished, handle);
		return true;
	}
	list_append(&http->waiting, handle);
	http_submit_waiting(http);	/* no thread begins here: libcurl only notes
								 * it */
	return true;
}

bool
http_next_finished(Http *http, HttpResult *result)
{
	HttpHandle *handle = http->finished.first;

	if (handle == NULL)
		return false;
	list_remove(&http->finished, handle);
	*result = handle->result;
	body_taken(handle);
	memset(&handle->result, 0, sizeof(handle->result));
	list_append(&http->spare, handle);
	return true;
}

void
http_put_back(Http *http, HttpResult *result)
{
	HttpHandle *handle = http->spare.last;	/* its own */

	list_remove(&http->spare, handle);
	handle->result = *result;
	body_returned(handle);
	list_prepend(&http->finished, handle);
	memset(&result->body, 0, sizeof(result->body));
}

bool
http_has_finished(const Http *http)
{
	return http->finished.first != NULL;
}

size_t
http_next_length(const Http *http)
{
	return http->finished.first != NULL ? http->finished.first->result.body.length : 0;
}

bool
http_is_receiving(const Http *http)
{
	if (http->load.receiving > http->load.paused)
		return true;
	return http->running.count > 0 && event_pending(http->descriptor);
}

int
http_note_answered(Http *http)
{
	int			count = 0;

	/* From the last one, as those that were counted are before all others. */
	for (HttpHandle *handle = http->finished.last; handle != NULL && !handle->seen;
		 handle = handle->previous)
	{
		handle->seen = true;
		handle->result.noted = handle->result.fault == HTTP_ANSWERED &&
			handle->result.status / 100 == 2;
		count += handle->result.noted;
	}
	return count;
}

int
http_in_flight(const Http *http)
{
	return http->waiting.count + http->running.count + http->finished.count;
}

int64_t
http_received_bytes(const Http *http)
{
	return http->load.received_bytes;
}

/*-------------------------------------------------------------------------
 * Beginning and end
 *-------------------------------------------------------------------------
 */

/* Once a process, on first use: libcurl's set-up is neither cheap nor for the postmaster. */
static bool
libcurl_ready(void)
{
	static bool ready = false;

	if (!ready)
		ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	return ready;
}

static bool
set_up_multi(Http *http)
{
	CURLM	   *multi = curl_multi_init();
	long		most = http->max_connections;

	if (multi == NULL)
		return false;
	http->multi = multi;
	compat_quick_exit_multi(multi);
	return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
						  compat_curl_counts_closing() ? 0L : most) == CURLM_OK;
}

const char *
http_library_fault(void)
{
	return compat_curl_fault();
}

Http *
http_create(int max_connections, int64_t (*clock) (void), char *error, size_t error_size)
{
	Http	   *http = calloc(1, sizeof(Http));

	if (http == NULL)
	{
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	http->descriptor = -1;
	http->order.last = -1;
	http->clock = clock;
	http->max_connections = max_connections > 0 ? max_connections : 1;
	http->timer_due = NEVER;
	http->settle_at = NEVER;
	http->earliest = NEVER;
	http->load.room = NEVER;
	http->load.last_hope = true;
	http->accounted = http->swept_at = clock();

	http->sweeps = compat_curl_leaves_closing();
	if (!sockets_init(&http->load.sockets))
		snprintf(error, error_size, "out of memory");
	else if (!libcurl_ready() || !set_up_multi(http))
		snprintf(error, error_size, "libcurl could not be set up");
	else if ((http->descriptor = event_open()) < 0)
		snprintf(error, error_size, "could not watch sockets: %s", strerror(errno));
	else if (!(http->watched = watchdog_start()))
		snprintf(error, error_size, "could not set a timer: %s", strerror(errno));
	else
		return http;
	http_destroy(http);
	return NULL;
}

static void
free_list(HandleList *list)
{
	while (list->first != NULL)
	{
		HttpHandle *handle = list->first;

		list_remove(list, handle);
		handle_free(handle);
	}
}

void
http_destroy(Http *http)
{
	if (http == NULL)
		return;
	if (http->watched)
		watchdog_stop();
	for (HttpHandle *handle = http->running.first; handle != NULL; handle = handle->next)
		(void) curl_multi_remove_handle(http->multi, handle->easy);
	free_list(&http->running);
	free_list(&http->waiting);
	free_list(&http->finished);
	free_list(&http->spare);
	profile_release(http->profile);
	if (http->multi != NULL)
		(void) curl_multi_cleanup(http->multi); /* still calls on_socket */
	event_close(http->descriptor);
	sockets_free(&http->load.sockets);
	free(http);
}
