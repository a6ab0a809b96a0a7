/*-------------------------------------------------------------------------
 *
 * http_setup.c
 *	  One request: setting up its easy handle.
 *
 * libcurl copies every string given to it but the request's body.  What is wrong
 * with a request, so that it cannot be sent, is found here.
 *
 *-------------------------------------------------------------------------
 */
#include "http_handle.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compat.h"

#define DEFAULT_USER_AGENT "pg_enrich/1.0"
#define DEFAULT_JSON_TYPE "application/json"

/*
 * libcurl gives up connecting after 300 s when nothing is set, counting time
 * in which nobody called it.  The deadlines are http.c's.
 */
#define NO_CONNECT_TIMEOUT_MS (24 * 60 * 60 * 1000L)

/*
 * Once an answer was so long, libcurl reads more at a time than its 16 kB, as it
 * looks after all of a transfer each time.  It allocates that for each one under way.
 */
#define LONG_ANSWER (256 * 1024)
#define LONG_READ (128 * 1024L)

/*
 * When libcurl tries a host's second address beside the first one, at the latest.
 * That timer may run on once there is a connection (7.88: always), and when it ends all
 * that has come for requests on new connections is read at one go, and no place is
 * filled meanwhile.  libcurl's 200 ms are a time in which many an API answers; later
 * there are fewer first answers to be met.  RFC 8305, 5, allows for up to 2 s.
 */
#define SECOND_ADDRESS_MS 500

/* RFC 9110's token: what a method and a header's name may be made of. */
static size_t
token_length(const char *text)
{
	size_t		length = 0;

	while (isalnum((unsigned char) text[length]) ||
		   (text[length] != '\0' && strchr("!#$%&'*+-.^_`|~", text[length]) != NULL))
		length++;
	return length;
}

static bool
is_header(const char *line, const char *name)
{
	size_t		length = strlen(name);

	return strncasecmp(line, name, length) == 0 && line[length] == ':';
}

/* Why a header line cannot be sent, or NULL.  Does not quote it: it may be a secret. */
static const char *
header_fault(const char *line)
{
	size_t		length = token_length(line);

	if (length == 0 || line[length] != ':')
		return "a request header is not of the form \"Name: value\"";
	for (const char *c = line + length; *c != '\0'; c++)
	{
		if (((unsigned char) *c < ' ' && *c != '\t') || *c == 0x7f)
			return "a request header holds a line break or another control character";
	}
	if (is_header(line, "Content-Length") || is_header(line, "Transfer-Encoding"))
		return "the request headers Content-Length and Transfer-Encoding cannot be set";
	return NULL;
}

static const char *
url_fault(const char *url)
{
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return "the URL does not begin with http:// or https://";
	for (; *url != '\0'; url++)
	{
		if ((unsigned char) *url <= ' ' || *url == 0x7f)
			return "the URL holds a space, a line break or another control character";
	}
	return NULL;
}

/* Why a request cannot be sent at all, or NULL. */
static const char *
request_fault(const HttpHandle *handle, const HttpRequest *request)
{
	const char *fault = url_fault(request->url);
	size_t		method_length;

	if (request->profile != 0 && request->profile == handle->profile)
		return fault;			/* the rest was found good before */
	method_length = token_length(request->method);
	if (method_length == 0 || request->method[method_length] != '\0')
		fault = "the HTTP method is malformed";
	for (int i = 0; fault == NULL && i < request->header_count; i++)
		fault = header_fault(request->headers[i]);
	return fault;
}

static bool
add_header(HttpHandle *handle, const char *line)
{
	struct curl_slist *longer = curl_slist_append(handle->headers, line);

	if (longer == NULL)
		return false;
	handle->headers = longer;
	return true;
}

/* libcurl takes "Name:" as "leave that header out", and "Name;" as one without a value. */
static bool
add_given_header(HttpHandle *handle, const char *line)
{
	size_t		length = token_length(line);
	bool		added;
	char	   *empty;

	if (line[length + 1 + strspn(line + length + 1, " \t")] != '\0')
		return add_header(handle, line);
	empty = malloc(length + 2);
	if (empty == NULL)
		return false;
	memcpy(empty, line, length);
	strcpy(empty + length, ";");
	added = add_header(handle, empty);
	free(empty);
	return added;
}

static bool
is_given(const HttpRequest *request, const char *name)
{
	for (int i = 0; i < request->header_count; i++)
	{
		if (is_header(request->headers[i], name))
			return true;
	}
	return false;
}

static bool
add_headers(HttpHandle *handle, const HttpRequest *request, bool has_body)
{
	bool		added = true;

	for (int i = 0; i < request->header_count; i++)
		added = added && add_given_header(handle, request->headers[i]);
	if (!is_given(request, "Accept"))
		added = added && add_header(handle, "Accept: " DEFAULT_JSON_TYPE);
	if (has_body && !is_given(request, "Content-Type"))
		added = added && add_header(handle, "Content-Type: " DEFAULT_JSON_TYPE);

	/* Waiting for "100 Continue" would cost a round trip, and a second where none comes. */
	if (!is_given(request, "Expect"))
		added = added && add_header(handle, "Expect:");
	return added;
}

static void
set_method(HttpHandle *handle, const HttpRequest *request, CURLcode *code)
{
	bool		is_post = strcmp(request->method, "POST") == 0;
	bool		is_get = strcmp(request->method, "GET") == 0;
	bool		is_head = strcmp(request->method, "HEAD") == 0;
	bool		may_lack_body = !is_post && strcmp(request->method, "PUT") != 0 &&
		strcmp(request->method, "PATCH") != 0;
	bool		sends_body = !is_get && !is_head && (request->body != NULL || !may_lack_body);

	handle->is_get_or_head = is_get || is_head;
	handle->sends_body = sends_body;
	if (is_head)
		HANDLE_SET(handle, code, CURLOPT_NOBODY, 1L);
	else if (!is_get && !is_post)
		HANDLE_SET(handle, code, CURLOPT_CUSTOMREQUEST, request->method);
	if (*code == CURLE_OK && !add_headers(handle, request, sends_body && request->body != NULL))
		*code = CURLE_OUT_OF_MEMORY;
	HANDLE_SET(handle, code, CURLOPT_HTTPHEADER, handle->headers);
}

/*
 * Requests wait for a connection that is being made, to share it, only where
 * HTTP/2 was asked for by name: elsewhere that would hold back the first burst
 * for a server that then turns out to speak HTTP/1.1.
 */
static void
set_version(HttpHandle *handle, CURLcode *code)
{
	const char *version = handle->settings.http_version;
	long		wanted;

	if (version == NULL)
		return;
	if (strcmp(version, "1.0") == 0)
		wanted = CURL_HTTP_VERSION_1_0;
	else if (strcmp(version, "1.1") == 0)
		wanted = CURL_HTTP_VERSION_1_1;
	else if (strcmp(version, "2") == 0)
		wanted = CURL_HTTP_VERSION_2_0;
	else if (strcmp(version, "2-prior-knowledge") == 0)
		wanted = CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
	else
	{
		*code = CURLE_UNSUPPORTED_PROTOCOL;
		return;
	}
	HANDLE_SET(handle, code, CURLOPT_HTTP_VERSION, wanted);
	if (wanted == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE && compat_curl_breaks_prior_knowledge())
	{
		HANDLE_SET(handle, code, CURLOPT_FRESH_CONNECT, 1L);
		HANDLE_SET(handle, code, CURLOPT_FORBID_REUSE, 1L);
	}
	else if (version[0] == '2')
		HANDLE_SET(handle, code, CURLOPT_PIPEWAIT, 1L);
}

/* Who is talked to, by which way, and how far it is trusted. */
static void
set_server(HttpHandle *handle, CURLcode *code)
{
	const HttpSettings *settings = &handle->settings;

	if (*code == CURLE_OK)
		*code = compat_allow_http(handle->easy);

	/* An empty string, unlike NULL, keeps libcurl from asking the environment. */
	HANDLE_SET(handle, code, CURLOPT_PROXY, settings->proxy != NULL ? settings->proxy : "");
	HANDLE_SET(handle, code, CURLOPT_NOPROXY, "");
	HANDLE_SET(handle, code, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);

	HANDLE_SET(handle, code, CURLOPT_SSL_VERIFYPEER, settings->verify_tls ? 1L : 0L);
	HANDLE_SET(handle, code, CURLOPT_SSL_VERIFYHOST, settings->verify_tls ? 2L : 0L);
	if (settings->ca_file != NULL)
	{
		HANDLE_SET(handle, code, CURLOPT_CAINFO, settings->ca_file);
		HANDLE_SET(handle, code, CURLOPT_CAPATH, NULL);	/* else the system's count too */
	}
	set_version(handle, code);
}

/* Where little time is given to connect, the second address is to have half of it. */
static long
second_address_ms(int connect_timeout_ms)
{
	long		half = (connect_timeout_ms + 1L) / 2;

	return half > 0 && half < SECOND_ADDRESS_MS ? half : SECOND_ADDRESS_MS;
}

/* What requests of the same profile have in common. */
static CURLcode
set_up_profile(HttpHandle *handle, const HttpRequest *request)
{
	CURLcode	code = CURLE_OK;

	curl_easy_reset(handle->easy);
	curl_slist_free_all(handle->headers);
	handle->headers = NULL;
	handle_set_callbacks(handle, &code);
	set_method(handle, request, &code);
	set_server(handle, &code);
	HANDLE_SET(handle, &code, CURLOPT_USERAGENT, DEFAULT_USER_AGENT);
	HANDLE_SET(handle, &code, CURLOPT_ACCEPT_ENCODING, "");	/* all that libcurl can undo */
	if (request->userpwd != NULL)
		HANDLE_SET(handle, &code, CURLOPT_USERPWD, request->userpwd);
	HANDLE_SET(handle, &code, CURLOPT_NOSIGNAL, 1L);
	HANDLE_SET(handle, &code, CURLOPT_TCP_KEEPALIVE, 1L);
	HANDLE_SET(handle, &code, CURLOPT_CONNECTTIMEOUT_MS, NO_CONNECT_TIMEOUT_MS);
	HANDLE_SET(handle, &code, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS,
			   second_address_ms(handle->settings.connect_timeout_ms));
	/* Else giving up a transfer waits for its resolver thread. */
	if (code == CURLE_OK)
		code = compat_quick_exit(handle->easy);
	return code;
}

/*
 * Did the transfer before go well, on a connection that was there?  If one is dead
 * libcurl resends on a new one, but only five times until a handle is reset.
 */
static bool
has_gone_well(const HttpHandle *handle)
{
	long		connections = 1;

	(void) curl_easy_getinfo(handle->easy, CURLINFO_NUM_CONNECTS, &connections);
	return connections == 0 && handle->curl_error[0] == '\0';
}

/*
 * Some thirty options and a list of headers cost as much as a tenth of a small
 * request: they are set again only where they may be others.
 */
static CURLcode
set_up(HttpHandle *handle, const HttpRequest *request)
{
	size_t		length = request->body != NULL ? request->body_length : 0;
	CURLcode	code = CURLE_OK;

	if (request->profile == 0 || request->profile != handle->profile)
	{
		handle->profile = 0;
		code = set_up_profile(handle, request);
	}
	if (handle->sends_body)
	{
		HANDLE_SET(handle, &code, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) length);
		HANDLE_SET(handle, &code, CURLOPT_POSTFIELDS, length > 0 ? request->body : "");
	}
	if (handle->load->longest >= LONG_ANSWER)
		HANDLE_SET(handle, &code, CURLOPT_BUFFERSIZE, LONG_READ);
	HANDLE_SET(handle, &code, CURLOPT_URL, request->url);
	if (code == CURLE_OK)
		handle->profile = request->profile;
	return code;
}

bool
handle_prepare(HttpHandle *handle, const HttpSettings *settings, const HttpRequest *request)
{
	const char *fault = request_fault(handle, request);
	bool		went_well = has_gone_well(handle);
	CURLcode	code;

	handle->curl_error[0] = '\0';
	handle->phase = HANDLE_WAITING;
	handle->settings = *settings;
	handle->redirects = 0;
	handle->header_bytes = 0;
	handle->broke_off = HTTP_ANSWERED;
	handle->seen = false;
	memset(&handle->result, 0, sizeof(handle->result));
	handle->result.tag = request->tag;
	handle->result.retry_after_ms = -1;
	rate_headers_clear(&handle->rate_headers);

	if (fault != NULL)
	{
		handle_fail(handle, HTTP_REFUSED, fault);
		return false;
	}
	if (!went_well)
		handle->profile = 0;
	code = set_up(handle, request);
	if (code == CURLE_OK)
		return true;
	handle_fail(handle, code == CURLE_OUT_OF_MEMORY ? HTTP_INTERNAL : HTTP_REFUSED,
				curl_easy_strerror(code));
	return false;
}

/* The answer so far was a redirect's: forget it, for what comes next. */
static void
start_over(HttpHandle *handle)
{
	handle->load->received_bytes -= (int64_t) handle->result.body.length;
	buffer_reset(&handle->result.body);
	rate_headers_clear(&handle->rate_headers);
	handle->header_bytes = 0;
	handle->curl_error[0] = '\0';
	handle->phase = HANDLE_WAITING;
}

/* From here on a GET: without a body, and without the headers that describe one. */
static CURLcode
turn_into_get(HttpHandle *handle)
{
	struct curl_slist *all = handle->headers;
	CURLcode	code = CURLE_OK;

	handle->headers = NULL;
	for (struct curl_slist *line = all; line != NULL; line = line->next)
	{
		if (strncasecmp(line->data, "Content-", 8) != 0 && !add_header(handle, line->data))
			code = CURLE_OUT_OF_MEMORY;
	}
	handle->is_get_or_head = true;
	HANDLE_SET(handle, &code, CURLOPT_HTTPGET, 1L);
	HANDLE_SET(handle, &code, CURLOPT_CUSTOMREQUEST, NULL);
	if (curl_easy_setopt(handle->easy, CURLOPT_HTTPHEADER, handle->headers) != CURLE_OK)
		code = CURLE_OUT_OF_MEMORY;
	curl_slist_free_all(all);	/* only now: libcurl had it until the line above */
	return code;
}

bool
handle_repeat(HttpHandle *handle, const char *url, bool as_get)
{
	CURLcode	code = CURLE_OK;

	handle->profile = 0;
	start_over(handle);
	if (as_get)
		code = turn_into_get(handle);
	HANDLE_SET(handle, &code, CURLOPT_URL, url);
	if (code != CURLE_OK)
		handle_fail(handle, HTTP_INTERNAL, curl_easy_strerror(code));
	return code == CURLE_OK;
}
