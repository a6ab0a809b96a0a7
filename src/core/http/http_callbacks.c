/*-------------------------------------------------------------------------
 *
 * http_callbacks.c
 *	  One request: what libcurl calls, but for the body (http_body.c).
 *
 * The callbacks never allocate but through ByteBuffer, and never fail but by
 * breaking the transfer off and noting why: broke_off, or again where it is to begin
 * once more.  That is how a connection is refused which libcurl has chosen, and
 * which would not do: see judge_connection.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_callbacks.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/curl_compat.h"
#include "http/http_body.h"

/*
 * While a connection of HTTP/2 has something to read, no request is put on it, so often at
 * most: what was there before has been read by then.  One that others use may have
 * something at any time: with 3 a fast server's requests took a third more time.
 */
#define MAX_PUT_OFF 3
#define MAX_PUT_OFF_SHARED 1

static int
on_lookup(void *resolver, void *reserved, void *state)
{
	(void) resolver;
	(void) reserved;
	handle_advance(state, HANDLE_LOOKUP);
	return 0;
}

static curl_socket_t
on_open_socket(void *state, curlsocktype purpose, struct curl_sockaddr *address)
{
	HttpHandle *handle = state;
	int			type = address->socktype;
	int			fd;

	(void) purpose;
	handle_advance(handle, HANDLE_CONNECTING);
#ifdef SOCK_CLOEXEC
	type |= SOCK_CLOEXEC;
#endif
	fd = socket(address->family, type, address->protocol);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
		handle->starved = true;
	socket_opened(&handle->load->sockets, fd, &handle->opened);
	return fd;
}

/* Of a connection, which outlives the request that has made it. */
static int
on_close_socket(void *state, curl_socket_t fd)
{
	HttpLoad   *load = state;

	socket_closed(&load->sockets, fd);
	return close(fd);
}

/*
 * OpenSSL's function that tells whether it has read something that nobody has asked it for
 * yet; NULL where libcurl has another library, or another OpenSSL than this process.
 */
static int	(*openssl_has_pending(void)) (const void *ssl)
{
	static int	(*has_pending) (const void *ssl) = NULL;
	static bool looked = false;
	const char *(*version) (int kind);
	const char *libcurls;

	if (looked)
		return has_pending;
	looked = true;
	libcurls = curl_version_info(CURLVERSION_NOW)->ssl_version;
	*(void **) &version = dlsym(RTLD_DEFAULT, "OpenSSL_version");
	if (version == NULL || libcurls == NULL || strncmp(libcurls, "OpenSSL/", 8) != 0 ||
		strncmp(version(0), "OpenSSL ", 8) != 0 ||
		strncmp(version(0) + 8, libcurls + 8, strcspn(libcurls + 8, " ")) != 0)
		return NULL;
	*(void **) &has_pending = dlsym(RTLD_DEFAULT, "SSL_has_pending");
	return has_pending;
}

/*
 * What the connection that is ready for the request has to say.  What was in the same
 * record as the end of the answer before, or was read ahead (as libcurl has OpenSSL do from
 * 8.15 on), the socket does not show any more.
 */
static SocketInput
connection_input(const HttpHandle *handle)
{
	SocketInput input = socket_input(handle->socket.fd);
	const struct curl_tlssessioninfo *tls = NULL;
	int			(*has_pending) (const void *ssl) = openssl_has_pending();

	if (input == SOCKET_QUIET && has_pending != NULL &&
		curl_easy_getinfo(handle->easy, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK && tls != NULL &&
		tls->backend == CURLSSLBACKEND_OPENSSL && tls->internals != NULL &&
		has_pending(tls->internals))
		return SOCKET_HAS_INPUT;
	return input;
}

/*
 * May the request go out on this connection, which others have used before?
 *
 * What an idle connection has to say nobody has asked for; as the answer to the next
 * request it would become another row's (libcurl looks for that itself in some versions,
 * and at the socket only).  Or it says that the connection is closed, or about to be: so
 * much the better to know now.  Over TLS a session ticket may come late; then a new
 * connection is made in vain.
 *
 * One of HTTP/2 may have something to say of itself, or to others that use it.  But that
 * could be an answer on the very stream that is opened now, so it is read first.
 */
static HandleAgain
judge_connection(HttpHandle *handle, const HttpSocket *socket)
{
	HttpSockets *sockets = &handle->load->sockets;
	bool		may_be_shared = sockets->may_share && socket->users > 1;
	SocketInput input;

	if (may_be_shared && sockets->false_http2 && !socket->is_http2)
		return AGAIN_ELSEWHERE; /* libcurl takes it for one that multiplexes */
	input = connection_input(handle);
	if (input == SOCKET_QUIET)
		return AGAIN_NOT;
	if (may_be_shared && input == SOCKET_CLOSED)
		return AGAIN_ELSEWHERE; /* those who use it will find it closed
								 * themselves */
	if ((may_be_shared || socket->is_http2) && input == SOCKET_HAS_INPUT &&
		handle->put_off < (may_be_shared ? MAX_PUT_OFF_SHARED : MAX_PUT_OFF))
		return AGAIN_LATER;
	if (may_be_shared)
		return AGAIN_NOT;
	socket_shut(sockets, handle->socket, SHUT_INPUT);
	return AGAIN_ELSEWHERE;
}

/*
 * We have given up the connection that the request was sent on.  It is not for libcurl to
 * send it again: caps, rates and outages are to say when.
 */
static bool
was_given_up(const HttpHandle *handle)
{
	const HttpSocket *socket = socket_last(&handle->load->sockets, handle->socket);

	return socket != NULL && (socket->shut == SHUT_SILENT || socket->shut == SHUT_BROKEN);
}

/*
 * libcurl has sent the request on a connection that was lost, and now sends it on another
 * one.  That is a whole new try, with all the time of the timeout.
 */
static void
note_moved(HttpHandle *handle)
{
	socket_leave(&handle->load->sockets, handle->socket, false, handle->load->now);
	if (handle->settings.timeout_ms > 0)
		handle->deadline = handle->load->attended + handle->settings.timeout_ms * INT64_C(1000);
}

/* libcurl has a connection for the request: may it be sent? */
static int
on_connected(void *state, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	HttpHandle *handle = state;
	HttpLoad   *load = handle->load;
	SocketEnds	ends = {local_ip, local_port, remote_ip, remote_port};
	const HttpSocket *socket;

	if (handle->recalled || (handle->socket.serial != 0 && was_given_up(handle)))
	{
		/* The connection that it has made may be another's next. */
		(void) socket_connected(&load->sockets, &handle->opened, &ends, load->now);
		return CURL_PREREQFUNC_ABORT;
	}
	if (handle->socket.serial != 0)
		note_moved(handle);
	handle->socket = socket_use(&load->sockets, &handle->opened, &ends, load->now);
	socket = socket_get(&load->sockets, handle->socket);
	handle->reuses = socket != NULL && socket->requests > 1;
	if (handle->reuses)
		handle->again = judge_connection(handle, socket);
	if (handle->again != AGAIN_NOT)
	{
		handle_leave_socket(handle, true);	/* it was not sent: no answer is
											 * to come */
		return CURL_PREREQFUNC_ABORT;
	}
	handle->opened.count = 0;
	handle->connected_at = load->now;
	handle_advance(handle, HANDLE_CONNECTED);
	return CURL_PREREQFUNC_OK;
}

static int64_t
wall_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* "HTTP/1.1 429 …" */
static bool
is_error_line(const char *line, size_t length)
{
	const char *space = memchr(line, ' ', length);

	return space != NULL && space + 1 < line + length && (space[1] == '4' || space[1] == '5');
}

/*
 * Did the answer come in HTTP/2's frames?  Then it has the pseudo-header that its status
 * line was made of; the line itself any peer can write.
 */
static bool
is_http2(const HttpHandle *handle)
{
	struct curl_header *status;

	return curl_easy_header(handle->easy, ":status", 0, CURLH_PSEUDO, -1, &status) == CURLHE_OK;
}

/*
 * A status line has come.  Is this answer surely this request's?
 *
 * libcurl, in versions before 8.5, has all connections of a host carry several requests
 * once one of them was HTTP/2, or has only said so in an answer's status line.  On one of
 * HTTP/1.1 their answers get mixed up: what comes on such a connection is nobody's, it is
 * given up, and from then on no connection is shared.  (A request that has ended in the
 * same call of libcurl still counts as one that uses it.  Should its connection's next
 * answer come in that very call, it is refused in vain, which costs no attempt.)
 */
static bool
belongs_to_request(HttpHandle *handle, HttpSocket *socket, const char *line, size_t length)
{
	HttpSockets *sockets = &handle->load->sockets;
	bool		says_http2 = length > 5 && line[5] == '2';
	bool		may_be_shared;

	if (socket == NULL || socket->is_http2)
		return true;
	if (says_http2 && is_http2(handle))
	{
		socket->is_http2 = true;
		return true;
	}
	if (!compat_curl_shares_http1())
		return true;
	may_be_shared = sockets->may_share && (socket->users > 1 || socket->abandoned_at != 0);
	sockets->false_http2 |= says_http2 || may_be_shared;
	if (may_be_shared)
		socket_shut(sockets, handle->socket, SHUT_BROKEN);
	return !may_be_shared;
}

/*
 * libcurl gives one line at a time, a folded one as one, not NUL-terminated.  What comes
 * before the connection is ready says a proxy that is asked for a tunnel.
 */
static size_t
on_header(char *line, size_t size, size_t count, void *state)
{
	HttpHandle *handle = state;
	size_t		length = size * count;
	HttpSocket *socket = handle_heard(handle);

	if (handle->phase >= HANDLE_CONNECTED)
		handle_advance(handle, HANDLE_RECEIVING);
	handle->header_bytes += (int64_t) length;
	if (handle->header_bytes > HANDLE_MAX_HEADER_BYTES)
	{
		handle->broke_off = HTTP_TOO_LARGE;
		return 0;
	}
	if (length >= 5 && strncmp(line, "HTTP/", 5) == 0)
	{
		/*
		 * What came before was a 1xx answer.  Of a success nobody asks how
		 * long to wait.
		 */
		rate_headers_clear(&handle->rate_headers);
		handle->is_error = is_error_line(line, length);
		if (!belongs_to_request(handle, socket, line, length))
		{
			handle->broke_off = HTTP_TRANSIENT;
			return 0;
		}
	}
	else if (handle->is_error)
		rate_headers_note(&handle->rate_headers, line, length, wall_clock_ms());
	return length;
}

void
handle_set_callbacks(HttpHandle *handle, CURLcode *code)
{
	CURL	   *easy = handle->easy;

	EASY_SET(easy, code, CURLOPT_PRIVATE, handle);
	EASY_SET(easy, code, CURLOPT_ERRORBUFFER, handle->curl_error);
	EASY_SET(easy, code, CURLOPT_HEADERDATA, handle);
	EASY_SET(easy, code, CURLOPT_WRITEDATA, handle);
	EASY_SET(easy, code, CURLOPT_RESOLVER_START_DATA, handle);
	EASY_SET(easy, code, CURLOPT_OPENSOCKETDATA, handle);
	EASY_SET(easy, code, CURLOPT_CLOSESOCKETDATA, handle->load);
	EASY_SET(easy, code, CURLOPT_PREREQDATA, handle);
}

void
profile_set_callbacks(HttpProfile *profile, CURLcode *code)
{
	CURL	   *easy = profile->easy;

	EASY_SET(easy, code, CURLOPT_HEADERFUNCTION, on_header);
	EASY_SET(easy, code, CURLOPT_WRITEFUNCTION, body_collect);
	EASY_SET(easy, code, CURLOPT_RESOLVER_START_FUNCTION, on_lookup);
	EASY_SET(easy, code, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	EASY_SET(easy, code, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
	EASY_SET(easy, code, CURLOPT_PREREQFUNCTION, on_connected);
}
