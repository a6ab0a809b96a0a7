/*-------------------------------------------------------------------------
 *
 * http_handle.c
 *	  One request: what libcurl calls, collecting what arrives.
 *
 * A handle owns its easy handle, the list of header lines and the body that
 * collects in its result; http_next_finished hands that body on.  libcurl
 * copies every string given to it but the request's body.
 *
 * The callbacks never allocate but through ByteBuffer, and never fail but by
 * breaking the transfer off and noting why (broke_off).
 *
 *-------------------------------------------------------------------------
 */
#include "http_handle.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/*
 * What a Content-Length is believed without proof, which an earlier answer of that
 * length is.  Once that much has arrived the rest is reserved in one piece.
 */
#define UNPROVEN_RESERVE (1024 * 1024)

/*-------------------------------------------------------------------------
 * Phases
 *-------------------------------------------------------------------------
 */
void
handle_advance(HttpHandle *handle, HandlePhase phase)
{
	if (phase <= handle->phase)
		return;
	if (handle->phase == HANDLE_LOOKUP)
		handle->load->lookups--;
	if (handle->phase == HANDLE_CONNECTING)
		handle->load->connecting--;
	if (phase == HANDLE_LOOKUP)
		handle->load->lookups++;
	if (phase == HANDLE_CONNECTING)
		handle->load->connecting++;
	if (phase == HANDLE_ENDED && (int64_t) handle->result.body.length > handle->load->longest)
		handle->load->longest = (int64_t) handle->result.body.length;
	if (phase == HANDLE_ENDED)
		handle->load->received_bytes -= (int64_t) handle->result.body.length;
	handle->phase = phase;
}

/*-------------------------------------------------------------------------
 * Callbacks from libcurl
 *-------------------------------------------------------------------------
 */
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
	int			type = address->socktype;

	(void) purpose;
	handle_advance(state, HANDLE_CONNECTING);
#ifdef SOCK_CLOEXEC
	type |= SOCK_CLOEXEC;
#endif
	return socket(address->family, type, address->protocol);
}

static int
on_connected(void *state, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	(void) remote_ip;
	(void) local_ip;
	(void) remote_port;
	(void) local_port;
	handle_advance(state, HANDLE_CONNECTED);
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

/* libcurl gives one line at a time, a folded one as one, not NUL-terminated. */
static size_t
on_header(char *line, size_t size, size_t count, void *state)
{
	HttpHandle *handle = state;
	size_t		length = size * count;

	handle_advance(handle, HANDLE_RECEIVING);
	handle->header_bytes += (int64_t) length;
	if (handle->header_bytes > HANDLE_MAX_HEADER_BYTES)
	{
		handle->broke_off = HTTP_TOO_LARGE;
		return 0;
	}
	if (length >= 5 && strncmp(line, "HTTP/", 5) == 0)
	{
		/* What came before was a 1xx answer.  Of a success nobody asks how long to wait. */
		rate_headers_clear(&handle->rate_headers);
		handle->is_error = is_error_line(line, length);
	}
	else if (handle->is_error)
		rate_headers_note(&handle->rate_headers, line, length, wall_clock_ms());
	return length;
}

/*
 * Makes room in one step where the answer's length is known, so that a large
 * one is not copied at each doubling.  Only an optimisation: buffer_append
 * makes the room that is missing.
 */
static void
reserve_body(ByteBuffer *body, int64_t expected, int64_t proven)
{
	int64_t		wanted = expected;
	char	   *data;

	if (wanted > UNPROVEN_RESERVE && wanted > proven && body->length < UNPROVEN_RESERVE / 2)
		wanted = UNPROVEN_RESERVE;
	if (wanted <= 0 || (size_t) wanted < body->capacity)
		return;
	data = realloc(body->data, (size_t) wanted + 1);
	if (data == NULL)
		return;
	if (body->length == 0)
		data[0] = '\0';
	body->data = data;
	body->capacity = (size_t) wanted + 1;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *state)
{
	HttpHandle *handle = state;
	ByteBuffer	   *body = &handle->result.body;
	size_t		length = size * count;
	int64_t		total = (int64_t) (body->length + length);
	curl_off_t	expected = -1;

	handle_advance(handle, HANDLE_RECEIVING);
	if (length + body->length >= body->capacity)
		(void) curl_easy_getinfo(handle->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
	if (total > handle->settings.max_response_size ||
		expected > handle->settings.max_response_size)
	{
		handle->broke_off = HTTP_TOO_LARGE;
		return 0;
	}
	reserve_body(body, expected, handle->load->longest);
	buffer_append(body, bytes, length);
	if (body->failed)
	{
		handle->broke_off = HTTP_INTERNAL;
		return 0;
	}
	handle->load->received_bytes += (int64_t) length;
	return length;
}

void
handle_set_callbacks(HttpHandle *handle, CURLcode *code)
{
	HANDLE_SET(handle, code, CURLOPT_PRIVATE, handle);
	HANDLE_SET(handle, code, CURLOPT_ERRORBUFFER, handle->curl_error);
	HANDLE_SET(handle, code, CURLOPT_HEADERFUNCTION, on_header);
	HANDLE_SET(handle, code, CURLOPT_HEADERDATA, handle);
	HANDLE_SET(handle, code, CURLOPT_WRITEFUNCTION, on_body);
	HANDLE_SET(handle, code, CURLOPT_WRITEDATA, handle);
	HANDLE_SET(handle, code, CURLOPT_RESOLVER_START_FUNCTION, on_lookup);
	HANDLE_SET(handle, code, CURLOPT_RESOLVER_START_DATA, handle);
	HANDLE_SET(handle, code, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	HANDLE_SET(handle, code, CURLOPT_OPENSOCKETDATA, handle);
	HANDLE_SET(handle, code, CURLOPT_PREREQFUNCTION, on_connected);
	HANDLE_SET(handle, code, CURLOPT_PREREQDATA, handle);
}

/*-------------------------------------------------------------------------
 * Making and freeing
 *-------------------------------------------------------------------------
 */
HttpHandle *
handle_create(HttpLoad *load)
{
	HttpHandle *handle = calloc(1, sizeof(HttpHandle));

	if (handle == NULL)
		return NULL;
	handle->load = load;
	handle->phase = HANDLE_ENDED;
	handle->easy = curl_easy_init();
	if (handle->easy == NULL)
	{
		free(handle);
		return NULL;
	}
	return handle;
}

void
handle_free(HttpHandle *handle)
{
	curl_easy_cleanup(handle->easy);
	curl_slist_free_all(handle->headers);
	buffer_free(&handle->result.body);
	free(handle);
}
