/*-------------------------------------------------------------------------
 *
 * http_server.h
 *	  The other side of http_test.c: a scripted server on loopback.
 *
 * serve() runs in a process of its own, until the control channel closes.  The
 * path of a request says what to do with it.  Each request that is kept
 * waiting is reported by "h" on the channel; a byte from there has all of them
 * answered, reported by "g".
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HTTP_SERVER_H
#define PG_ENRICH_HTTP_SERVER_H

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "loopback.h"

#define SERVER_CONNECTIONS 2000 /* at most, at once */

typedef enum Then
{
	KEEP, CLOSE, RESET
} Then;

/* Answers that are the same each time. */
static const struct
{
	const char *path;
	const char *answer;
	Then		then;
}			scripts[] = {
	{"/whole", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", KEEP},
	{"/error", "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops", KEEP},
	{"/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KEEP},
	{"/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", KEEP},
	{"/until-close", "HTTP/1.1 200 OK\r\n\r\nhello", CLOSE},
	{"/interim", "HTTP/1.1 102 Wait\r\nRetry-After: 9\r\n\r\n"
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", KEEP},
	{"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", CLOSE},
	{"/cut-chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", CLOSE},
	{"/nothing", "", CLOSE},
	{"/reset", "", RESET},
	{"/garbage", "garbage\r\n\r\n", CLOSE},
	{"/not-gzip",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", KEEP},
	{"/partial", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", KEEP},
	{"/announced", "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\nhello", KEEP},
	{"/folded", "HTTP/1.1 200 OK\r\n folded: x\r\nContent-Length: 5\r\n\r\nhello", KEEP},
	{"/nameless", "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 5\r\n\r\nhello", KEEP},
	{"/bad-trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\n0\r\nno trailer\r\n\r\n", KEEP},
	{"/seconds", "HTTP/1.1 429 Slow\r\nretry-after:  7 \r\nContent-Length: 0\r\n\r\n", KEEP},
	{"/rate-reset", "HTTP/1.1 429 Slow\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 4\r\n"
		"Content-Length: 0\r\n\r\n", KEEP},
	{"/no-error", "HTTP/1.1 200 OK\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", KEEP},
	{"/fraction", "HTTP/1.1 429 Slow\r\nRetry-After: 1.5\r\nContent-Length: 0\r\n\r\n", KEEP},
	{"/past", "HTTP/1.1 429 Slow\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
	"Content-Length: 0\r\n\r\n", KEEP},
	{"/nonsense", "HTTP/1.1 429 Slow\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", KEEP},
	{"/302", "HTTP/1.1 302 Go\r\nLocation: /echo\r\nContent-Length: 3\r\n\r\nold", KEEP},
	{"/307", "HTTP/1.1 307 Go\r\nLocation: /echo\r\nContent-Length: 3\r\n\r\nold", KEEP},
	{"/loop", "HTTP/1.1 307 Go\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n", KEEP},
	{"/other-host", "HTTP/1.1 307 Go\r\nLocation: http://elsewhere.test/\r\n"
	"Content-Length: 0\r\n\r\n", KEEP},
	{"/other-port", "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\n"
	"Content-Length: 0\r\n\r\n", KEEP},
	{"/other-scheme", "HTTP/1.1 307 Go\r\nLocation: file:///etc/passwd\r\n"
	"Content-Length: 0\r\n\r\n", KEEP}
};

static const char says_tired[] =
	"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

typedef struct Connection
{
	int			fd;				/* -1: free */
	int			number;			/* counts the connections made */
	bool		held;			/* waits to be told to go on */
	bool		tired;			/* then says so, and closes */
	bool		used;			/* has answered before */
	ByteBuffer	in;
} Connection;

static Connection connections[SERVER_CONNECTIONS];
static int	connection_count = 0;
static int	control;			/* server's end of the control channel */

static void
put(Connection *connection, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t		sent = send(connection->fd, bytes, length, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		bytes += sent;
		length -= (size_t) sent;
	}
}

static void
put_body(Connection *connection, const char *headers, const char *body, size_t length)
{
	char		head[512];
	int			head_length = snprintf(head, sizeof(head),
									   "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n",
									   headers, length);

	put(connection, head, (size_t) head_length);
	put(connection, body, length);
}

static void
hang_up(Connection *connection, bool reset)
{
	struct linger at_once = {1, 0};

	if (reset)
		setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(connection->fd);
	connection->fd = -1;
	connection->held = false;
	buffer_free(&connection->in);
}

/* Appends "count" bits of "bits", the lowest first, as deflate wants them. */
static void
put_bits(ByteBuffer *out, unsigned *pending, int *used, unsigned bits, int count)
{
	*pending |= bits << *used;
	for (*used += count; *used >= 8; *used -= 8, *pending >>= 8)
		buffer_append_char(out, (char) (*pending & 0xff));
}

/* 26 MB of zeros in 160 kB: one literal, then copies of 258 bytes from one byte before. */
static void
put_bomb(Connection *connection)
{
	ByteBuffer	bomb = {0};
	unsigned	pending = 0;
	int			used = 0;

	buffer_append(&bomb, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
	put_bits(&bomb, &pending, &used, 3, 3); /* last block, fixed codes */
	put_bits(&bomb, &pending, &used, 0x0c, 8);	/* literal 0 */
	for (int i = 0; i < 100000; i++)
		put_bits(&bomb, &pending, &used, 0xa3, 13); /* length 258, distance 1 */
	put_body(connection, "Content-Encoding: gzip\r\n", bomb.data, bomb.length);
	buffer_free(&bomb);
}

static void
put_endless(Connection *connection, const char *start, const char *piece)
{
	put(connection, start, strlen(start));
	for (int i = 0; i < 2000; i++)
		put(connection, piece, strlen(piece));
}

/* Answers that are made, or kept back. */
static void
answer_specially(Connection *connection, const char *path, const char *request, size_t length)
{
	static const char gzip[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x05\0\xfa\xffhello"
		"\x86\xa6\x10\x36\x05\0\0\0";
	char		text[128];

	if (strcmp(path, "/echo") == 0)
		put_body(connection, "", request, length);
	else if (strcmp(path, "/connection") == 0)
		put_body(connection, "", text, (size_t) sprintf(text, "%d", connection->number));
	else if (strcmp(path, "/length") == 0)
		put_body(connection, "", text,
				 (size_t) sprintf(text, "%zu",
								  length - (size_t) (strstr(request, "\r\n\r\n") + 4 - request)));
	else if (strcmp(path, "/gzip") == 0)
		put_body(connection, "Content-Encoding: gzip\r\n", gzip, sizeof(gzip) - 1);
	else if (strcmp(path, "/gzip-and-more") == 0)
	{
		char		more[sizeof(gzip) + 3];

		memcpy(more, gzip, sizeof(gzip) - 1);
		memcpy(more + sizeof(gzip) - 1, "more", 4);
		put_body(connection, "Content-Encoding: gzip\r\n", more, sizeof(more));
	}
	else if (strcmp(path, "/bomb") == 0)
		put_bomb(connection);
	else if (strcmp(path, "/endless") == 0)
		put_endless(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
					"40\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n");
	else if (strcmp(path, "/many-headers") == 0)
		put_endless(connection, "HTTP/1.1 200 OK\r\n",
					"X-Filler: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
					"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
					"0123456789\r\n");
	else if (strcmp(path, "/once") == 0)
	{
		/* as of a server that closes a connection just when it is used again */
		if (connection->used)
			hang_up(connection, false);
		else
			put_body(connection, "", "once", 4);
	}
	else if (strcmp(path, "/once-408") == 0)
	{
		/* the same, in words */
		if (connection->used)
			put(connection, says_tired, strlen(says_tired));
		else
			put_body(connection, "", "once", 4);
		if (connection->used)
			hang_up(connection, false);
	}
	else if (strcmp(path, "/then-unasked") == 0 || strcmp(path, "/then-tired") == 0)
	{
		put_body(connection, "", "first", 5);
		connection->held = true;
		connection->tired = strcmp(path, "/then-tired") == 0;
	}
	else if (strncmp(path, "/says-http2/", 12) == 0)
	{
		char		lie[256];

		put(connection, lie,
			(size_t) snprintf(lie, sizeof(lie), "HTTP/2 200\r\nContent-Length: %zu\r\n\r\n%s",
							  strlen(path), path));
	}
	else if (strcmp(path, "/date") == 0)
	{
		time_t		later = time(NULL) + 100;

		strftime(text, sizeof(text), "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n"
				 "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n\r\n", gmtime(&later));
		put(connection, text, strlen(text));
	}
	else
	{
		connection->held = true;
		(void) !write(control, "h", 1);
	}
}

static void
answer(Connection *connection, const char *path, const char *request, size_t length)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
	{
		if (strcmp(path, scripts[i].path) != 0)
			continue;
		put(connection, scripts[i].answer, strlen(scripts[i].answer));
		if (scripts[i].then != KEEP)
			hang_up(connection, scripts[i].then == RESET);
		return;
	}
	answer_specially(connection, path, request, length);
}

/* Reads what came; answers once a whole request is there. */
static void
receive(Connection *connection)
{
	char		bytes[65536];
	char		path[256] = "";
	char	   *end;
	char	   *announced;
	size_t		wanted;
	ssize_t		got = recv(connection->fd, bytes, sizeof(bytes), 0);
	ByteBuffer	request;

	if (got <= 0)
	{
		hang_up(connection, false);
		return;
	}
	buffer_append(&connection->in, bytes, (size_t) got);
	if (connection->in.data[0] == 0x16)
	{
		put(connection, "no TLS here\r\n", 13);	/* it was a TLS handshake */
		hang_up(connection, false);
		return;
	}
	end = strstr(connection->in.data, "\r\n\r\n");
	if (end == NULL)
		return;
	announced = strcasestr(connection->in.data, "\r\nContent-Length:");
	wanted = (size_t) (end + 4 - connection->in.data);
	if (announced != NULL && announced < end)
		wanted += (size_t) atol(announced + 17);
	if (connection->in.length < wanted)
		return;
	sscanf(connection->in.data, "%*s %255[^ ?]", path);
	request = connection->in;
	memset(&connection->in, 0, sizeof(connection->in));
	answer(connection, path, request.data, request.length);
	connection->used = true;
	buffer_free(&request);
}

static void
accept_one(int listener)
{
	static int	numbers = 0;
	int			i = 0;

	while (i < connection_count && connections[i].fd >= 0)
		i++;
	if (i == connection_count)
		connection_count++;
	connections[i].fd = accept(listener, NULL, NULL);
	connections[i].number = ++numbers;
	connections[i].used = false;
}

/* Answers all that is held.  False: the test is over. */
static bool
obey(void)
{
	char		command;

	if (read(control, &command, 1) != 1)
		return false;
	for (int i = 0; i < connection_count; i++)
	{
		if (connections[i].fd >= 0 && connections[i].held && connections[i].tired)
		{
			put(&connections[i], says_tired, strlen(says_tired));
			hang_up(&connections[i], false);
		}
		else if (connections[i].fd >= 0 && connections[i].held)
			put_body(&connections[i], "", "held", 4);
		connections[i].held = connections[i].tired = false;
	}
	(void) !write(control, "g", 1);
	return true;
}

static void
serve(int listener)
{
	static struct pollfd watched[2 + SERVER_CONNECTIONS];

	for (;;)
	{
		int			count = connection_count;

		watched[0] = (struct pollfd) {control, POLLIN, 0};
		watched[1] = (struct pollfd) {listener, POLLIN, 0};
		for (int i = 0; i < count; i++)
			watched[2 + i] = (struct pollfd) {connections[i].fd, POLLIN, 0};
		poll(watched, (nfds_t) (2 + count), -1);
		for (int i = 0; i < count; i++)
		{
			if (watched[2 + i].fd >= 0 && watched[2 + i].revents != 0)
				receive(&connections[i]);
		}
		if (watched[0].revents != 0 && !obey())
			return;
		if (watched[1].revents != 0)
			accept_one(listener);
	}
}

/*-------------------------------------------------------------------------
 * The test's side
 *-------------------------------------------------------------------------
 */
static int	server_port;
static int	server_channel;		/* our end of the control channel */
static pid_t server_pid;

static void
start_server(void)
{
	int			channel[2];
	int			listener = listen_on_loopback(4096, &server_port);

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel) != 0)
		bail_out("no socket pair");
	fflush(stdout);
	server_pid = fork();
	if (server_pid == 0)
	{
		close(channel[0]);
		control = channel[1];
		serve(listener);
		_exit(0);
	}
	close(channel[1]);
	close(listener);
	server_channel = channel[0];
}

/* Has the server answer all it holds, and returns once it has. */
static void
let_go(void)
{
	char		report;

	(void) !write(server_channel, "g", 1);
	while (read(server_channel, &report, 1) == 1 && report != 'g')
		;
}

#endif							/* PG_ENRICH_HTTP_SERVER_H */
