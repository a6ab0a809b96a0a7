/*-------------------------------------------------------------------------
 *
 * vendor_texts.c
 *	  Texts in the shapes of Ollama and DeepL, and answers that name their rows
 *	  by id: Azure's language service, and an API made up.
 *
 *-------------------------------------------------------------------------
 */
#include "items.h"
#include "scan.h"
#include "schema.h"
#include "vendors.h"

static Slice
body_of(const Request *request)
{
	return scan_text(request->body.data, request->body.length);
}

/* One answer as a whole, or as it comes by default: a line a piece. */
void
ollama_answer_generate(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		body = body_of(request);
	Slice		model = scan_member(body, "model");
	Slice		format = scan_member(body, "format");
	Slice		prompt = inputs_get(&request->inputs, 0);
	Buffer		text = {0};

	if (scan_is(format, '{'))
		schema_write(&text, format, prompt);
	else
	{
		buffer_append_string(&text, "echo: ");
		buffer_append(&text, prompt.start, prompt.length);
	}
	buffer_append_format(json, "{\"model\":%.*s,\"created_at\":\"2024-01-01T00:00:00Z\","
						 "\"response\":", (int) model.length, model.start);
	buffer_append_json(json, text.data, text.length);
	if (!scan_is(scan_member(body, "stream"), 'f'))
		buffer_append_format(json, ",\"done\":false}\n{\"model\":%.*s,\"response\":\"\"",
							 (int) model.length, model.start);
	buffer_append_format(json, ",\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":%lld,"
						 "\"eval_count\":%lld}", (long long) count_tokens(prompt),
						 (long long) count_tokens((Slice) {text.data, text.length}));
	buffer_free(&text);
}

/* A translation is the text behind the language it is in. */
static void
write_translation(Buffer *json, const Request *request, Slice input, int64_t index)
{
	Buffer		text = {0};

	(void) index;
	scan_append_text(&text, scan_member(body_of(request), "target_lang"));
	buffer_append_string(&text, ": ");
	buffer_append(&text, input.start, input.length);
	buffer_append_string(json, "{\"detected_source_language\":\"EN\",\"text\":");
	buffer_append_json(json, text.data, text.length);
	buffer_append_char(json, '}');
	buffer_free(&text);
}

void
deepl_answer(Request *request, Answer *answer)
{
	buffer_append_string(&answer->body, "{\"translations\":[");
	items_write(&answer->body, request, write_translation);
	buffer_append_string(&answer->body, "]}");
}

/*
 * Answers by id
 */

/* Writes one document of a request; value follows from its text. */
typedef void (*DocumentWriter) (Buffer *json, Slice id, int64_t value);

/* APIs that name rows by id leave some out: here, every tenth. */
static bool
is_left_out(int64_t value)
{
	return value % 10 == 0;
}

/*
 * The documents that are left out or the others, from the last to the first, so
 * that nobody gets by with their order.
 */
static void
write_documents(Buffer *json, Slice documents, bool left_out, DocumentWriter writer)
{
	Slice	   *all = NULL;
	size_t		count = 0;
	const char *position = NULL;
	Slice		document;
	bool		first = true;

	while (scan_element(documents, &position, &document))
		count++;
	all = xcalloc((count + 1) * sizeof(*all));
	position = NULL;
	for (size_t i = 0; scan_element(documents, &position, &document); i++)
		all[i] = document;
	while (count-- > 0)
	{
		Buffer		text = {0};
		Slice		id = scan_member(all[count], "id");
		int64_t		value;

		scan_append_text(&text, scan_member(all[count], "text"));
		value = items_value((Slice) {text.data, text.length});
		buffer_free(&text);
		if (id.start == NULL || is_left_out(value) != left_out)
			continue;
		if (!first)
			buffer_append_char(json, ',');
		first = false;
		writer(json, id, value);
	}
	free(all);
}

static void
write_sentiment(Buffer *json, Slice id, int64_t value)
{
	static const char *const sentiments[] = {"positive", "neutral", "negative"};
	int			sure = 40 + (int) (value % 60);

	buffer_append_format(json, "{\"id\":%.*s,\"sentiment\":\"%s\",\"confidenceScores\":{",
						 (int) id.length, id.start, sentiments[value % 3]);
	for (int i = 0; i < 3; i++)
		buffer_append_format(json, "%s\"%s\":%.2f", i > 0 ? "," : "", sentiments[i],
							 (i == value % 3 ? sure : (100 - sure) / 2.0) / 100);
	buffer_append_string(json, "},\"warnings\":[]}");
}

static void
write_document_error(Buffer *json, Slice id, int64_t value)
{
	(void) value;
	buffer_append_format(json, "{\"id\":%.*s,\"error\":{\"code\":\"InvalidArgument\","
						 "\"message\":\"Invalid document in request.\"}}", (int) id.length,
						 id.start);
}

/* Azure takes no number for an id. */
static bool
ids_are_strings(Slice documents)
{
	const char *position = NULL;
	Slice		document;

	while (scan_element(documents, &position, &document))
		if (!scan_is(scan_member(document, "id"), '"'))
			return false;
	return true;
}

void
language_answer(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		documents = scan_member(scan_member(body_of(request), "analysisInput"),
										"documents");

	if (!scan_equals(scan_member(body_of(request), "kind"), "SentimentAnalysis"))
	{
		vendor_fault(request, answer, 400, "the kind is not supported");
		return;
	}
	if (!ids_are_strings(documents))
	{
		vendor_fault(request, answer, 400, "the id of a document is a string");
		return;
	}
	buffer_append_string(json, "{\"kind\":\"SentimentAnalysisResults\",\"results\":{\"documents\":[");
	write_documents(json, documents, false, write_sentiment);
	buffer_append_string(json, "],\"errors\":[");
	write_documents(json, documents, true, write_document_error);
	buffer_append_string(json, "],\"modelVersion\":\"2024-03-01\"}}");
}

/* A member whose name is the id, be it a number or a string. */
static void
write_label(Buffer *json, Slice id, int64_t value)
{
	Buffer		name = {0};

	scan_append_text(&name, id);
	buffer_append_json(json, name.data, name.length);
	buffer_append_format(json, ":{\"label\":\"class %lld\",\"score\":0.%02lld}",
						 (long long) (value % 7), (long long) (value % 100));
	buffer_free(&name);
}

void
labels_answer(Request *request, Answer *answer)
{
	buffer_append_string(&answer->body, "{\"results\":{");
	write_documents(&answer->body, body_of(request), false, write_label);
	buffer_append_string(&answer->body, "}}");
}
