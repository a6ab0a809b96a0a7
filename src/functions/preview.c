/*-------------------------------------------------------------------------
 *
 * preview.c
 *	  enrich.preview: one request for the first rows, shown and not stored.
 *
 * It goes the same way as a job's request (source query, templates, decoding,
 * conversion), in the caller's session, and writes nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "base/clock.h"
#include "common/field.h"
#include "common/pg_compat.h"
#include "common/subtransaction.h"
#include "convert/convert.h"
#include "functions/arguments.h"
#include "http/http.h"
#include "recipe/call.h"
#include "recipe/recipe.h"
#include "server/mask.h"
#include "staging/bucketize.h"
#include "staging/bucketize_query.h"

typedef struct Preview
{
	const Recipe *recipe;
	const Endpoint *endpoint;
	int			row_count;
	RequestRow *rows;
	char	  **keys;			/* JSON objects */
	Datum	  **key_values;
	ByteBuffer	url;			/* without what credentials add */
	ByteBuffer	body;
	HttpResult	result;
	Response	response;
	ByteBuffer	results;		/* JSON text */
	Converter  *as_jsonb;		/* would a value go into the results at all? */
} Preview;

static char *
utf8_column(HeapTuple tuple, int column)
{
	char	   *value = SPI_getvalue(tuple, SPI_tuptable->tupdesc, column);

	return value == NULL ? NULL : text_to_utf8(value);
}

static const char *const *
fields_column(HeapTuple tuple, int column)
{
	bool		is_null;
	Datum		array = SPI_getbinval(tuple, SPI_tuptable->tupdesc, column, &is_null);
	int			count;

	return is_null ? NULL : (const char *const *) texts_to_utf8(array, &count);
}

/* The source query, with the key as a JSON object in place of its columns. */
static char *
preview_query(const Endpoint *endpoint)
{
	const Recipe *recipe = endpoint->recipe;
	int64		limit = endpoint->batch_size;
	StringInfoData sql;

	if (recipe->job->max_rows >= 0)
		limit = Min(limit, recipe->job->max_rows);
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT pg_catalog.jsonb_build_object(");
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(&sql, "%s%s, key_%d", i > 0 ? ", " : "",
						 quote_literal_cstr(recipe->keys[i].name), i + 1);
	appendStringInfoString(&sql, "), input, fields");
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(&sql, ", key_%d", i + 1);
	appendStringInfo(&sql, " FROM (%s) q(", bucketize_source_query(endpoint, limit));
	for (int i = 0; i < recipe->key_count; i++)
		appendStringInfo(&sql, "key_%d, ", i + 1);
	appendStringInfoString(&sql, "input, truncated, fields, fingerprint)");
	return sql.data;
}

/* The values of the key columns, which follow the first three, in the current context. */
static Datum *
key_columns(const Recipe *recipe, HeapTuple tuple)
{
	Datum	   *values = palloc(sizeof(Datum) * recipe->key_count);

	for (int i = 0; i < recipe->key_count; i++)
	{
		bool		is_null;
		int16		length;
		bool		by_value;
		Datum		value = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 4 + i, &is_null);

		if (is_null)
			ereport(ERROR,
					errcode(ERRCODE_NOT_NULL_VIOLATION),
					errmsg("key column \"%s\" is NULL in a row of %s", recipe->keys[i].name,
						   recipe->source),
					errhint("Choose key columns that identify a row, or leave such rows out with "
							"where_clause."));
		get_typlenbyval(recipe->keys[i].type, &length, &by_value);
		values[i] = datumCopy(value, by_value, length);
	}
	return values;
}

/* The first rows that would be sent. */
static void
read_rows(Preview *preview)
{
	MemoryContext context = CurrentMemoryContext;

	SPI_connect();
	if (SPI_execute(preview_query(preview->endpoint), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the source");
	MemoryContextSwitchTo(context);
	preview->rows = palloc0(sizeof(RequestRow) * Max(SPI_processed, 1));
	preview->keys = palloc0(sizeof(char *) * Max(SPI_processed, 1));
	preview->key_values = palloc0(sizeof(Datum *) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		RequestRow *row = &preview->rows[preview->row_count];
		char	   *input = utf8_column(tuple, 2);

		if (input == NULL || input[0] == '\0')
			continue;			/* a job would not send it */
		row->input = input;
		row->input_length = strlen(input);
		row->fields = fields_column(tuple, 3);
		preview->key_values[preview->row_count] = key_columns(preview->recipe, tuple);
		preview->keys[preview->row_count++] = utf8_column(tuple, 1);
	}
	SPI_finish();
}

static void
build(Preview *preview)
{
	RequestScope scope = {0, 1, preview->rows, preview->row_count};
	const char *why;

	if (!call_build(preview->endpoint, &scope, &preview->url, &preview->body, &why))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the request cannot be made: %s", why[0] != '\0' ? why : "out of memory"),
				errhint("Look at the placeholders in path and request."));
}

static void
wait_for_answer(Http *http, HttpResult *result)
{
	for (;;)
	{
		int64		timeout;

		http_pump(http);
		if (http_next_finished(http, result))
			return;
		timeout = http_timeout(http);
		(void) WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH |
								 WL_TIMEOUT,
								 http_descriptor(http),
								 timeout < 0 ? 1000 : (long) Min(timeout, 1000),
								 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Send it and wait, interruptibly. */
static void
ask(Preview *preview)
{
	Http	   *http = call_open(4);

	PG_TRY();
	{
		if (!call_start(http, preview->endpoint, &preview->url, &preview->body, NULL))
			ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
		wait_for_answer(http, &preview->result);
	}
	PG_FINALLY();
	{
		http_destroy(http);
	}
	PG_END_TRY();
}

typedef struct Conversion
{
	Converter  *converter;
	JsonSlice	value;
} Conversion;

static void
convert(void *arg)
{
	Conversion *conversion = arg;
	bool		is_null;

	(void) converter_apply(conversion->converter, conversion->value, &is_null);
}

/* Would this value go into its column?  NULL: yes; else why not. */
static char *
try_convert(Converter *converter, JsonSlice value)
{
	Conversion	conversion = {converter, value};
	ErrorData  *error = subtransaction_run(convert, &conversion, NULL);

	return error == NULL ? NULL : error->message;
}

static void
append_json(ByteBuffer *out, const char *text, bool quoted)
{
	if (quoted)
		json_append_quoted(out, text, strlen(text));
	else
		buffer_append_string(out, text);
}

/* A value as it came; as a string where no jsonb can hold it. */
static void
append_value(ByteBuffer *out, const Preview *preview, JsonSlice value)
{
	if (value.start == NULL)
		append_json(out, "null", false);
	else if (try_convert(preview->as_jsonb, value) == NULL)
		buffer_append(out, value.start, value.length);
	else
		json_append_quoted(out, value.start, value.length);
}

/* What an item (-1: there is none) has for an output. */
static JsonSlice
item_value(const Preview *preview, const Response *response, int item, int output)
{
	JsonSlice	nothing = {NULL, 0};

	return item < 0 ? nothing
		: response->values[item * response->output_count + preview->recipe->outputs[output].index];
}

/* Why an item cannot be written, or NULL. */
static const char *
item_fault(const Preview *preview, const Response *response, Converter **converters, int item)
{
	const Recipe *recipe = preview->recipe;

	for (int i = 0; i < recipe->output_count; i++)
	{
		const OutputColumn *output = &recipe->outputs[i];
		JsonSlice	value;
		char	   *why;

		if (output->kind != OUTPUT_PATH)
			continue;
		value = item_value(preview, response, item, i);
		why = try_convert(converters[i], value);
		if (why != NULL)
			return text_to_utf8(recipe_describe_misfit(output, value, why,
													   preview->endpoint->credentials));
	}
	return NULL;
}

/* A row's n-th item; -1: it has none. */
static int
nth_item(const Response *response, int row, int n)
{
	return response_row_item_count(response, row) > 0 ? response_row_item(response, row, n) : -1;
}

/* Why a row cannot be written: it is all of its items or none. */
static const char *
row_fault(const Preview *preview, const Response *response, Converter **converters, int row,
		  int count)
{
	const char *fault = response_row_error(response, row);

	for (int i = 0; i < count && fault == NULL; i++)
		fault = item_fault(preview, response, converters, nth_item(response, row, i));
	return fault;
}

/* The outputs of one item, but for those that are no part of the answer. */
static void
append_outputs(ByteBuffer *out, const Preview *preview, const Response *response, int item)
{
	const Recipe *recipe = preview->recipe;

	for (int i = 0; i < recipe->output_count; i++)
	{
		if (recipe->outputs[i].kind != OUTPUT_PATH)
			continue;
		append_json(out, ", ", false);
		append_json(out, text_to_utf8(recipe->outputs[i].name), true);
		append_json(out, ": ", false);
		append_value(out, preview, item_value(preview, response, item, i));
	}
}

/* What would be written for one row: one object, or with many one for each of its items. */
static void
append_row(ByteBuffer *out, const Preview *preview, const Response *response,
		   Converter **converters, int row)
{
	bool		many = preview->recipe->many;
	int			count = many ? response_row_item_count(response, row) : 1;
	const char *fault = row_fault(preview, response, converters, row, count);

	for (int i = 0; i < count; i++)
	{
		append_json(out, out->length > 1 ? ", {\"key\": " : "{\"key\": ", false);
		append_json(out, preview->keys[row], false);
		if (many)
			append_json(out, psprintf(", \"" ITEM_COLUMN "\": %d", i), false);
		append_outputs(out, preview, response, nth_item(response, row, i));
		if (fault != NULL)
		{
			append_json(out, ", \"error\": ", false);
			append_json(out, fault, true);
		}
		append_json(out, "}", false);
	}
}

/* UTF-8 bytes up to the first thing that is none, as a string. */
static char *
valid_text(const char *bytes, size_t length)
{
	return pnstrdup(bytes, utf8_valid_prefix(bytes, Min(length, strnlen(bytes, length))));
}

static char *
from_utf8(char *utf8)
{
	return pg_any_to_server(utf8, (int) strlen(utf8), PG_UTF8);
}

static void
append_error(ByteBuffer *out, const char *error)
{
	append_json(out, "{\"error\": ", false);
	append_json(out, error, true);
	append_json(out, "}", false);
}

/* The outputs of every row, as JSON. */
static void
append_rows(ByteBuffer *out, const Preview *preview, const Response *response)
{
	const Recipe *recipe = preview->recipe;
	Converter **converters = palloc(sizeof(Converter *) * recipe->output_count);

	for (int i = 0; i < recipe->output_count; i++)
		converters[i] = converter_create(recipe->outputs[i].name, recipe->outputs[i].type,
										 recipe->outputs[i].typmod);
	append_json(out, "[", false);
	for (int row = 0; row < preview->row_count; row++)
		append_row(out, preview, response, converters, row);
	append_json(out, "]", false);
}

/* The answer's results for the rows, or why it has none. */
static void
append_answer(ByteBuffer *out, Preview *preview)
{
	const Recipe *recipe = preview->recipe;
	const ByteBuffer *answer = &preview->result.body;
	Response   *response = &preview->response;

	response_decode(answer->data, answer->length, &preview->endpoint->shape, preview->row_count,
					response);
	if (response->status == RESPONSE_OK && recipe->matcher != NULL)
		matcher_assign(recipe->matcher, preview->key_values, recipe->many, response);
	if (response->status != RESPONSE_OK)
		append_error(out, response->error);
	else
		append_rows(out, preview, response);
}

/* What would be written, or why not, as JSON text. */
static void
describe_results(Preview *preview)
{
	const HttpResult *result = &preview->result;
	ByteBuffer *out = &preview->results;

	switch (call_verdict(preview->endpoint, result, preview->row_count, false).kind)
	{
		case VERDICT_ANSWERED:
			append_answer(out, preview);
			break;
		case VERDICT_NOTHING:
			append_rows(out, preview, &preview->response);	/* without items: NULLs */
			break;
		default:
			append_error(out, call_describe_failure(result, preview->endpoint->credentials));
			break;
	}
}

/*
 * An answer may echo what it was asked with: so no secret is left in what it
 * says, either.  Without one that is, say, a number, it is no JSON any more.
 */
static Datum
jsonb_of_utf8(ByteBuffer *json, const Credentials *credentials)
{
	char	   *text = mask_text(pnstrdup(json->data, json->length), credentials);
	JsonSlice	value;
	JsonFault	fault;

	buffer_free(json);
	if (!json_parse(text, strlen(text), &value, &fault))
		text = "{\"error\": \"the answer quotes a secret, and cannot be shown without it\"}";
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(from_utf8(text)));
}

/* What is shown of a request and its answer. */
typedef struct PreviewRow
{
	char	   *url;			/* NULL: no request, as the next two */
	char	   *headers;
	char	   *body;			/* or NULL: it has none */
	int			status;			/* 0: no answer */
	char	   *response;		/* or NULL */
	Datum		results;		/* jsonb */
} PreviewRow;

static const Field row_fields[] = {
	FIELD("request_url", FIELD_TEXT, PreviewRow, url),
	FIELD("request_headers", FIELD_TEXT, PreviewRow, headers),
	FIELD("request_body", FIELD_TEXT, PreviewRow, body),
	FIELD("status", FIELD_INT4_OR_0, PreviewRow, status),
	FIELD("response", FIELD_TEXT, PreviewRow, response),
	FIELD("results", FIELD_JSONB, PreviewRow, results)
};

/* What was asked, if there was a row to ask for. */
static void
describe_request(const Preview *preview, PreviewRow *row)
{
	const Endpoint *endpoint = preview->endpoint;

	row->url = mask_url(from_utf8(valid_text(preview->url.data, preview->url.length)),
						endpoint->credentials);
	row->headers = mask_headers(endpoint->server, endpoint->credentials, endpoint->body != NULL);
	if (endpoint->body != NULL)
		row->body = from_utf8(valid_text(preview->body.data, preview->body.length));
}

static Datum
form_result(FunctionCallInfo fcinfo, Preview *preview)
{
	TupleDesc	descriptor;
	PreviewRow	row = {.status = preview->result.status};
	const ByteBuffer *answer = &preview->result.body;
	Datum		values[lengthof(row_fields)];
	bool		nulls[lengthof(row_fields)];

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE ||
		descriptor->natts != lengthof(row_fields))
		elog(ERROR, "return type must be the row type of preview");
	if (preview->row_count > 0)
		describe_request(preview, &row);
	if (answer->data != NULL)
		row.response = from_utf8(mask_text(valid_text(answer->data, answer->length),
										   preview->endpoint->credentials));
	if (preview->row_count == 0)
		append_error(&preview->results, "no row would be sent");
	else
		describe_results(preview);
	row.results = jsonb_of_utf8(&preview->results, preview->endpoint->credentials);
	field_form(row_fields, lengthof(row_fields), &row, descriptor, values, nulls);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

static bool
has_missing_columns(const Recipe *recipe)
{
	for (int i = 0; i < recipe->output_count; i++)
		if (recipe->outputs[i].missing)
			return true;
	return false;
}

/* What is malloc'd goes with the call's memory context, errors included. */
static void
free_buffers(void *argument)
{
	Preview    *preview = argument;

	buffer_free(&preview->url);
	buffer_free(&preview->body);
	buffer_free(&preview->result.body);
	buffer_free(&preview->results);
	response_free(&preview->response);
}

PG_FUNCTION_INFO_V1(enrich_preview);
Datum
enrich_preview(PG_FUNCTION_ARGS)
{
	Preview    *preview = palloc0(sizeof(Preview));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	Job		   *job;
	Server	   *server;

	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("cannot preview a job within a security-restricted operation"),
				errhint("Call enrich.preview on its own."));
	callback->func = free_buffers;
	callback->arg = preview;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	job = arguments_read_job(fcinfo);
	server = server_load(job->server, false);
	server_check_usage(server, GetUserId());
	preview->recipe = recipe_make(job);
	preview->endpoint = endpoint_make(preview->recipe, server,
									  credentials_load(server, GetUserId()), NULL);
	preview->as_jsonb = converter_create("results", JSONBOID, -1);
	if (has_missing_columns(preview->recipe))
		job->rows = ROWS_ALL;	/* what start would make holds no row's result
								 * yet */
	bucketize_check_query(preview->endpoint);
	read_rows(preview);
	if (preview->row_count > 0)
	{
		build(preview);
		ask(preview);
	}
	PG_RETURN_DATUM(form_result(fcinfo, preview));
}
