/*-------------------------------------------------------------------------
 *
 * http_pump.c
 *	  Moving transfers on: what sockets and libcurl's timer bring, without waiting.
 *
 * Signals are blocked while libcurl is called, as it may start threads, and the watchdog
 * looks after each call.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_internal.h"

#include "http/event.h"
#include "http/http_signals.h"
#include "http/http_watchdog.h"

#include "http/curl_compat.h"

/*
 * How often a pump asks what is ready: enough to empty every socket when it is
 * about to judge deadlines, else only so often that the caller stays
 * responsive.
 */
#define ROUNDS 8
#define ROUNDS_BEFORE_EXPIRY 64

/*
 * ... but no longer than this, once each has been read so often, a megabyte or more each
 * time: a peer that sends faster than it is read would hold up everything else.
 */
#define PUMP_MOST_US 100000
#define ROUNDS_AT_LEAST 2

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

/* A call of libcurl, or several. */
static void
call_begins(Http *http)
{
	http->load.now = http->clock();
	http->load.attended = http->load.now - http->away;
	watchdog_enter(&http->load.sockets);
}

static void
run_timer(Http *http)
{
	int			running;
	long		milliseconds = -1;

	http->timer_due = NEVER;
	call_begins(http);
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
	HttpSocket *socket = socket_of_descriptor(&http->load.sockets, fd);

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

	call_begins(http);
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

/* What has ended makes room for what waits. */
static void
end_round(Http *http)
{
	call_begins(http);
	http_set_multiplexing(http, http->load.multiplexes);
	http_collect_finished(http);
	http->submitted = 0;
	http_submit_waiting(http);
}

/*
 * Handles what is due and ready right now.  False when nothing was.  The timer sends what
 * was started: a request that was put off goes when its connection was read.
 */
static bool
pump_round(Http *http, bool all)
{
	Event		events[EVENT_BATCH];
	int			count;
	bool		timer_is_due = http->timer_due <= http->clock();
	bool		read_first = http->load.put_off;

	if (timer_is_due && !read_first)
		run_timer(http);
	count = event_ready(http->descriptor, events, EVENT_BATCH);
	handle_events(http, events, count, all);
	if (timer_is_due && read_first)
		run_timer(http);
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
	call_begins(http);
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
		HttpSocket *socket = socket_of_descriptor(&http->load.sockets, fd);
		int64_t		again = NEVER;

		if (socket != NULL && socket->unsettled && socket->users > 0)
			again = settle_socket(http, fd, socket, now);
		if (again < http->settle_at)
			http->settle_at = again;
	}
	end_round(http);
}

/* Is there a connection that no request uses: kept, or being closed? */
static bool
has_unused_connection(const Http *http)
{
	for (int fd = 0; fd < http->load.sockets.end; fd++)
	{
		const HttpSocket *socket = socket_of_descriptor(&http->load.sockets, fd);

		if (socket != NULL && socket->users == 0 && socket->requests > 0)
			return true;
	}
	return false;
}

/*
 * Connections that are being closed, where libcurl has to be reminded of them.  What all
 * others have is read by that at one go, so it is not done for nothing.
 */
static void
sweep(Http *http)
{
	int64_t		now = http->clock();

	if (!http->sweeps || now - http->swept_at < SWEEP_US)
		return;
	http->swept_at = now;
	if (!has_unused_connection(http))
		return;
	call_begins(http);
	compat_curl_sweep(http->multi);
	end_round(http);
}

/* What they have waited for is handed over at once, so some may have ended. */
static void
resume_granted(Http *http)
{
	if (!http->resumable)
		return;
	call_begins(http);
	http_resume_granted(http);
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
	int			most;

	http_account_time(http);
	now = http->accounted - http->away;
	overdue = http->earliest <= now;
	most = overdue ? ROUNDS_BEFORE_EXPIRY : ROUNDS;

	block_signals(&before);
	resume_granted(http);
	sweep(http);
	settle_sockets(http);
	for (int rounds = 1; pump_round(http, overdue) && rounds < most; rounds++)
	{
		if (!overdue && http->finished.first != NULL)
			break;
		if (rounds >= ROUNDS_AT_LEAST && http->clock() - http->accounted > PUMP_MOST_US)
			break;
	}
	if (overdue)
	{
		http_expire_overdue(http, now);
		http_submit_waiting(http);
	}
	watchdog_leave();
	restore_signals(&before);

	http->accounted = http->clock();	/* the time in here was attended */
}

/*
 * A new request is a timer that is due, and on a new connection it goes when that
 * is there, or on an old one when that was read.  What comes back is left to the next
 * pump, as far as it can be, and so are deadlines.
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

	http_account_time(http);
	block_signals(&before);
	while (rounds-- > 0 && flush_round(http) && http->finished.first == NULL)
		;
	watchdog_leave();
	restore_signals(&before);
	http->accounted = http->clock();	/* as in http_pump */
}
