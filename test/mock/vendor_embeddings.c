/*-------------------------------------------------------------------------
 *
 * vendor_embeddings.c
 *	  Embeddings in the shapes of Azure OpenAI, Cohere, Voyage, Ollama, Text
 *	  Embeddings Inference and Vertex AI.
 *
 *-------------------------------------------------------------------------
 */
#include "embed.h"
#include "items.h"
#include "scan.h"
#include "vendors.h"

/* Of the answer that is being made. */
static _Thread_local size_t dimensions;

static Slice
body_of(const Request *request)
{
	return scan_text(request->body.data, request->body.length);
}

/* Reads the dimensions that are asked for; false after it has been answered. */
static bool
choose_dimensions(const Request *request, Answer *answer, Slice object, const char *member,
				  size_t otherwise)
{
	dimensions = vendor_number(object, member, otherwise);
	if (dimensions <= EMBED_MAX_DIMENSIONS)
		return true;
	vendor_fault(request, answer, 400, "the number of dimensions is not supported");
	return false;
}

static void
write_vector(Buffer *json, const Request *request, Slice input, int64_t index)
{
	(void) request;
	(void) index;
	embed_append(json, input, dimensions);
}

static void
write_vectors(Buffer *json, const Request *request)
{
	buffer_append_char(json, '[');
	items_write(json, request, write_vector);
	buffer_append_char(json, ']');
}

/* A member of the body as it came, or null. */
static void
write_member(Buffer *json, Slice body, const char *name)
{
	Slice		value = scan_member(body, name);

	if (value.start != NULL)
		buffer_append(json, value.start, value.length);
	else
		buffer_append_string(json, "null");
}

/* OpenAI's answer, at a URL that names deployment and version. */
void
azure_answer_embeddings(Request *request, Answer *answer)
{
	if (vendor_argument(request, "api-version") == NULL)
		vendor_fault(request, answer, 404, "Resource not found");
	else
		openai_answer_embeddings(request, answer);
}

static void
answer_cohere(Request *request, Answer *answer, bool by_type, const char *version)
{
	Buffer	   *json = &answer->body;
	Slice		body = body_of(request);

	if (!choose_dimensions(request, answer, body, "output_dimension", 1024))
		return;
	buffer_append_format(json, "{\"id\":\"%016llx\",\"embeddings\":%s",
						 (unsigned long long) request->key, by_type ? "{\"float\":" : "");
	write_vectors(json, request);
	buffer_append_string(json, by_type ? "},\"texts\":" : ",\"texts\":");
	write_member(json, body, "texts");
	buffer_append_format(json, ",\"meta\":{\"api_version\":{\"version\":\"%s\"},"
						 "\"billed_units\":{\"input_tokens\":%lld}},\"response_type\":\"%s\"}",
						 version, (long long) inputs_tokens(&request->inputs),
						 by_type ? "embeddings_by_type" : "embeddings_floats");
}

void
cohere_answer_v1(Request *request, Answer *answer)
{
	answer_cohere(request, answer, scan_member(body_of(request), "embedding_types").start != NULL,
				  "1");
}

void
cohere_answer_v2(Request *request, Answer *answer)
{
	answer_cohere(request, answer, true, "2");
}

static void
write_voyage(Buffer *json, const Request *request, Slice input, int64_t index)
{
	buffer_append_string(json, "{\"object\":\"embedding\",\"embedding\":");
	write_vector(json, request, input, index);
	if (index >= 0)
		buffer_append_format(json, ",\"index\":%lld", (long long) index);
	buffer_append_char(json, '}');
}

void
voyage_answer(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		body = body_of(request);
	Slice		type = scan_member(body, "input_type");

	if (type.start != NULL && !scan_is(type, 'n') && !scan_equals(type, "query") &&
		!scan_equals(type, "document"))
	{
		vendor_fault(request, answer, 400, "input_type is neither query nor document");
		return;
	}
	if (!choose_dimensions(request, answer, body, "output_dimension", 1024))
		return;
	buffer_append_string(json, "{\"object\":\"list\",\"data\":[");
	items_write(json, request, write_voyage);
	buffer_append_string(json, "],\"model\":");
	write_member(json, body, "model");
	buffer_append_format(json, ",\"usage\":{\"total_tokens\":%lld}}",
						 (long long) inputs_tokens(&request->inputs));
}

void
ollama_answer_embed(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		body = body_of(request);

	if (!choose_dimensions(request, answer, body, "dimensions", 768))
		return;
	buffer_append_string(json, "{\"model\":");
	write_member(json, body, "model");
	buffer_append_string(json, ",\"embeddings\":");
	write_vectors(json, request);
	buffer_append_format(json, ",\"total_duration\":14143917,\"load_duration\":1019500,"
						 "\"prompt_eval_count\":%lld}", (long long) inputs_tokens(&request->inputs));
}

void
tei_answer(Request *request, Answer *answer)
{
	if (choose_dimensions(request, answer, body_of(request), "dimensions", 384))
		write_vectors(&answer->body, request);
}

static void
write_prediction(Buffer *json, const Request *request, Slice input, int64_t index)
{
	buffer_append_string(json, "{\"embeddings\":{\"values\":");
	write_vector(json, request, input, index);
	buffer_append_format(json, ",\"statistics\":{\"truncated\":false,\"token_count\":%lld}}}",
						 (long long) count_tokens(input));
}

void
vertex_answer(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		parameters = scan_member(body_of(request), "parameters");
	size_t		characters = 0;

	if (!choose_dimensions(request, answer, parameters, "outputDimensionality", 768))
		return;
	for (size_t i = 0; i < request->inputs.count; i++)
	{
		Slice		input = inputs_get(&request->inputs, i);

		characters += utf8_length(input.start, input.length);
	}
	buffer_append_string(json, "{\"predictions\":[");
	items_write(json, request, write_prediction);
	buffer_append_format(json, "],\"metadata\":{\"billableCharacterCount\":%zu}}", characters);
}
