/*-------------------------------------------------------------------------
 *
 * http_failure.c
 *	  One request: ending it as failed, with a reason for a person.
 *
 * Error texts name host and port at most, never path, query or headers: these
 * may carry secrets.  They are ASCII, whatever the server or its name held.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_failure.h"

#include <stdio.h>
#include <string.h>

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

void
handle_fail_at_host(HttpHandle *handle, HttpFault fault, const char *what, const char *detail)
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
	handle_fail_at_host(handle, HTTP_REFUSED, what, detail);
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

	/*
	 * which is what libcurl says of a header line that outgrows its limit,
	 * too
	 */
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

	/*
	 * What libcurl says of its arguments is said of the answer's headers,
	 * once there are some.
	 */
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
	if (meaning.code == CURLE_COULDNT_RESOLVE_PROXY &&
		!handle_host_is_unknown(handle, meaning.code))
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

void
handle_fail_by_code(HttpHandle *handle, CURLcode code)
{
	Meaning		meaning = FAILED(code, TRANSIENT, curl_easy_strerror(code));

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
	{
		if (meanings[i].code == code)
			meaning = meanings[i];
	}
	meaning = refine(handle, meaning);
	handle->result.refusal = meaning.refusal;
	handle->result.may_pass = meaning.may_pass;
	handle_fail_at_host(handle, meaning.fault, meaning.what, libcurl_detail(handle, code));
}
