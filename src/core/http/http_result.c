/*-------------------------------------------------------------------------
 *
 * http_result.c
 *	  How a request ended: answered, redirected, or failed and why.
 *
 * Owns nothing: fills in the result of the handle it is given.
 *
 * Error texts name host and port at most, never path, query or headers: these
 * may carry secrets.  They are ASCII, whatever the server or its name held.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_handle.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "http/curl_compat.h"
#include "http/http_body.h"

/* Host and port of the URL that was last used, or proxy words where unknown. */
static void
describe_host(HttpHandle *handle, char *out, size_t size)
{
	char	   *url = NULL;
	char	   *host = NULL;
	char	   *port = NULL;
	CURLU	   *parsed = curl_url();

	snprintf(out, size, "unknown");
	if (parsed != NULL &&
		curl_easy_getinfo(handle->easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK &&
		url != NULL &&
		curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK)
	{
		if (curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
			snprintf(out, size, "%s:%s", host, port);
		else
			snprintf(out, size, "%s", host);
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(parsed);
}

/* Nothing may leave that breaks a line, a terminal or an encoding. */
static void
make_printable(char *text)
{
	for (; *text != '\0'; text++)
	{
		if ((unsigned char) *text < ' ' || (unsigned char) *text >= 0x7f)
			*text = '?';
	}
}

void
handle_fail(HttpHandle *handle, HttpFault fault, const char *error)
{
	HttpResult *result = &handle->result;

	result->sent = result->reached = handle->phase >= HANDLE_CONNECTED;
	handle_advance(handle, HANDLE_ENDED);
	body_drop(handle);
	result->fault = fault;
	snprintf(result->error, sizeof(result->error), "%s", error);
	make_printable(result->error);
}

/* "what (host:port): detail"; an empty detail is left out. */
static void
fail_at_host(HttpHandle *handle, HttpFault fault, const char *what, const char *detail)
{
	char		host[128];
	char		error[sizeof(handle->result.error)];

	describe_host(handle, host, sizeof(host));
	snprintf(error, sizeof(error), "%s (%s)%s%s", what, host,
			 detail[0] != '\0' ? ": " : "", detail);
	handle_fail(handle, fault, error);
}

void
handle_refuse(HttpHandle *handle, HttpRefusal refusal, const char *what, const char *detail)
{
	handle->result.refusal = refusal;
	fail_at_host(handle, HTTP_REFUSED, what, detail);
}

/* What libcurl's code for a failure means. */
typedef struct Meaning
{
	CURLcode	code;
	HttpFault	fault;
	HttpRefusal refusal;
	const char *what;
	bool		may_pass;
} Meaning;

#define REFUSED(code, refusal, what) {code, HTTP_REFUSED, HTTP_REFUSED_##refusal, what, false}
#define MAY_PASS(code, refusal, what) {code, HTTP_REFUSED, HTTP_REFUSED_##refusal, what, true}
#define FAILED(code, fault, what) {code, HTTP_##fault, 0, what, false}

/*
 * What is not listed is taken as transient: the caller's bound on attempts
 * then decides.
 */
static const Meaning meanings[] = {
	REFUSED(CURLE_COULDNT_RESOLVE_HOST, HOST, "unknown host"),
	REFUSED(CURLE_COULDNT_RESOLVE_PROXY, PROXY, "unknown proxy host"),
	REFUSED(CURLE_UNSUPPORTED_PROTOCOL, PROTOCOL, "protocol not supported"),
	REFUSED(CURLE_URL_MALFORMAT, REQUEST, "malformed URL"),
	REFUSED(CURLE_NOT_BUILT_IN, PROTOCOL, "not supported by this libcurl"),
	MAY_PASS(CURLE_SSL_CONNECT_ERROR, TLS, "TLS handshake failed"),
	REFUSED(CURLE_PEER_FAILED_VERIFICATION, TLS, "TLS certificate not accepted"),
	REFUSED(CURLE_SSL_CERTPROBLEM, TLS, "TLS failed"),
	REFUSED(CURLE_SSL_CIPHER, TLS, "TLS failed"),
	REFUSED(CURLE_SSL_CACERT_BADFILE, TLS, "certificates of authorities cannot be read"),
	REFUSED(CURLE_SSL_CRL_BADFILE, TLS, "TLS failed"),
	REFUSED(CURLE_SSL_ISSUER_ERROR, TLS, "TLS certificate not accepted"),
	REFUSED(CURLE_SSL_INVALIDCERTSTATUS, TLS, "TLS certificate not accepted"),
	REFUSED(CURLE_SSL_ENGINE_NOTFOUND, TLS, "TLS failed"),
	REFUSED(CURLE_SSL_ENGINE_INITFAILED, TLS, "TLS failed"),
	/* which is what libcurl says of a header line that outgrows its limit, too */
	FAILED(CURLE_OUT_OF_MEMORY, INTERNAL, "out of memory, or a header line of over 100 kB"),
	FAILED(CURLE_FAILED_INIT, INTERNAL, "libcurl could not be used"),
	FAILED(CURLE_BAD_FUNCTION_ARGUMENT, INTERNAL, "libcurl could not be used"),
	FAILED(CURLE_TOO_LARGE, TOO_LARGE, "the answer holds something too large"),
	FAILED(CURLE_COULDNT_CONNECT, TRANSIENT, "could not connect"),
	FAILED(CURLE_OPERATION_TIMEDOUT, TRANSIENT, "timed out"),
	FAILED(CURLE_GOT_NOTHING, TRANSIENT, "connection closed without an answer"),
	FAILED(CURLE_RECV_ERROR, TRANSIENT, "connection failed while receiving"),
	FAILED(CURLE_SEND_ERROR, TRANSIENT, "connection failed while sending"),
	FAILED(CURLE_PARTIAL_FILE, TRANSIENT, "answer cut off"),
	FAILED(CURLE_HTTP2, TRANSIENT, "HTTP/2 failed"),
	FAILED(CURLE_HTTP2_STREAM, TRANSIENT, "HTTP/2 stream closed"),
	FAILED(CURLE_BAD_CONTENT_ENCODING, TRANSIENT, "malformed answer"),
	FAILED(CURLE_WRITE_ERROR, TRANSIENT, "malformed answer"),
	FAILED(CURLE_WEIRD_SERVER_REPLY, TRANSIENT, "malformed answer")
};

/*
 * Does the server want a certificate that it was not shown?  In TLS 1.3 it says so when
 * the client thinks that the handshake is over.  In words of OpenSSL and of GnuTLS.
 */
static bool
wants_client_certificate(const HttpHandle *handle)
{
	return strstr(handle->curl_error, "certificate required") != NULL ||
		strstr(handle->curl_error, "Certificate is required") != NULL;
}

/* The same code for a setting that cannot work and for a server that just went away. */
static Meaning
refine(const HttpHandle *handle, Meaning meaning)
{
	const char *detail = handle->curl_error;

	if (wants_client_certificate(handle))
		return (Meaning) REFUSED(meaning.code, TLS, "the server demands a client certificate");
	if (meaning.code == CURLE_SSL_CONNECT_ERROR &&
		strstr(detail, "alert handshake failure") != NULL)
		return (Meaning) MAY_PASS(meaning.code, TLS, "TLS handshake failed, "
								  "perhaps for want of a client certificate");
	/* What libcurl says of its arguments is said of the answer's headers, once there are some. */
	if ((meaning.code == CURLE_BAD_FUNCTION_ARGUMENT || meaning.code == CURLE_FAILED_INIT) &&
		handle->phase >= HANDLE_CONNECTED)
		return (Meaning) FAILED(meaning.code, TRANSIENT, "malformed answer");
	if (meaning.code == CURLE_UNSUPPORTED_PROTOCOL && handle->phase >= HANDLE_CONNECTED)
		return (Meaning) FAILED(meaning.code, TRANSIENT, "malformed answer");
	if (meaning.code == CURLE_SSL_CONNECT_ERROR &&
		(strstr(detail, "SYSCALL") != NULL || strstr(detail, "reset by peer") != NULL ||
		 strstr(detail, "unexpected eof") != NULL))
		return (Meaning) FAILED(meaning.code, TRANSIENT, "connection lost in the TLS handshake");
	if (meaning.code == CURLE_COULDNT_RESOLVE_HOST &&
		(strncmp(detail, "getaddrinfo() ", 14) == 0 ||
		 !handle_host_is_unknown(handle, meaning.code)))
		return (Meaning) FAILED(meaning.code, TRANSIENT, "host could not be looked up");
	if (meaning.code == CURLE_COULDNT_RESOLVE_PROXY && !handle_host_is_unknown(handle, meaning.code))
		return (Meaning) FAILED(meaning.code, TRANSIENT, "proxy host could not be looked up");
	return meaning;
}

/* "HTTP/2 stream 7 was …" without its number, which says nothing and makes reasons differ. */
static void
drop_stream_number(char *text)
{
	static const char opening[] = "HTTP/2 stream ";
	char	   *number = text + sizeof(opening) - 1;
	size_t		digits;

	if (strncmp(text, opening, sizeof(opening) - 1) != 0)
		return;
	digits = strspn(number, "0123456789");
	if (digits > 0 && number[digits] == ' ')
		memmove(number, number + digits + 1, strlen(number + digits + 1) + 1);
}

/* libcurl's own words, where they say more than ours and cannot hold a query. */
static const char *
libcurl_detail(HttpHandle *handle, CURLcode code)
{
	long		os_error = 0;

	if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_OUT_OF_MEMORY)
		return "";
	if (code == CURLE_COULDNT_CONNECT &&
		curl_easy_getinfo(handle->easy, CURLINFO_OS_ERRNO, &os_error) == CURLE_OK && os_error != 0)
		return strerror((int) os_error);
	/* So it says where it could not undo a compression. */
	if (code == CURLE_WRITE_ERROR)
		return "its compressed body is broken, or something follows it";
	if (code == CURLE_BAD_CONTENT_ENCODING && handle->curl_error[0] == '\0')
		return "its body is not compressed as its Content-Encoding says";
	if (code == CURLE_BAD_FUNCTION_ARGUMENT || code == CURLE_FAILED_INIT)
		return handle->curl_error[0] == '\0' ? "a header or trailer that is none" : handle->curl_error;
	drop_stream_number(handle->curl_error);
	return strchr(handle->curl_error, '?') == NULL ? handle->curl_error : "";
}

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
		fail_at_host(handle, HTTP_TRANSIENT, "the proxy refused the connection",
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
		fail_at_host(handle, HTTP_TRANSIENT, "the connection was closed",
					 "the server sent without end what is no part of an answer");
		return true;
	}
	if (why == SHUT_SILENT)
	{
		describe_duration(handle->settings.timeout_ms, limit, sizeof(limit));
		snprintf(what, sizeof(what), "no answer within %s", limit);
		fail_at_host(handle, HTTP_TRANSIENT, what, "nothing came on its connection any more");
	}
	else
		fail_at_host(handle, HTTP_TRANSIENT, "the connection was given up",
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
	Meaning		meaning = FAILED(code, TRANSIENT, curl_easy_strerror(code));
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
		fail_at_host(handle, HTTP_TRANSIENT, "the server refused the request's stream", "");
		handle->result.reached = false;
		return;
	}
	if (lost_http2_connection(handle, code))
	{
		fail_at_host(handle, HTTP_TRANSIENT, "the server ended the connection without an answer", "");
		return;
	}
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
	{
		if (meanings[i].code == code)
			meaning = meanings[i];
	}
	meaning = refine(handle, meaning);
	handle->result.refusal = meaning.refusal;
	handle->result.may_pass = meaning.may_pass;
	unwritten = could_not_send(handle, code);
	fail_at_host(handle, meaning.fault, meaning.what, libcurl_detail(handle, code));
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
	 * The request's size is that of all that was sent; of some older releases,
	 * of its headers only.
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

/* Have others left its connection without an answer, before now, and nothing has come on it since? */
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
	fail_at_host(handle, HTTP_TRANSIENT, what, detail);
	/* Others were told that their connection had ended: this one may have been lost with it. */
	if (phase == HANDLE_CONNECTED && was_abandoned(handle))
		handle->result.reached = false;
}
