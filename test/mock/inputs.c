/*-------------------------------------------------------------------------
 *
 * inputs.c
 *	  The input texts that a request brings, decoded.
 *
 * A string is taken for what it says, any other JSON value for its own text.
 *
 *-------------------------------------------------------------------------
 */
#include "inputs.h"

#include <stdlib.h>
#include <string.h>

#include "endpoints.h"
#include "request.h"
#include "scan.h"

static const char no_json[] = "the body is not JSON";

Slice
inputs_get(const Inputs *inputs, size_t i)
{
	size_t		start = i > 0 ? inputs->ends[i - 1] : 0;

	/* with nothing but empty texts there is no buffer, yet there are texts */
	return (Slice) {inputs->text.data != NULL ? inputs->text.data + start : "",
		inputs->ends[i] - start};
}

void
inputs_free(Inputs *inputs)
{
	buffer_free(&inputs->text);
	free(inputs->ends);
	memset(inputs, 0, sizeof(*inputs));
}

/* What was appended to the buffer since the last text is the next one. */
static void
end_text(Inputs *inputs)
{
	if (inputs->count == inputs->capacity)
	{
		inputs->capacity = inputs->capacity > 0 ? inputs->capacity * 2 : 8;
		inputs->ends = realloc(inputs->ends, inputs->capacity * sizeof(size_t));
		if (inputs->ends == NULL)
			abort();
	}
	inputs->ends[inputs->count++] = inputs->text.length;
}

void
inputs_add_value(Inputs *inputs, Slice value)
{
	scan_append_text(&inputs->text, value);
	end_text(inputs);
}

void
inputs_add_text(Inputs *inputs, const char *text)
{
	buffer_append_string(&inputs->text, text);
	end_text(inputs);
}

int64_t
count_tokens(Slice text)
{
	return ((int64_t) utf8_length(text.start, text.length) + 3) / 4;
}

int64_t
inputs_tokens(const Inputs *inputs)
{
	int64_t		tokens = 0;

	for (size_t i = 0; i < inputs->count; i++)
		tokens += count_tokens(inputs_get(inputs, i));
	return tokens;
}

static void
add_values(Inputs *inputs, Slice value)
{
	const char *position = NULL;
	Slice		element;

	if (!scan_is(value, '['))
		inputs_add_value(inputs, value);
	while (scan_element(value, &position, &element))
		inputs_add_value(inputs, element);
}

static enum MHD_Result
add_argument(void *inputs, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void) kind;
	if (strcmp(name, "input") == 0)
		inputs_add_text(inputs, value != NULL ? value : "");
	return MHD_YES;
}

const char *
inputs_read_batch(Request *request)
{
	static const char *const names[] = {"input", "inputs", "texts"};
	Inputs	   *inputs = &request->inputs;
	Slice		body = scan_text(request->body.data, request->body.length);
	Slice		value = body;

	if (request->body.length == 0)
	{
		MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, add_argument, inputs);
		return NULL;
	}
	if (body.start == NULL)
		return no_json;
	if (scan_is(body, '['))
	{
		add_values(inputs, body);
		return NULL;
	}
	value.start = NULL;
	for (size_t i = 0; i < 3 && value.start == NULL; i++)
		value = scan_member(body, names[i]);
	if (value.start == NULL)
		return "the body has no input, inputs or texts";
	add_values(inputs, value);
	return NULL;
}

const char *
inputs_read_item(Request *request)
{
	size_t		own = strlen(request->endpoint->path);
	const char *fault = inputs_read_batch(request);

	if (fault != NULL || request->inputs.count > 0 || request->body.length > 0)
		return fault;
	if (request->path[own] != '/')
		return "no input in body, query or path";
	inputs_add_text(&request->inputs, request->path + own + 1);
	return NULL;
}

/* A message's content: a string, or parts of which those with a text count. */
static void
add_content(Inputs *inputs, Slice content)
{
	const char *position = NULL;
	Slice		part;

	if (!scan_is(content, '['))
		scan_append_text(&inputs->text, content);
	while (scan_element(content, &position, &part))
	{
		Slice		text = scan_member(part, "text");

		if (text.start != NULL)
			scan_append_text(&inputs->text, text);
	}
	end_text(inputs);
}

const char *
inputs_read_chat(Request *request)
{
	Slice		body = scan_text(request->body.data, request->body.length);
	const char *position = NULL;
	Slice		message;
	Slice		content = {NULL, 0};

	if (body.start == NULL)
		return no_json;
	while (scan_element(scan_member(body, "messages"), &position, &message))
		if (scan_equals(scan_member(message, "role"), "user"))
			content = scan_member(message, "content");
	if (content.start == NULL)
		return "no message of role user with a content";
	add_content(&request->inputs, content);
	return NULL;
}
