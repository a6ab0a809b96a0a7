/*-------------------------------------------------------------------------
 *
 * call.c
 *	  From an endpoint and rows to an HTTP call on its way, and what its end means: workers and
 *	  preview alike.
 *
 * Here, and nowhere else, secrets join a request.
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/call.h"

#include "base/clock.h"
#include "server/mask.h"

void
call_check_library(void)
{
	const char *fault = http_library_fault();

	if (fault != NULL)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("%s", fault),
				errhint("Install another version of libcurl, and restart the server."));
}

Http *
call_open(int max_connections)
{
	char		error[256];
	Http	   *http;

	call_check_library();
	http = http_create(max_connections, clock_now, error, sizeof(error));
	if (http == NULL)
		ereport(ERROR,
				errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				errmsg("could not set up HTTP: %s", error));
	return http;
}

bool
call_build(const Endpoint *endpoint, const RequestScope *scope, ByteBuffer *url, ByteBuffer *body,
		   const char **why)
{
	*why = "";
	return template_fill(endpoint->url, scope, url, why) &&
		(endpoint->body == NULL || template_fill(endpoint->body, scope, body, why));
}

/* The URL with what the credentials add to its query. */
static void
append_url(ByteBuffer *out, const ByteBuffer *url, const Credentials *credentials)
{
	bool		has_query = memchr(url->data, '?', url->length) != NULL;
	ListCell   *cell;

	buffer_append(out, url->data, url->length);
	foreach(cell, credentials->query)
	{
		buffer_append_char(out, has_query ? '&' : '?');
		buffer_append_string(out, lfirst(cell));
		has_query = true;
	}
}

static const char **
header_lines(const Server *server, const Credentials *credentials, int *count)
{
	const char **lines = palloc(sizeof(char *) * (list_length(server->headers) +
												  list_length(credentials->headers) + 1));
	ListCell   *cell;

	*count = 0;
	foreach(cell, server->headers)
	{
		lines[(*count)++] = lfirst(cell);
	}
	foreach(cell, credentials->headers)
	{
		lines[(*count)++] = lfirst(cell);
	}
	return lines;
}

bool
call_start(Http *http, const Endpoint *endpoint, const ByteBuffer *url, const ByteBuffer *body,
		   void *tag)
{
	HttpRequest call = {0};
	ByteBuffer	full = {0};
	bool		started;

	append_url(&full, url, endpoint->credentials);
	call.method = endpoint->server->method;
	call.url = full.data;
	call.headers = header_lines(endpoint->server, endpoint->credentials, &call.header_count);
	call.userpwd = endpoint->credentials->userpwd;
	if (endpoint->body != NULL)
	{
		call.body = body->data;
		call.body_length = body->length;
	}
	call.profile = endpoint->generation;
	call.tag = tag;
	started = !full.failed && http_start(http, &endpoint->http, &call);
	buffer_free(&full);
	return started;
}

Verdict
call_verdict(const Endpoint *endpoint, const HttpResult *result, int row_count, bool others_pass)
{
	VerdictCase ended = {
		.fault = result->fault,
		.refusal = result->refusal
	};

	ended.others_pass = others_pass;
	ended.proxy_status = result->proxy_status;
	ended.status = result->status;
	ended.asks_to_wait = result->retry_after_ms >= 0;
	ended.body = result->body.data;
	ended.body_length = result->body.length;
	ended.names_row = row_count == 1 && template_single_row_placeholder(endpoint->url) != NULL;
	ended.is_not_found = list_member_int(endpoint->server->not_found, result->status);
	return verdict_of(&ended);
}

static const char *
hide_secrets(const char *text, const void *credentials)
{
	return mask_text(text, credentials);
}

char *
call_describe_failure(const HttpResult *result, const Credentials *credentials)
{
	char	   *text = palloc(HTTP_FAILURE_SIZE);

	describe_http_failure(result, hide_secrets, credentials, text);
	return text;
}
