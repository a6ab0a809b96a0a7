/*-------------------------------------------------------------------------
 *
 * openai.c
 *	  Embeddings and chat completions in the shape of OpenAI's API.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "endpoints.h"
#include "items.h"
#include "scan.h"
#include "schema.h"

#define DEFAULT_DIMENSIONS 256

/* What the embedding of each text needs; set by openai_answer_embeddings. */
typedef struct EmbeddingForm
{
	size_t		dimensions;
	bool		base64;
} EmbeddingForm;

static _Thread_local EmbeddingForm form;

static void
write_embedding(Buffer *json, const Request *request, Slice input, int64_t index)
{
	(void) request;
	buffer_append_string(json, "{\"object\":\"embedding\",");
	if (index >= 0)
	{
		buffer_append_string(json, "\"index\":");
		buffer_append_integer(json, index);
		buffer_append_char(json, ',');
	}
	buffer_append_string(json, "\"embedding\":");
	if (form.base64)
		embed_append_base64(json, input, form.dimensions);
	else
		embed_append(json, input, form.dimensions);
	buffer_append_char(json, '}');
}

/* The model as the request names it. */
static void
write_model(Buffer *json, Slice body)
{
	Slice		model = scan_member(body, "model");

	buffer_append_string(json, ",\"model\":");
	if (scan_is(model, '"'))
		buffer_append(json, model.start, model.length);
	else
		buffer_append_string(json, "\"mock\"");
}

/* Reads dimensions and encoding_format; returns what is wrong with them, or NULL. */
static const char *
read_form(Slice body)
{
	Slice		dimensions = scan_member(body, "dimensions");
	Slice		encoding = scan_member(body, "encoding_format");

	form = (EmbeddingForm) {DEFAULT_DIMENSIONS, false};
	if (dimensions.start != NULL && !scan_is(dimensions, 'n'))
	{
		char	   *text = xstrndup(dimensions.start, dimensions.length);
		char	   *end;
		long		number = strtol(text, &end, 10);
		bool		good = *end == '\0' && number >= 1 && number <= EMBED_MAX_DIMENSIONS;

		free(text);
		if (!good)
			return "dimensions is out of range";
		form.dimensions = (size_t) number;
	}
	if (encoding.start == NULL || scan_equals(encoding, "float"))
		return NULL;
	form.base64 = scan_equals(encoding, "base64");
	return form.base64 ? NULL : "encoding_format is neither float nor base64";
}

void
openai_answer_embeddings(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		body = scan_text(request->body.data, request->body.length);
	const char *fault = read_form(body);
	int64_t		tokens = inputs_tokens(&request->inputs);

	if (fault != NULL)
	{
		answer_error(answer, 400, fault);
		return;
	}
	buffer_reserve(json, request->inputs.count * (form.dimensions * 13 + 64) + 256);
	buffer_append_string(json, "{\"object\":\"list\",\"data\":[");
	items_write(json, request, write_embedding);
	buffer_append_char(json, ']');
	write_model(json, body);
	buffer_append_format(json, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}",
						 (long long) tokens, (long long) tokens);
}

/* Label and score follow from the text's hash. */
static void
write_judgement(Buffer *json, Slice text, int64_t index)
{
	static const char *const labels[] = {"positive", "negative", "neutral"};
	uint64_t	hash = hash_bytes(text.start, text.length, 0);

	buffer_append_char(json, '{');
	if (index >= 0)
		buffer_append_format(json, "\"index\":%lld,", (long long) index);
	buffer_append_format(json, "\"label\":\"%s\",\"score\":0.%02d,\"length\":%zu}",
						 labels[hash % 3], 50 + (int) (hash >> 32) % 50,
						 utf8_length(text.start, text.length));
}

/* One judgement, or {"items":[…]} where the message is an array of texts. */
static void
write_judgements(Buffer *json, Slice message)
{
	Slice		array = scan_text(message.start, message.length);
	const char *position = NULL;
	Slice		element;

	if (!scan_is(array, '['))
	{
		write_judgement(json, message, -1);
		return;
	}
	buffer_append_string(json, "{\"items\":[");
	for (int64_t index = 0; scan_element(array, &position, &element); index++)
	{
		Buffer		text = {0};

		if (index > 0)
			buffer_append_char(json, ',');
		scan_append_text(&text, element);
		write_judgement(json, (Slice) {text.data != NULL ? text.data : "", text.length}, index);
		buffer_free(&text);
	}
	buffer_append_string(json, "]}");
}

static bool
wants_json(Slice body)
{
	Slice		type = scan_member(scan_member(body, "response_format"), "type");

	return scan_equals(type, "json_schema") || scan_equals(type, "json_object");
}

void
openai_answer_chat(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		body = scan_text(request->body.data, request->body.length);
	Slice		schema = scan_member(scan_member(scan_member(body, "response_format"),
												 "json_schema"), "schema");
	Slice		message = inputs_get(&request->inputs, 0);
	Buffer		content = {0};
	int64_t		prompt = inputs_tokens(&request->inputs);
	int64_t		completion;

	if (scan_is(schema, '{'))
		schema_write(&content, schema, message);
	else if (wants_json(body))
		write_judgements(&content, message);
	else
	{
		buffer_append_string(&content, "echo: ");
		buffer_append(&content, message.start, message.length);
	}
	completion = count_tokens((Slice) {content.data, content.length});
	buffer_append_format(json, "{\"id\":\"chatcmpl-%016llx\",\"object\":\"chat.completion\","
						 "\"created\":0", (unsigned long long) request->key);
	write_model(json, body);
	buffer_append_string(json, ",\"choices\":[{\"index\":0,\"message\":"
						 "{\"role\":\"assistant\",\"content\":");
	buffer_append_json(json, content.data, content.length);
	buffer_append_format(json, "},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%lld,"
						 "\"completion_tokens\":%lld,\"total_tokens\":%lld}}",
						 (long long) prompt, (long long) completion,
						 (long long) (prompt + completion));
	buffer_free(&content);
}
