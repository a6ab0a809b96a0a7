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
#include "http/http_setup.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/curl_compat.h"
#include "http/http_body.h"
#include "http/http_callbacks.h"
#include "http/http_failure.h"

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

/* Why a request cannot be sent at all, or NULL.  is_known: its profile was found good before. */
static const char *
request_fault(const HttpRequest *request, bool is_known)
{
	const char *fault = url_fault(request->url);
	size_t		method_length;

	if (is_known)
		return fault;
	method_length = token_length(request->method);
	if (method_length == 0 || request->method[method_length] != '\0')
		fault = "the HTTP method is malformed";
	for (int i = 0; fault == NULL && i < request->header_count; i++)
		fault = header_fault(request->headers[i]);
	return fault;
}

static bool
add_header(struct curl_slist **headers, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*headers, line);

	if (longer == NULL)
		return false;
	*headers = longer;
	return true;
}

/* libcurl takes "Name:" as "leave that header out", and "Name;" as one without a value. */
static bool
add_given_header(struct curl_slist **headers, const char *line)
{
	size_t		length = token_length(line);
	bool		added;
	char	   *empty;

	if (line[length + 1 + strspn(line + length + 1, " \t")] != '\0')
		return add_header(headers, line);
	empty = malloc(length + 2);
	if (empty == NULL)
		return false;
	memcpy(empty, line, length);
	strcpy(empty + length, ";");
	added = add_header(headers, empty);
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
add_headers(struct curl_slist **headers, const HttpRequest *request, bool has_body)
{
	bool		added = true;

	for (int i = 0; i < request->header_count; i++)
		added = added && add_given_header(headers, request->headers[i]);
	if (!is_given(request, "Accept"))
		added = added && add_header(headers, "Accept: " DEFAULT_JSON_TYPE);
	if (has_body && !is_given(request, "Content-Type"))
		added = added && add_header(headers, "Content-Type: " DEFAULT_JSON_TYPE);

	/*
	 * Waiting for "100 Continue" would cost a round trip, and a second where
	 * none comes.
	 */
	if (!is_given(request, "Expect"))
		added = added && add_header(headers, "Expect:");
	return added;
}

static void
set_method(HttpProfile *profile, const HttpRequest *request, CURLcode *code)
{
	CURL	   *easy = profile->easy;
	bool		is_post = strcmp(request->method, "POST") == 0;
	bool		is_get = strcmp(request->method, "GET") == 0;
	bool		is_head = strcmp(request->method, "HEAD") == 0;
	bool		may_lack_body = !is_post && strcmp(request->method, "PUT") != 0 &&
		strcmp(request->method, "PATCH") != 0;
	bool		sends_body = !is_get && !is_head && (request->body != NULL || !may_lack_body);

	profile->is_get_or_head = is_get || is_head;
	profile->sends_body = sends_body;
	if (is_head)
		EASY_SET(easy, code, CURLOPT_NOBODY, 1L);
	else if (!is_get && !is_post)
		EASY_SET(easy, code, CURLOPT_CUSTOMREQUEST, request->method);
	if (*code == CURLE_OK &&
		!add_headers(&profile->headers, request, sends_body && request->body != NULL))
		*code = CURLE_OUT_OF_MEMORY;
	EASY_SET(easy, code, CURLOPT_HTTPHEADER, profile->headers);
}

static void
set_version(HttpProfile *profile, CURLcode *code)
{
	static const struct
	{
		const char *name;
		long		wanted;
	}			versions[] = {
		{"1.0", CURL_HTTP_VERSION_1_0},
		{"1.1", CURL_HTTP_VERSION_1_1},
		{"2", CURL_HTTP_VERSION_2TLS},
		{"2-prior-knowledge", CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE}
	};
	const char *version = profile->settings.http_version;
	CURL	   *easy = profile->easy;

	if (version == NULL)
		return;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
	{
		if (strcmp(version, versions[i].name) != 0)
			continue;
		EASY_SET(easy, code, CURLOPT_HTTP_VERSION, versions[i].wanted);
		if (versions[i].wanted == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE &&
			compat_curl_breaks_prior_knowledge())
		{
			EASY_SET(easy, code, CURLOPT_FRESH_CONNECT, 1L);
			EASY_SET(easy, code, CURLOPT_FORBID_REUSE, 1L);
		}
		return;
	}
	*code = CURLE_UNSUPPORTED_PROTOCOL;
}

/* Who is talked to, by which way, and how far it is trusted. */
static void
set_server(HttpProfile *profile, CURLcode *code)
{
	const HttpSettings *settings = &profile->settings;
	CURL	   *easy = profile->easy;

	EASY_SET(easy, code, CURLOPT_PROTOCOLS_STR, "http,https");

	/*
	 * The environment is not to be asked: neither for hosts that need no
	 * proxy, nor for a proxy.  A single string for that, as each costs in
	 * every copy.
	 */
	if (settings->proxy != NULL)
		EASY_SET(easy, code, CURLOPT_PROXY, settings->proxy);
	EASY_SET(easy, code, CURLOPT_NOPROXY, settings->proxy != NULL ? "" : "*");

	EASY_SET(easy, code, CURLOPT_SSL_VERIFYPEER, settings->verify_tls ? 1L : 0L);
	EASY_SET(easy, code, CURLOPT_SSL_VERIFYHOST, settings->verify_tls ? 2L : 0L);
	if (settings->ca_file != NULL)
	{
		EASY_SET(easy, code, CURLOPT_CAINFO, settings->ca_file);
		EASY_SET(easy, code, CURLOPT_CAPATH, NULL); /* else the system's count
													 * too */
	}
	set_version(profile, code);
}

/* Where little time is given to connect, the second address is to have half of it. */
static long
second_address_ms(int connect_timeout_ms)
{
	long		half = (connect_timeout_ms + 1L) / 2;

	return half > 0 && half < SECOND_ADDRESS_MS ? half : SECOND_ADDRESS_MS;
}

/* Some thirty options and a list of headers: setting them costs a tenth of a small request. */
static CURLcode
set_up_profile(HttpProfile *profile, const HttpRequest *request)
{
	CURLcode	code = CURLE_OK;
	CURL	   *easy = profile->easy;

	profile_set_callbacks(profile, &code);
	set_method(profile, request, &code);
	set_server(profile, &code);
	EASY_SET(easy, &code, CURLOPT_USERAGENT, DEFAULT_USER_AGENT);
	EASY_SET(easy, &code, CURLOPT_ACCEPT_ENCODING, ""); /* all that libcurl can
														 * undo */
	if (request->userpwd != NULL)
		EASY_SET(easy, &code, CURLOPT_USERPWD, request->userpwd);
	EASY_SET(easy, &code, CURLOPT_NOSIGNAL, 1L);
	EASY_SET(easy, &code, CURLOPT_TCP_KEEPALIVE, 1L);
	EASY_SET(easy, &code, CURLOPT_CONNECTTIMEOUT_MS, NO_CONNECT_TIMEOUT_MS);
	EASY_SET(easy, &code, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS,
			 second_address_ms(profile->settings.connect_timeout_ms));
	/* Else giving up a transfer waits for its resolver thread. */
	EASY_SET(easy, &code, CURLOPT_QUICK_EXIT, 1L);
	return code;
}

/* With one user.  NULL: *code says why not. */
static HttpProfile *
make_profile(const HttpSettings *settings, const HttpRequest *request, CURLcode *code)
{
	HttpProfile *profile = calloc(1, sizeof(HttpProfile));

	*code = CURLE_OUT_OF_MEMORY;
	if (profile == NULL)
		return NULL;
	profile->users = 1;
	profile->number = request->profile;
	profile->settings = *settings;
	profile->easy = curl_easy_init();
	if (profile->easy != NULL)
		*code = set_up_profile(profile, request);
	if (*code == CURLE_OK)
		return profile;
	profile_release(profile);
	return NULL;
}

/* The request's profile, with one more user: the last one, or one that takes its place. */
static HttpProfile *
use_profile(HttpProfile **last, bool is_known, const HttpSettings *settings,
			const HttpRequest *request, CURLcode *code)
{
	*code = CURLE_OK;
	if (!is_known)
	{
		profile_release(*last);
		*last = make_profile(settings, request, code);
	}
	if (*last != NULL)
		(*last)->users++;
	return *last;
}

/* Must this one request keep off HTTP/2, although its server may speak it? */
static bool
needs_http1(const HttpHandle *handle, const char *body, size_t length)
{
	const char *version = handle->settings.http_version;

	if (version != NULL && strcmp(version, "2") != 0)
		return false;			/* it is HTTP/1 anyway, or nothing else is
								 * understood */
	return length > 0 && memchr(body, '\n', length) != NULL && compat_curl_breaks_http2_bodies();
}

/* An easy handle for the request. */
static CURLcode
set_up(HttpHandle *handle, const HttpRequest *request)
{
	size_t		length = request->body != NULL ? request->body_length : 0;
	CURLcode	code = CURLE_OK;
	CURL	   *easy = curl_easy_duphandle(handle->profile->easy);

	handle->easy = easy;
	if (easy == NULL)
		return CURLE_OUT_OF_MEMORY;
	handle_set_callbacks(handle, &code);
	if (handle->profile->sends_body)
	{
		EASY_SET(easy, &code, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) length);
		EASY_SET(easy, &code, CURLOPT_POSTFIELDS, length > 0 ? request->body : "");
		if (needs_http1(handle, request->body, length))
			EASY_SET(easy, &code, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	}
	/* Only a wish: what it changes is how fast a long answer is read. */
	if (handle->load->longest >= LONG_ANSWER)
		(void) curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, LONG_READ);
	EASY_SET(easy, &code, CURLOPT_URL, request->url);
	return code;
}

/* What the request before has left. */
static void
clear_handle(HttpHandle *handle, const HttpSettings *settings, const HttpRequest *request)
{
	handle->curl_error[0] = '\0';
	handle->phase = HANDLE_WAITING;
	handle->settings = *settings;
	handle->deadline = 0;
	handle->redirects = 0;
	handle->again = AGAIN_NOT;
	handle->moved = 0;
	handle->put_off = 0;
	handle->header_bytes = 0;
	handle->broke_off = HTTP_ANSWERED;
	handle->seen = false;
	handle->recalled = false;
	handle->starved = false;
	handle->was_paused = false;
	memset(&handle->result, 0, sizeof(handle->result));
	handle->result.tag = request->tag;
	handle->result.retry_after_ms = -1;
	rate_headers_clear(&handle->rate_headers);
}

bool
handle_prepare(HttpHandle *handle, HttpProfile **last, const HttpSettings *settings,
			   const HttpRequest *request)
{
	bool		is_known = request->profile != 0 && *last != NULL &&
		request->profile == (*last)->number;
	const char *fault = request_fault(request, is_known);
	CURLcode	code;

	clear_handle(handle, settings, request);
	if (fault != NULL)
	{
		handle_fail(handle, HTTP_REFUSED, fault);
		return false;
	}
	handle->profile = use_profile(last, is_known, settings, request, &code);
	if (handle->profile != NULL)
	{
		handle->is_get_or_head = handle->profile->is_get_or_head;
		code = set_up(handle, request);
	}
	if (code == CURLE_OK)
		return true;
	handle_fail(handle, code == CURLE_OUT_OF_MEMORY ? HTTP_INTERNAL : HTTP_REFUSED,
				curl_easy_strerror(code));
	handle_drop_easy(handle);
	return false;
}

/*
 * A new easy handle, set up as the one before, which goes; answered: that was.  False when
 * memory ran out.
 */
static bool
copy_easy(HttpHandle *handle, bool answered, CURLcode *code)
{
	CURL	   *easy = curl_easy_duphandle(handle->easy);

	if (easy == NULL)
		return false;
	handle_leave_socket(handle, answered);
	curl_easy_cleanup(handle->easy);
	handle->easy = easy;
	handle_set_callbacks(handle, code);
	return true;
}

/* Forget the answer so far, for what comes next. */
static void
start_over(HttpHandle *handle)
{
	body_drop(handle);
	rate_headers_clear(&handle->rate_headers);
	handle->header_bytes = 0;
	handle->broke_off = HTTP_ANSWERED;
	handle->starved = false;
	handle->curl_error[0] = '\0';
	handle_rewind(handle);
}

/* From here on a GET: without a body, and without the headers that describe one. */
static CURLcode
turn_into_get(HttpHandle *handle)
{
	struct curl_slist *kept = NULL;
	CURLcode	code = CURLE_OK;

	for (struct curl_slist *line = handle->profile->headers; line != NULL; line = line->next)
	{
		if (strncasecmp(line->data, "Content-", 8) != 0 && !add_header(&kept, line->data))
			code = CURLE_OUT_OF_MEMORY;
	}
	curl_slist_free_all(handle->headers);
	handle->headers = kept;
	handle->is_get_or_head = true;
	EASY_SET(handle->easy, &code, CURLOPT_HTTPGET, 1L);
	EASY_SET(handle->easy, &code, CURLOPT_CUSTOMREQUEST, NULL);
	EASY_SET(handle->easy, &code, CURLOPT_HTTPHEADER, kept);
	return code;
}

bool
handle_repeat(HttpHandle *handle, const char *url, bool as_get)
{
	CURLcode	code = CURLE_OK;
	char	   *target = strdup(url);	/* it is the easy handle's, which goes */

	start_over(handle);
	if (target == NULL || !copy_easy(handle, true, &code))
		code = CURLE_OUT_OF_MEMORY;
	if (code == CURLE_OK && as_get)
		code = turn_into_get(handle);
	EASY_SET(handle->easy, &code, CURLOPT_URL, target);
	free(target);
	if (code != CURLE_OK)
		handle_fail(handle, HTTP_INTERNAL, curl_easy_strerror(code));
	return code == CURLE_OK;
}

bool
handle_renew(HttpHandle *handle)
{
	CURLcode	code = CURLE_OK;

	start_over(handle);
	if (!copy_easy(handle, false, &code))
		code = CURLE_OUT_OF_MEMORY;
	handle->deadline = 0;		/* whoever begins once more has all the time
								 * again */
	if (handle->again == AGAIN_LATER)
		handle->put_off++;
	else if (handle->moved++ > 0 || !handle->load->multiplexes)
		EASY_SET(handle->easy, &code, CURLOPT_FRESH_CONNECT, 1L);	/* kept ones may be as
																	 * bad */
	handle->again = AGAIN_NOT;
	if (code != CURLE_OK)
		handle_fail(handle, HTTP_INTERNAL, curl_easy_strerror(code));
	return code == CURLE_OK;
}
