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
 * Deadlines.  A request's deadlines run from when libcurl is given it: time in
 * our queue says nothing of the server.  They are kept in attended time, which
 * is the clock minus the time that the caller was away; so suspending all of
 * them is one addition.  The caller attends from http_timeout to the
 * http_pump that follows, for as long as it said it would wait; the rest of
 * the time between two pumps it was away.
 *
 * The earliest deadline is kept as a bound only: it is lowered as requests
 * are submitted and raised by a walk over the running ones once it has passed.
 * Deadlines are seldom met, so that walk is rare: at most one for each
 * request, when every one ends by its deadline, and in practice one in a
 * timeout's length.  A heap would cost more, twice for each request.
 *
 * Failure.  Nothing here fails but http_create and, when memory runs out,
 * http_start; all else becomes a result.
 *
 *-------------------------------------------------------------------------
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "http_list.h"
#include "http_order.h"
#include "http_signals.h"
#include "http_watchdog.h"

#include "compat.h"

#define NEVER (INT64_MAX / 2)	/* a time or a duration; adding to it does not overflow */

/* Requests that may start to look up a host at once. */
#define MAX_LOOKUPS 32

/*
 * How often a pump asks what is ready: enough to empty every socket when it is
 * about to judge deadlines, else only so often that the caller stays
 * responsive.
 */
#define ROUNDS 8
#define ROUNDS_BEFORE_EXPIRY 64

/*
 * ... but no longer than this, once all have been read in turn: a peer that sends faster
 * than it is read would hold up everything else for as many megabytes.
 */
#define PUMP_MOST_US 100000

/*
 * A connection that has been quiet for so long, after input, is read once more; and again
 * after this, while that makes requests leave it.
 */
#define SETTLE_US 100000
#define SETTLE_AGAIN_US 10000

/* Connections that are being closed are looked after so often. */
#define SWEEP_US 1000000

/* A round goes on for so long after a request has ended: then that comes first. */
#define ROUND_US 1000

/* Bytes that a socket brings at once, where its answer is a large one: half of libcurl's buffer. */
#define LARGE_PART (8 * 1024)

/* Requests that a connection is thought to bear, where they share it: libcurl's own limit. */
#define STREAMS 100

/* Waking up this late is the scheduler's doing and not worth a correction. */
#define LATE_WAKEUP_US 20000

struct Http
{
	CURLM	   *multi;
	int			descriptor;		/* of event.c */
	int64_t		(*clock) (void);
	int			max_connections;
	bool		watched;		/* watchdog_stop is owed */

	HandleList	waiting;		/* not given to libcurl yet, oldest first */
	HandleList	running;		/* libcurl has them */
	HandleList	finished;		/* ended, not yet taken, oldest first */
	HandleList	spare;			/* to be reused */
	HttpProfile *profile;		/* of the request started last */
	HttpLoad	load;			/* kept by the handles */
	int			submitted;		/* since the last round */
	HttpOrder	order;

	bool		sweeps;			/* compat_curl_leaves_closing */
	int64_t		swept_at;		/* clock of the last compat_curl_sweep */
	int64_t		settle_at;		/* clock of when to look for sockets to read once more; or NEVER */
	int64_t		timer_due;		/* when libcurl wants its timer run, by the clock; or NEVER */

	/* Attended time: see the head of this file.  Microseconds. */
	int64_t		earliest;		/* no running request has an earlier deadline */
	int64_t		away;			/* the clock minus this is attended time */
	int64_t		accounted;		/* until when "away" is right, by the clock */
	int64_t		attending;		/* how long from then the caller said it would wait */
};

/*-------------------------------------------------------------------------
 * Time
 *-------------------------------------------------------------------------
 */
/* Splits the time since it was last accounted for into attended and away. */
static void
account_time(Http *http)
{
	int64_t		now = http->clock();
	int64_t		excess = now - http->accounted - http->attending;

	if (excess > (http->attending > 0 ? LATE_WAKEUP_US : 0))
		http->away += excess;
	http->accounted = now;
	http->attending = 0;
}

/* Right while libcurl is being called and just after account_time. */
static int64_t
attended_now(const Http *http)
{
	return http->clock() - http->away;
}

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

/*-------------------------------------------------------------------------
 * Requests on their way
 *-------------------------------------------------------------------------
 */
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
 * Gives a running handle to libcurl; again, when it follows a redirect or is to have
 * another connection.  The connect deadline is then a new one, the other stays.
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
	return !http->load.multiplexes ||
		http->running.count <= http->load.sockets.ready * STREAMS;
}

/* Submits what waits, as far as connections and resolver threads allow. */
static void
submit_waiting(Http *http)
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

/* Takes what libcurl has finished. */
static void
collect_finished(Http *http)
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
			submit(http, handle);
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

/* Ends what is over its deadline, and finds the next that can be. */
static void
expire_overdue(Http *http, int64_t now)
{
	HttpHandle *next;
	int64_t		earliest = NEVER;

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

/*-------------------------------------------------------------------------
 * Pumping
 *-------------------------------------------------------------------------
 */
static void
run_timer(Http *http)
{
	int			running;
	long		milliseconds = -1;

	http->timer_due = NEVER;
	http->load.now = http->clock();
	watchdog_enter(&http->load.sockets);
	(void) curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	if (http->timer_due != NEVER)
		return;

	/*
	 * libcurl tells only of changes.  Where its clock stood a little behind
	 * ours it saw nothing due, and expects us to come back.
	 */
	if (curl_multi_timeout(http->multi, &milliseconds) == CURLM_OK && milliseconds >= 0)
		http->timer_due = http->clock() + (milliseconds > 0 ? milliseconds : 1) * INT64_C(1000);
}

/* The socket had input: it is to be read once more when it is quiet (see settle_sockets). */
static void
note_input(Http *http, int fd)
{
	HttpSocket *socket = socket_get(&http->load.sockets, fd);

	if (socket == NULL)
		return;
	socket->unsettled = true;
	socket->users_then = 0;
	socket->input_at = http->load.now;
	if (http->settle_at == NEVER)
		http->settle_at = http->load.now + SETTLE_US;
}

/* Returns whether a part of a large answer was read, and more is to come. */
static bool
handle_event(Http *http, const Event *event, int *running)
{
	int64_t		received = http->load.received_bytes;
	int			before = *running;

	watchdog_enter(&http->load.sockets);
	(void) curl_multi_socket_action(http->multi, event->fd,
									(event->readable ? CURL_CSELECT_IN : 0) |
									(event->writable ? CURL_CSELECT_OUT : 0),
									running);
	if (event->readable)
		note_input(http, event->fd);
	return *running >= before && http->load.received_bytes - received >= LARGE_PART;
}

/*
 * Handles sockets that are ready; what is left of them is still so the next time.
 * Where much comes in at once, an answer that is whole does not wait for the others.
 */
static void
handle_events(Http *http, const Event *events, int count, bool all)
{
	Event		sorted[EVENT_BATCH];
	int64_t		began = http->clock();
	int			first_kinds = http_order_sort(&http->order, events, count, began, sorted);
	int			running = http->running.count;

	http->load.now = began;
	http->load.put_off = false;
	for (int i = 0; i < count; i++)
	{
		bool		begun = handle_event(http, &sorted[i], &running);
		bool		enough = http_order_note(&http->order, sorted[i].fd, begun, began);

		if (all)
			continue;
		if (enough && i + 1 >= first_kinds)
			break;
		if (running < http->running.count && http->clock() - began > ROUND_US)
			break;
	}
}

/*
 * May requests share a connection?  Not any more, once a peer has said HTTP/2 that does
 * not speak it.
 */
static void
set_multiplexing(Http *http, bool wanted)
{
	wanted = wanted && !http->load.sockets.false_http2;
	if (wanted == http->load.multiplexes)
		return;
	http->load.multiplexes = wanted;
	http->load.sockets.may_share |= wanted;
	(void) curl_multi_setopt(http->multi, CURLMOPT_PIPELINING,
							 (long) (wanted ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING));
}

/* What has ended makes room for what waits. */
static void
end_round(Http *http)
{
	watchdog_enter(&http->load.sockets);
	set_multiplexing(http, http->load.multiplexes);
	collect_finished(http);
	http->submitted = 0;
	submit_waiting(http);
}

/* Handles what is due and ready right now.  False when nothing was. */
static bool
pump_round(Http *http, bool all)
{
	Event		events[EVENT_BATCH];
	int			count;
	bool		timer_is_due = http->timer_due <= http->clock();

	if (timer_is_due)
		run_timer(http);
	count = event_ready(http->descriptor, events, EVENT_BATCH);
	handle_events(http, events, count, all);
	end_round(http);
	return timer_is_due || count > 0;
}

/* Returns the clock of when the socket is to be looked at again, or NEVER. */
static int64_t
settle_socket(Http *http, int fd, HttpSocket *socket, int64_t now)
{
	int			running;

	if (now - socket->input_at < SETTLE_US)
		return socket->input_at + SETTLE_US;
	if (socket->users_then > 0 && socket->users >= socket->users_then)
	{
		socket->unsettled = false;
		return NEVER;
	}
	socket->users_then = socket->users;
	watchdog_enter(&http->load.sockets);
	(void) curl_multi_socket_action(http->multi, fd, CURL_CSELECT_IN, &running);
	return now + SETTLE_AGAIN_US;
}

/*
 * What a connection of HTTP/2 brought last may have been the end of its session (a GOAWAY,
 * or something that breaks HTTP/2).  Of that libcurl, in version 7.88, tells a request
 * under way only when it reads again, one request each time, and nothing more may come.
 */
static void
settle_sockets(Http *http)
{
	int64_t		now = http->clock();

	if (http->settle_at > now)
		return;
	http->settle_at = NEVER;
	for (int fd = 0; fd < http->load.sockets.end; fd++)
	{
		HttpSocket *socket = socket_get(&http->load.sockets, fd);
		int64_t		again = NEVER;

		if (socket != NULL && socket->unsettled && socket->users > 0)
			again = settle_socket(http, fd, socket, now);
		if (again < http->settle_at)
			http->settle_at = again;
	}
	end_round(http);
}

/* Connections that are being closed, where libcurl has to be reminded of them. */
static void
sweep(Http *http)
{
	int64_t		now = http->clock();

	if (!http->sweeps || now - http->swept_at < SWEEP_US ||
		http->load.sockets.open <= http->running.count)
		return;
	http->swept_at = now;
	watchdog_enter(&http->load.sockets);
	compat_curl_sweep(http->multi);
	end_round(http);
}

/*
 * Deadlines are judged by the time at which the pump began, and after as many
 * rounds as it takes to read whatever was in the sockets then.  (The events
 * come in turn from all sockets, so that holds for every one of them even when
 * other sockets never run dry.)
 *
 * Where no deadline has passed, the first results end the pump: the caller can
 * refill while the others come in.
 */
void
http_pump(Http *http)
{
	sigset_t	before;
	int64_t		now;
	bool		overdue;
	int			rounds;

	account_time(http);
	now = http->accounted - http->away;
	overdue = http->earliest <= now;
	rounds = overdue ? ROUNDS_BEFORE_EXPIRY : ROUNDS;

	block_signals(&before);
	sweep(http);
	settle_sockets(http);
	while (rounds-- > 0 && pump_round(http, overdue))
	{
		if (!overdue && http->finished.first != NULL)
			break;
		if (http->clock() - http->accounted > PUMP_MOST_US)
			break;
	}
	if (overdue)
	{
		expire_overdue(http, now);
		submit_waiting(http);
	}
	watchdog_leave();
	restore_signals(&before);

	http->accounted = http->clock();	/* the time in here was attended */
}

/*
 * A new request is a timer that is due, and on a new connection it goes when that
 * is there, or on an old one when that was read.  What comes back is left to the next pump, as far as it can be, and so
 * are deadlines.
 */
static bool
flush_round(Http *http)
{
	if (http->load.connecting > 0 || http->load.put_off)
		return pump_round(http, false);
	if (http->timer_due > http->clock())
		return false;
	run_timer(http);
	end_round(http);
	return true;
}

void
http_flush(Http *http)
{
	sigset_t	before;
	int			rounds = ROUNDS;

	account_time(http);
	block_signals(&before);
	while (rounds-- > 0 && flush_round(http) && http->finished.first == NULL)
		;
	watchdog_leave();
	restore_signals(&before);
	http->accounted = http->clock();	/* as in http_pump */
}

int64_t
http_timeout(Http *http)
{
	int64_t		due = http->timer_due < http->settle_at ? http->timer_due : http->settle_at;
	int64_t		wait;

	account_time(http);
	if (http->earliest != NEVER && http->earliest + http->away < due)
		due = http->earliest + http->away;

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

	account_time(http);
	if (handle != NULL)
		list_remove(&http->spare, handle);
	else if ((handle = handle_create(&http->load)) == NULL)
		return false;

	handle->started_at = http->accounted;
	set_multiplexing(http, http_multiplexes(settings));
	if (!handle_prepare(handle, &http->profile, settings, request))
	{
		list_append(&http->finished, handle);
		return true;
	}
	list_append(&http->waiting, handle);
	submit_waiting(http);		/* no thread begins here: libcurl only notes it */
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
	memset(&handle->result, 0, sizeof(handle->result)); /* the body is the taker's */
	list_append(&http->spare, handle);
	return true;
}

bool
http_has_finished(const Http *http)
{
	return http->finished.first != NULL;
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

	if (multi == NULL)
		return false;
	http->multi = multi;
	return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) http->max_connections) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
						  compat_curl_counts_closing() ? 0L : (long) http->max_connections) == CURLM_OK &&
		compat_quick_exit_multi(multi) == CURLM_OK;
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
	http->accounted = clock();

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
