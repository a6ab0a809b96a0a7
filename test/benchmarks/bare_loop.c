/*-------------------------------------------------------------------------
 *
 * bare_loop.c
 *	  A libcurl multi loop over epoll that sends requests and discards the answers:
 *	  as fast as libcurl goes here, for comparison.
 *
 *	  bare_loop URL REQUESTS CONCURRENCY [BODY]
 *
 * BODY may hold one %d, the number of the request.  Prints the seconds it took,
 * or fails if an answer was no 200.
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

typedef struct Transfer
{
	CURL	   *easy;
	char		body[4096];
} Transfer;

typedef struct Loop
{
	CURLM	   *multi;
	int			epoll;
	long		timeout;		/* ms; -1: none */
	const char *body;			/* format, or NULL: GET */
	int			wanted;
	int			sent;
	int			done;
	struct curl_slist *headers;
} Loop;

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "bare_loop: %s\n", what);
	exit(1);
}

static size_t
discard(char *data, size_t size, size_t count, void *state)
{
	(void) data;
	(void) state;
	return size * count;
}

static int
set_timer(CURLM *multi, long timeout, void *state)
{
	(void) multi;
	((Loop *) state)->timeout = timeout;
	return 0;
}

static int
set_socket(CURL *easy, curl_socket_t socket, int what, void *state, void *known)
{
	Loop	   *loop = state;
	struct epoll_event event = {.data.fd = socket};

	(void) easy;
	if (what == CURL_POLL_REMOVE)
	{
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, socket, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	epoll_ctl(loop->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
	curl_multi_assign(loop->multi, socket, loop);
	return 0;
}

static void
send_next(Loop *loop, Transfer *transfer)
{
	if (loop->sent == loop->wanted)
		return;
	if (loop->body != NULL)
	{
		snprintf(transfer->body, sizeof(transfer->body), loop->body, loop->sent + 1);
		curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, transfer->body);
	}
	loop->sent++;
	curl_multi_add_handle(loop->multi, transfer->easy);
}

static Transfer *
make_transfer(Loop *loop, const char *url)
{
	Transfer   *transfer = calloc(1, sizeof(Transfer));

	transfer->easy = curl_easy_init();
	curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
	curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, loop->headers);
	curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
	return transfer;
}

static void
take_finished(Loop *loop)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(loop->multi, &left)) != NULL)
	{
		Transfer   *transfer;
		long		status = 0;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
		if (message->data.result != CURLE_OK || status != 200)
			die("a request failed");
		curl_multi_remove_handle(loop->multi, transfer->easy);
		loop->done++;
		send_next(loop, transfer);
	}
}

static void
turn(Loop *loop)
{
	struct epoll_event events[256];
	int			running;
	int			count = epoll_wait(loop->epoll, events, 256, (int) loop->timeout);

	if (count == 0)
		curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	for (int i = 0; i < count; i++)
	{
		int			action = (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			(events[i].events & ~EPOLLOUT ? CURL_CSELECT_IN : 0);

		curl_multi_socket_action(loop->multi, events[i].data.fd, action, &running);
	}
	take_finished(loop);
}

int
main(int argc, char **argv)
{
	Loop		loop = {.timeout = -1};
	int			concurrency;
	double		start;

	if (argc < 4)
		die("usage: bare_loop URL REQUESTS CONCURRENCY [BODY]");
	loop.wanted = atoi(argv[2]);
	concurrency = atoi(argv[3]);
	loop.body = argc > 4 ? argv[4] : NULL;
	curl_global_init(CURL_GLOBAL_ALL);
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.multi = curl_multi_init();
	loop.headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_multi_setopt(loop.multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(loop.multi, CURLMOPT_SOCKETDATA, &loop);
	curl_multi_setopt(loop.multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(loop.multi, CURLMOPT_TIMERDATA, &loop);
	curl_multi_setopt(loop.multi, CURLMOPT_MAXCONNECTS, (long) concurrency);
	start = now();
	for (int i = 0; i < concurrency; i++)
		send_next(&loop, make_transfer(&loop, argv[1]));
	while (loop.done < loop.wanted)
		turn(&loop);
	printf("%.6f\n", now() - start);
	return 0;
}
