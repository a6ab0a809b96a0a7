/*-------------------------------------------------------------------------
 *
 * request.c
 *	  One request, from its first line to the end of its answer.
 *
 * The order is: counted, scripted, kept waiting, answered.  Requests to the
 * control endpoints skip all but the last.
 *
 *-------------------------------------------------------------------------
 */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "arrivals.h"
#include "endpoints.h"
#include "recent.h"
#include "stats.h"
#include "waiting.h"

Request *
request_create(const char *target, struct MHD_Connection *connection)
{
	size_t		length = strlen(target);
	Request    *request = xcalloc(sizeof(*request) + length + 1);

	request->connection = connection;
	request->script = &script_none;
	memcpy(request->target, target, length + 1);
	return request;
}

void
request_free(Request *request)
{
	buffer_free(&request->body);
	buffer_free(&request->fault);
	inputs_free(&request->inputs);
	script_release(request->script);
	free(request);
}

void
request_receive(Request *request, const char *bytes, size_t length)
{
	buffer_append(&request->body, bytes, length);
}

const char *
request_header(const Request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* Linger 0 makes the close that MHD_NO brings about send RST. */
static enum MHD_Result
reset_connection(Request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct linger linger = {1, 0};

	if (info != NULL)
		setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	stats_count(STATS_RESETS);
	request->state = REQUEST_CLOSED;
	return MHD_NO;
}

static enum MHD_Result
answer_now(Request *request)
{
	request->state = REQUEST_ANSWERING;
	return answer_request(request);
}

/* Everything but a wait for the latency is behind it. */
static enum MHD_Result
go_on(Request *request)
{
	switch (request->transport)
	{
		case TRANSPORT_RESET:
			return reset_connection(request);
		case TRANSPORT_HANG:
			stats_count(STATS_HANGS);
			request->state = REQUEST_WAITING;
			return waiting_suspend(request, WAIT_FOREVER);
		case TRANSPORT_CUT:
			stats_count(STATS_CUTS);
			break;
		case TRANSPORT_HANG_BODY:
		case TRANSPORT_TRICKLE:
			stats_count(STATS_HANGS);
			break;
		case TRANSPORT_WHOLE:
			break;
	}
	return answer_now(request);
}

/* Counts it, and finds out what is to become of it. */
static void
judge(Request *request)
{
	const Endpoint *endpoint = request->endpoint;

	request->key = hash_bytes(request->method, strlen(request->method), 0);
	request->key = hash_bytes(request->target, strlen(request->target), request->key);
	request->key = hash_bytes(request->body.data, request->body.length, request->key);
	recent_add(request);
	stats_receive(request);

	if (endpoint != NULL && endpoint->read_inputs != NULL)
	{
		request->problem = endpoint->read_inputs(request);
		stats_receive_inputs(request);
	}
	arrivals_add(request);
	request->script = script_for(request, &request->fault);
	if (request->script == NULL)
		request->script = &script_none;
	script_decide(request);
}

enum MHD_Result
request_complete(Request *request)
{
	int64_t		delay;

	if (request->endpoint != NULL && request->endpoint->control)
		return answer_now(request);
	judge(request);
	delay = script_delay(request);
	if (delay == 0 || request->transport == TRANSPORT_HANG)
		return go_on(request);
	request->state = REQUEST_WAITING;
	return waiting_suspend(request, delay);
}

enum MHD_Result
request_resume(Request *request)
{
	switch (request->wake)
	{
		case WAKE_TIME:
			return go_on(request);
		case WAKE_RELEASED:
			return answer_now(request);
		case WAKE_GONE:
		case WAKE_SHUTDOWN:
			break;
	}
	request->state = REQUEST_CLOSED;
	return MHD_NO;
}
