/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *	  What a job's requests to a server are made, and their answers read by.
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/endpoint.h"

#include "utils/lsyscache.h"

#include "common/pg_compat.h"
#include "convert/path.h"

#define DEFAULT_REQUEST "{\"input\": \"{{inputs}}\"}"
#define DEFAULT_USAGE "$.usage.total_tokens"

/* A text of templates: what it is, for messages. */
typedef struct TemplateSource
{
	const char *utf8;			/* what offsets of faults count in */
	const char *shown;			/* the same in the server's encoding, or NULL:
								 * not to be shown */
	const char *parameter;
} TemplateSource;

/* What would be right; for a column that the source has, but the job does not take, just that. */
static const char *
fault_hint(const Recipe *recipe, const TemplateFault *fault)
{
	char	   *name = message_from_utf8(fault->unknown);

	if (fault->unknown[0] == '\0' || get_attnum(recipe->job->source, name) <= 0)
		return fault->hint;
	return psprintf("Column \"%s\" of \"%s\" is neither in key nor in input: add it to input.",
					name, get_rel_name(recipe->job->source));
}

/* Raise it, with a cursor into the text. */
pg_noreturn static void
raise_fault(const Recipe *recipe, const TemplateFault *fault, const TemplateSource *source)
{
	const char *hint = fault_hint(recipe, fault);
	bool		shown = source->shown != NULL && fault->offset >= 0;

	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("%s", message_from_utf8(fault->message)),
			fault->detail[0] ? errdetail("%s", message_from_utf8(fault->detail)) : 0,
			hint[0] ? errhint("%s", hint == fault->hint ? message_from_utf8(hint) : hint) : 0,
			shown ? internalerrposition(utf8_character(source->utf8, fault->offset)) : 0,
			shown ? internalerrquery(source->shown) : 0,
			errcontext("%s", source->parameter));
}

/* The names templates may use, in UTF-8. */
static const char **
field_names(const Recipe *recipe)
{
	const char **names = palloc(sizeof(char *) * (recipe->field_count + 1));

	for (int i = 0; i < recipe->field_count; i++)
		names[i] = text_to_utf8(recipe->fields[i]);
	return names;
}

/* The job's path by itself, so that what is wrong with it is shown in it. */
static void
check_path(const Recipe *recipe, const char **names)
{
	TemplateSource source = {NULL, recipe->job->path, "path"};
	TemplateFault fault = {0};
	Template   *tpl;

	if (recipe->job->path == NULL)
		return;
	source.utf8 = text_to_utf8(recipe->job->path);
	if (!url_path_check(source.utf8, &fault))
		raise_fault(recipe, &fault, &source);
	tpl = template_compile_url(source.utf8, "path", names, recipe->field_count, &fault);
	if (tpl == NULL)
		raise_fault(recipe, &fault, &source);
	template_free(tpl);
}

/* The server's url with the path.  It is not shown: whoever made it may have put a secret there. */
static void
compile_url(Endpoint *endpoint, const char **names)
{
	const Recipe *recipe = endpoint->recipe;
	TemplateSource source = {NULL, NULL, psprintf("option \"url\" of server \"%s\"",
												  endpoint->server->name)};
	TemplateFault fault = {0};
	ByteBuffer	url = {0};

	check_path(recipe, names);
	url_join(&url, endpoint->server->url, recipe->job->path ? recipe->job->path : "");
	buffer_append_char(&url, '\0');
	if (url.failed)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	endpoint->url = template_compile_url(text_to_utf8(url.data), "server's url", names,
										 recipe->field_count, &fault);
	buffer_free(&url);
	if (endpoint->url == NULL)
		raise_fault(recipe, &fault, &source);
}

static void
compile_body(Endpoint *endpoint, const char **names)
{
	const Recipe *recipe = endpoint->recipe;
	const Job  *job = recipe->job;
	const Server *server = endpoint->server;
	const char *request = job->request ? job->request
		: server->request ? server->request : DEFAULT_REQUEST;
	TemplateSource source = {text_to_utf8(request), request, "request"};
	TemplateFault fault = {0};

	if (job->request == NULL)
		source.parameter = psprintf("option \"request\" of server \"%s\"", server->name);
	endpoint->body = template_compile_body(source.utf8, strlen(source.utf8), names,
										   recipe->field_count, &fault);
	if (endpoint->body == NULL)
		raise_fault(recipe, &fault, &source);
	if (template_repeated_placeholder(endpoint->body) != NULL)
		ereport(WARNING,
				errmsg("\"{{%s}}\" within [\"{{each}}\", ...] sends all rows of the request again "
					   "for each of them", template_repeated_placeholder(endpoint->body)),
				errhint("Use {{input}} or a column's name for the row's own."));
}

static void
compile_templates(Endpoint *endpoint)
{
	const char **names = field_names(endpoint->recipe);

	compile_url(endpoint, names);
	if (strcmp(endpoint->server->method, "GET") != 0)
		compile_body(endpoint, names);
	else if (endpoint->recipe->job->request != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("request is given, but server \"%s\" is asked by GET, which sends no body",
					   endpoint->server->name),
				errhint("Put placeholders into path, or set the server's option method to POST."));
	endpoint->sends_fields = template_needs_fields(endpoint->url) ||
		(endpoint->body != NULL && template_needs_fields(endpoint->body));
	endpoint->needs_fields = endpoint->sends_fields || endpoint->recipe->stores_fields;
}

static bool
carries_rows(const Endpoint *endpoint)
{
	return template_carries_rows(endpoint->url) ||
		(endpoint->body != NULL && template_carries_rows(endpoint->body));
}

/* A request that names a row holds just that. */
static void
check_batch_size(const Endpoint *endpoint, const char *in_url, const char *in_body)
{
	const Job  *job = endpoint->recipe->job;
	const char *single = in_url ? in_url : in_body;

	if (single != NULL && job->batch_size > 1)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("batch_size is %d, but \"{{%s}}\" stands for a single row", job->batch_size,
					   message_from_utf8(single)),
				errdetail("It stands in the %s.", in_url ? "url" : "request"),
				errhint("Leave batch_size out, or send many rows with {{inputs}}, {{rows}} or "
						"[\"{{each}}\", ...]."));
	if (job->batch_size > job->bucket_size)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("batch_size %d is larger than bucket_size %d", job->batch_size,
					   job->bucket_size),
				errhint("A request holds rows of one bucket: raise bucket_size too."));
	if (!carries_rows(endpoint))
		ereport(WARNING,
				errmsg("requests carry nothing of the rows they are sent for"),
				errhint("Write {{inputs}}, {{rows}}, {{input}} or a column's name, in double "
						"braces, into %s.",
						endpoint->body != NULL ? "request or path" : "path"));
}

static void
decide_batch_size(Endpoint *endpoint)
{
	const Job  *job = endpoint->recipe->job;
	const char *in_url = template_single_row_placeholder(endpoint->url);
	const char *in_body = endpoint->body ? template_single_row_placeholder(endpoint->body) : NULL;

	check_batch_size(endpoint, in_url, in_body);
	if (in_url != NULL || in_body != NULL)
		endpoint->batch_size = 1;
	else if (job->batch_size > 0)
		endpoint->batch_size = job->batch_size;
	else if (endpoint->server->batch_size > 0)
		endpoint->batch_size = Min(endpoint->server->batch_size, job->bucket_size);
	else
		endpoint->batch_size = job->bucket_size;
	if (endpoint->recipe->many && job->result_key == NULL && endpoint->batch_size != 1)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("result_rows => 'many' needs batch_size 1 or result_key"),
				errdetail("A request would hold %d rows, and nothing would tell whose the items "
						  "are.", endpoint->batch_size),
				errhint("Use batch_size => 1, or result_key => '$.id' with the path of the row's "
						"key in an item."));
}

static void
compile_paths(Endpoint *endpoint)
{
	const Recipe *recipe = endpoint->recipe;
	const Job  *job = recipe->job;
	const Server *server = endpoint->server;
	ResponseShape *shape = &endpoint->shape;
	const char *content = job->content ? job->content : server->content;
	const char *results = job->results ? job->results : server->results;
	const char *index = job->result_index ? job->result_index : server->result_index;

	*shape = recipe->items;
	if (content != NULL)
		path_compile(content, "content", &shape->content);
	shape->has_content = content != NULL;

	/*
	 * The one row's answer is its item; with many its elements are, or itself
	 * if it has none.
	 */
	if (results == NULL)
		results = endpoint->batch_size == 1 && !recipe->many ? "$" : "$[*]";
	path_compile(results, "results", &shape->results);
	/* Items find their rows by key, else by index, else by their order. */
	shape->has_index = index != NULL && !shape->has_key && !recipe->many;
	if (shape->has_index)
		path_compile(index, "result_index", &shape->index);
	path_compile(server->usage ? server->usage : DEFAULT_USAGE, "usage", &endpoint->usage);
}

/* Does it take a transaction to read an answer: are there keys, or paths that are not plain? */
static bool
reads_by_evaluation(const Endpoint *endpoint)
{
	const ResponseShape *shape = &endpoint->shape;
	bool		evaluates = shape->has_key || shape->content.evaluate != NULL ||
		shape->results.evaluate != NULL || shape->index.evaluate != NULL ||
		endpoint->usage.evaluate != NULL;

	for (int i = 0; i < shape->output_count; i++)
		evaluates |= shape->outputs[i].evaluate != NULL;
	return evaluates;
}

/* Rows at hand have no fields if none were asked for: nulls would go out in their place. */
static void
require_staged_fields(const Endpoint *before, const Endpoint *after)
{
	if (after->needs_fields && !before->has_fields)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the server's request names columns now, which "
					   "job " INT64_FORMAT " has not staged",
					   after->recipe->job->id),
				errhint("Change the server back, or cancel the job and start it again."));
}

static void
set_http(HttpSettings *http, const Server *server)
{
	http->timeout_ms = server->timeout_ms;
	http->connect_timeout_ms = server->connect_timeout_ms;
	http->max_response_size = server->max_response_size;
	http->http_version = server->http_version;
	http->proxy = server->proxy;
	http->ca_file = server->ca_file;
	http->verify_tls = server->verify_tls;
	http->follow_redirects = server->follow_redirects;
}

/* Templates are malloc'd: they go with the memory context of their endpoint. */
static void
free_templates(void *argument)
{
	Endpoint   *endpoint = argument;

	template_free(endpoint->body);
	template_free(endpoint->url);
}

Endpoint *
endpoint_make(const Recipe *recipe, const Server *server, const Credentials *credentials,
			  const Endpoint *before)
{
	Endpoint   *endpoint = palloc0(sizeof(Endpoint));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = free_templates;
	callback->arg = endpoint;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	endpoint->recipe = recipe;
	endpoint->server = server;
	endpoint->credentials = credentials;
	endpoint->server_index = -1;
	endpoint->generation = before == NULL ? 1 : before->generation + 1;
	set_http(&endpoint->http, server);
	compile_templates(endpoint);
	decide_batch_size(endpoint);
	compile_paths(endpoint);
	endpoint->evaluates = reads_by_evaluation(endpoint);
	endpoint->fingerprint_seed = recipe_fingerprint_seed(recipe, server);
	endpoint->has_fields = endpoint->needs_fields || (before != NULL && before->has_fields);
	if (before != NULL)
		require_staged_fields(before, endpoint);
	return endpoint;
}

Endpoint *
endpoint_renew(const Endpoint *before, const Credentials *credentials)
{
	Endpoint   *endpoint = palloc(sizeof(Endpoint));

	*endpoint = *before;
	endpoint->credentials = credentials;
	endpoint->generation++;
	return endpoint;
}
