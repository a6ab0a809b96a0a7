/*-------------------------------------------------------------------------
 *
 * http_handle.c
 *	  One request: its phases, its connection, its beginning and its end.
 *
 * A handle owns its easy handle and the body that collects in its result;
 * http_next_finished hands that body on.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_handle.h"

#include <stdlib.h>
#include <string.h>

bool
http_multiplexes(const HttpSettings *settings)
{
	const char *version = settings->http_version;

	return version != NULL && version[0] == '2';
}

HttpHandle *
handle_create(HttpLoad *load)
{
	HttpHandle *handle = calloc(1, sizeof(HttpHandle));

	if (handle == NULL)
		return NULL;
	handle->load = load;
	handle->phase = HANDLE_ENDED;
	return handle;
}

/* What a handle in that phase counts for; by: 1 or -1. */
static void
count_phase(HttpLoad *load, HandlePhase phase, int by)
{
	if (phase == HANDLE_LOOKUP)
		load->lookups += by;
	else if (phase == HANDLE_CONNECTING)
		load->connecting += by;
	else if (phase == HANDLE_CONNECTED || phase == HANDLE_RECEIVING)
		load->on_the_wire += by;
	if (phase == HANDLE_RECEIVING)
		load->receiving += by;
}

void
handle_rewind(HttpHandle *handle)
{
	count_phase(handle->load, handle->phase, -1);
	handle->phase = HANDLE_WAITING;
}

void
handle_advance(HttpHandle *handle, HandlePhase phase)
{
	if (phase <= handle->phase)
		return;
	count_phase(handle->load, handle->phase, -1);
	count_phase(handle->load, phase, 1);
	handle->phase = phase;
}

HttpSocket *
handle_heard(const HttpHandle *handle)
{
	HttpSocket *socket = socket_get(&handle->load->sockets, handle->socket);

	if (socket != NULL)
		socket->heard_at = handle->load->now;
	return socket;
}

void
handle_leave_socket(HttpHandle *handle, bool answered)
{
	socket_leave(&handle->load->sockets, handle->socket, answered, handle->load->now);
	memset(&handle->socket, 0, sizeof(handle->socket));
	handle->opened.count = 0;
	handle->reuses = false;
}

void
profile_release(HttpProfile *profile)
{
	if (profile == NULL || --profile->users > 0)
		return;
	curl_easy_cleanup(profile->easy);
	curl_slist_free_all(profile->headers);
	free(profile);
}

void
handle_drop_easy(HttpHandle *handle)
{
	handle_leave_socket(handle, handle->result.fault == HTTP_ANSWERED);
	if (handle->easy != NULL)
		curl_easy_cleanup(handle->easy);
	handle->easy = NULL;
	curl_slist_free_all(handle->headers);
	handle->headers = NULL;
	profile_release(handle->profile);
	handle->profile = NULL;
}

void
handle_free(HttpHandle *handle)
{
	handle_drop_easy(handle);
	buffer_free(&handle->result.body);
	free(handle);
}
