/*-------------------------------------------------------------------------
 *
 * http_result.c
 *	  How a request ended: answered, redirected, or failed and why.
 *
 * Owns nothing: fills in the result of the handle it is given.  What error texts may
 * hold: see http_failure.c.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_result.h"

#include <stdio.h>
#include <string.h>

#include "http/http_body.h"
#include "http/http_failure.h"
#include "http/http_setup.h"

/* Has the transfer failed before anything of an answer had come? */
static bool
failed_unanswered(const HttpHandle *handle, CURLcode code)
{
	return code != CURLE_OK && handle->phase == HANDLE_CONNECTED &&
		handle->broke_off == HTTP_ANSWERED;
}

/*
 * Is it sure that the server has not looked at the request?  It says so of a stream by
 * REFUSED_STREAM.  libcurl sends such a request again, and gives up after five times.
 */
static bool
was_not_processed(const HttpHandle *handle, CURLcode code)
{
	return failed_unanswered(handle, code) &&
		(strncmp(handle->curl_error, "Connection died", 15) == 0 ||
		 strstr(handle->curl_error, "REFUSED_STREAM") != NULL);
}

/*
 * A connection of HTTP/2 has ended without a word on this request.  It may have crossed
 * a GOAWAY, as at each restart of a server, and libcurl does not tell: it is worth
 * another try.  (CURLE_HTTP2 is of the session, not of a stream.)
 */
static bool
lost_http2_connection(const HttpHandle *handle, CURLcode code)
{
	const HttpSocket *socket = socket_last(&handle->load->sockets, handle->socket);

	if (!failed_unanswered(handle, code))
		return false;
	if (code == CURLE_HTTP2)
		return true;
	return (code == CURLE_PARTIAL_FILE || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) &&
		((socket != NULL && socket->is_http2) || strncmp(handle->curl_error, "HTTP/2 ", 7) == 0);
}

/*
 * The server has closed the connection while the request was being written: it has not
 * worked on what it does not have as a whole.  Or it may have, where others were sent by the
 * same connection; that is as with one of HTTP/2 that was lost.
 */
static bool
could_not_send(const HttpHandle *handle, CURLcode code)
{
	return code == CURLE_SEND_ERROR && failed_unanswered(handle, code);
}

/* One of our own callbacks ended the transfer. */
static void
fail_broken_off(HttpHandle *handle)
{
	char		error[sizeof(handle->result.error)];

	if (handle->broke_off == HTTP_INTERNAL)
		snprintf(error, sizeof(error), "out of memory after %zu bytes of the answer",
				 handle->result.body.length);
	else if (handle->broke_off == HTTP_TRANSIENT)
		snprintf(error, sizeof(error), "the answer came on a connection of HTTP/1.1 that was taken for HTTP/2");
	else if (handle->header_bytes > HANDLE_MAX_HEADER_BYTES)
		snprintf(error, sizeof(error), "the headers of the answer exceed %d bytes",
				 HANDLE_MAX_HEADER_BYTES);
	else
		snprintf(error, sizeof(error), "the answer exceeds max_response_size, %lld bytes",
				 (long long) handle->settings.max_response_size);
	handle_fail(handle, handle->broke_off, error);
	/* An answer that is nobody's is no attempt of this request. */
	handle->result.reached &= handle->broke_off != HTTP_TRANSIENT;
}

/*
 * The proxy said no when it was asked for a tunnel.  What it says of being overloaded, or
 * of a server that it could not reach, passes.
 */
static void
fail_at_proxy(HttpHandle *handle, int status)
{
	HttpResult *result = &handle->result;

	result->proxy_status = status;
	if (status == 429 || status >= 500)
	{
		result->retry_after_ms = rate_headers_wait(&handle->rate_headers);
		handle_fail_at_host(handle, HTTP_TRANSIENT, "the proxy refused the connection",
							handle->curl_error);
	}
	else
		handle_refuse(handle, HTTP_REFUSED_PROXY, "the proxy refused the connection",
					  handle->curl_error);
}

/* "60 s" or "1500 ms" */
static void
describe_duration(int milliseconds, char *out, size_t size)
{
	if (milliseconds % 1000 == 0)
		snprintf(out, size, "%d s", milliseconds / 1000);
	else
		snprintf(out, size, "%d ms", milliseconds);
}

/* Why its connection was given up while it was under way, or while it was made. */
static SocketShut
why_shut(const HttpHandle *handle)
{
	const HttpSockets *sockets = &handle->load->sockets;
	const HttpSocket *socket = socket_last(sockets, handle->socket);

	for (int i = 0; i < handle->opened.count && i < SOCKETS_OPENED &&
		 (socket == NULL || socket->shut == SHUT_NOT); i++)
		socket = socket_last(sockets, handle->opened.refs[i]);
	return socket != NULL ? socket->shut : SHUT_NOT;
}

/* False: its connection was not given up. */
static bool
fail_if_shut(HttpHandle *handle)
{
	SocketShut	why = why_shut(handle);
	char		limit[32];
	char		what[64];

	if (why == SHUT_NOT || why == SHUT_INPUT)
		return false;
	if (why == SHUT_FLOOD)
	{
		handle_fail_at_host(handle, HTTP_TRANSIENT, "the connection was closed",
							"the server sent without end what is no part of an answer");
		return true;
	}
	if (why == SHUT_SILENT)
	{
		describe_duration(handle->settings.timeout_ms, limit, sizeof(limit));
		snprintf(what, sizeof(what), "no answer within %s", limit);
		handle_fail_at_host(handle, HTTP_TRANSIENT, what,
							"nothing came on its connection any more");
	}
	else
		handle_fail_at_host(handle, HTTP_TRANSIENT, "the connection was given up",
							"another request has failed on it");
	handle->result.reached = false;
	return true;
}

/*
 * Others on that connection would not be told by all versions of libcurl, and wait for
 * answers that cannot come.
 */
static void
give_up_broken(HttpHandle *handle, CURLcode code)
{
	HttpSockets *sockets = &handle->load->sockets;
	const HttpSocket *socket = socket_get(sockets, handle->socket);

	if (socket != NULL && socket->users > 1 &&
		(code == CURLE_HTTP2 || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR))
		socket_shut(sockets, handle->socket, SHUT_BROKEN);
}

static void
fail_with_code(HttpHandle *handle, CURLcode code)
{
	long		proxy_status = 0;
	bool		unwritten;

	if (handle->broke_off != HTTP_ANSWERED)
	{
		fail_broken_off(handle);
		return;
	}
	if (fail_if_shut(handle))
		return;
	(void) curl_easy_getinfo(handle->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
	if (proxy_status != 0 && proxy_status / 100 != 2)
	{
		fail_at_proxy(handle, (int) proxy_status);
		return;
	}
	give_up_broken(handle, code);
	if (was_not_processed(handle, code))
	{
		handle_fail_at_host(handle, HTTP_TRANSIENT, "the server refused the request's stream", "");
		handle->result.reached = false;
		return;
	}
	if (lost_http2_connection(handle, code))
	{
		handle_fail_at_host(handle, HTTP_TRANSIENT,
							"the server ended the connection without an answer", "");
		return;
	}
	unwritten = could_not_send(handle, code);
	handle_fail_by_code(handle, code);
	handle->result.reached &= !unwritten;
}

/* Adds up over redirects. */
static void
count_bytes(HttpHandle *handle)
{
	long		header_size = 0;
	long		request_size = 0;
	curl_off_t	downloaded = 0;
	curl_off_t	uploaded = 0;
	CURL	   *easy = handle->easy;

	(void) curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &header_size);
	(void) curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_size);
	(void) curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &downloaded);
	(void) curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	handle->result.bytes_in += header_size + downloaded;

	/*
	 * The request's size is that of all that was sent; of some older
	 * releases, of its headers only.
	 */
	if (request_size > uploaded)
		handle->result.bytes_out += request_size;
	else
		handle->result.bytes_out += request_size + uploaded;
}

/*
 * 408 is what some servers say of a connection on which nothing has come for a while
 * (RFC 9110, 15.5.9), and may cross the request on its way: it was not read then.
 */
static bool
says_connection_was_idle(HttpHandle *handle, CURLcode code)
{
	return code == CURLE_OK && handle->result.status == 408 && handle->reuses;
}

/*
 * Once, where its connection was at fault; but not where we have given that up: then the
 * caller is to say when.
 */
static bool
is_worth_another_try(HttpHandle *handle, CURLcode code)
{
	SocketShut	why;

	if (handle->moved > 0 ||
		!(says_connection_was_idle(handle, code) || was_not_processed(handle, code) ||
		  lost_http2_connection(handle, code) || could_not_send(handle, code)))
		return false;
	why = why_shut(handle);
	return why == SHUT_NOT || why == SHUT_INPUT;
}

void
handle_take_back(HttpHandle *handle)
{
	handle->result.starved = handle->starved && !handle->recalled;
	handle_fail(handle, HTTP_NOT_SENT, handle->result.starved ?
				"no file descriptor was free" : "taken back before it was sent");
}

/*
 * It ended without having been sent, and nobody but we is the reason.  (What a redirect
 * asks for goes all the same: the server has begun to work on it.)
 */
static bool
was_not_sent(const HttpHandle *handle)
{
	return handle->phase < HANDLE_CONNECTED && handle->redirects == 0 &&
		(handle->recalled || handle->starved);
}

bool
handle_finish(HttpHandle *handle, CURLcode code)
{
	long		status = 0;
	char	   *target = NULL;

	if (code != CURLE_OK && was_not_sent(handle))
	{
		handle_take_back(handle);
		return false;
	}

	(void) curl_easy_getinfo(handle->easy, CURLINFO_RESPONSE_CODE, &status);
	handle->result.status = (int) status;
	count_bytes(handle);
	if (handle->again == AGAIN_NOT && is_worth_another_try(handle, code))
		handle->again = AGAIN_ELSEWHERE;
	if (handle->again == AGAIN_ELSEWHERE && handle->phase >= HANDLE_CONNECTED)
		handle->result.resent++;
	if (handle->again != AGAIN_NOT)
		return handle_renew(handle);
	if (code != CURLE_OK)
	{
		fail_with_code(handle, code);
		if (body_failed_by_us(handle))
			handle->result.reached = false;
		return false;
	}
	if (handle->settings.follow_redirects &&
		(status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
		curl_easy_getinfo(handle->easy, CURLINFO_REDIRECT_URL, &target) == CURLE_OK &&
		target != NULL)
		return handle_follow_redirect(handle, target);

	handle_advance(handle, HANDLE_ENDED);
	body_end(handle);
	handle->result.sent = handle->result.reached = true;
	handle->result.fault = HTTP_ANSWERED;
	if (status == 429 || status / 100 == 5)
		handle->result.retry_after_ms = rate_headers_wait(&handle->rate_headers);
	return false;
}

/* Have others left its connection unanswered, before now, and nothing has come on it since? */
static bool
was_abandoned(const HttpHandle *handle)
{
	const HttpSocket *socket = socket_last(&handle->load->sockets, handle->socket);

	return socket != NULL && socket->abandoned_at != 0 &&
		socket->abandoned_at < handle->load->now && socket->heard_at <= socket->abandoned_at;
}

void
handle_expire(HttpHandle *handle)
{
	HandlePhase phase = handle->phase;
	bool		connecting = phase < HANDLE_CONNECTED;
	long		status = 0;
	char		limit[32];
	char		what[64];
	char		detail[64] = "";

	if (was_not_sent(handle))
	{
		handle_take_back(handle);
		return;
	}
	(void) curl_easy_getinfo(handle->easy, CURLINFO_RESPONSE_CODE, &status);
	handle->result.status = (int) status;
	count_bytes(handle);

	describe_duration(connecting && handle->connect_deadline < handle->deadline ?
					  handle->settings.connect_timeout_ms : handle->settings.timeout_ms,
					  limit, sizeof(limit));
	snprintf(what, sizeof(what), "no %s within %s",
			 connecting ? "connection" : phase == HANDLE_CONNECTED ? "answer" : "whole answer",
			 limit);
	if (phase == HANDLE_LOOKUP)
		snprintf(detail, sizeof(detail), "looking up the host's address");
	else if (phase == HANDLE_RECEIVING)
		snprintf(detail, sizeof(detail), "%zu bytes of it received", handle->result.body.length);
	handle_fail_at_host(handle, HTTP_TRANSIENT, what, detail);

	/*
	 * Others were told that their connection had ended: this one may have
	 * been lost with it.
	 */
	if (phase == HANDLE_CONNECTED && was_abandoned(handle))
		handle->result.reached = false;
}
