/*-------------------------------------------------------------------------
 *
 * endpoints.c
 *	  The table of endpoints, and the answers that take no more than a few lines.
 *
 *-------------------------------------------------------------------------
 */
#include "endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "canned.h"
#include "recent.h"
#include "scan.h"
#include "vendors.h"

static void answer_echo(Request *request, Answer *answer);

static const char ok_body[] = "{\"ok\":true}";

static const Endpoint endpoints[] = {
	{"/ping", false, false, "GET HEAD POST", ok_body, NULL, NULL},
	{"/items", false, false, "GET HEAD POST", NULL, items_answer_object, inputs_read_batch},
	{"/array", false, false, "GET HEAD POST", NULL, items_answer_array, inputs_read_batch},
	{"/item", true, false, "GET HEAD POST", NULL, items_answer_one, inputs_read_item},
	{"/answer", false, false, "GET HEAD POST", NULL, items_answer_given, inputs_read_batch},
	{"/v1/embeddings", false, false, "POST", NULL, openai_answer_embeddings, inputs_read_batch},
	{"/v1/chat/completions", false, false, "POST", NULL, openai_answer_chat, inputs_read_chat},
	{"/big", false, false, "GET HEAD POST", NULL, items_answer_big, inputs_read_batch},
	{"/echo", true, false, NULL, NULL, answer_echo, NULL},
	{"/health", false, false, "GET HEAD POST", ok_body, NULL, NULL},
	{"/canned", false, false, "GET HEAD POST", NULL, canned_answer, NULL},
	{"/mock", true, true, "GET HEAD POST", NULL, control_answer, NULL},
};

#define ENDPOINT_COUNT (sizeof(endpoints) / sizeof(endpoints[0]))

/* Of those with a constant body, made once: libmicrohttpd counts its uses. */
static struct MHD_Response *constant_responses[ENDPOINT_COUNT];

void
endpoints_start(void)
{
	for (size_t i = 0; i < ENDPOINT_COUNT; i++)
	{
		const char *body = endpoints[i].constant;
		struct MHD_Response *response;

		if (body == NULL)
			continue;
		response = MHD_create_response_from_buffer(strlen(body), (void *) body,
												   MHD_RESPMEM_PERSISTENT);
		if (response == NULL)
			abort();
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
		constant_responses[i] = response;
	}
}

void
endpoints_stop(void)
{
	for (size_t i = 0; i < ENDPOINT_COUNT; i++)
		if (constant_responses[i] != NULL)
			MHD_destroy_response(constant_responses[i]);
	canned_stop();
}

struct MHD_Response *
endpoint_constant_response(const Endpoint *endpoint)
{
	return constant_responses[endpoint - endpoints];
}

const Endpoint *
endpoint_find(const char *path)
{
	for (size_t i = 0; i < ENDPOINT_COUNT; i++)
	{
		const Endpoint *endpoint = &endpoints[i];
		size_t		length = strlen(endpoint->path);

		if (strncmp(path, endpoint->path, length) == 0 &&
			(path[length] == '\0' || (endpoint->subtree && path[length] == '/')))
			return endpoint;
	}
	return vendor_find(path);
}

bool
endpoint_takes(const Endpoint *endpoint, const char *method)
{
	size_t		length = strlen(method);

	if (endpoint->methods == NULL)
		return true;
	for (const char *p = endpoint->methods; (p = strstr(p, method)) != NULL; p += length)
		if ((p == endpoint->methods || p[-1] == ' ') && (p[length] == '\0' || p[length] == ' '))
			return true;
	return false;
}

static enum MHD_Result
add_query_argument(void *object, enum MHD_ValueKind kind, const char *name, const char *value)
{
	json_t	   *clean = recent_text(name, strlen(name));

	(void) kind;
	json_object_set_new(object, json_string_value(clean),
						value != NULL ? recent_text(value, strlen(value)) : json_null());
	json_decref(clean);
	return MHD_YES;
}

/* A member that holds the JSON value, which is taken over. */
static void
append_member(Buffer *json, const char *name, json_t *value)
{
	char	   *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	buffer_append_format(json, "\"%s\":%s,", name, text);
	free(text);
	json_decref(value);
}

/* The body is given as it came, so that its numbers keep their digits. */
static void
answer_echo(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		body = scan_text(request->body.data, request->body.length);
	json_t	   *query = json_object();

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, add_query_argument,
							  query);
	buffer_append_char(json, '{');
	append_member(json, "method", recent_text(request->method, strlen(request->method)));
	append_member(json, "path", recent_text(request->path, strlen(request->path)));
	append_member(json, "url", recent_text(request->target, strcspn(request->target, "?")));
	append_member(json, "target", recent_text(request->target, strlen(request->target)));
	append_member(json, "query", query);
	append_member(json, "headers", recent_headers(request));
	buffer_append_string(json, "\"body\":");
	if (body.start != NULL)
		buffer_append(json, body.start, body.length);
	else
		buffer_append_string(json, "null");
	buffer_append_string(json, ",\"raw\":");
	buffer_append_json(json, request->body.data, request->body.length);
	buffer_append_char(json, '}');
}
