/*-------------------------------------------------------------------------
 *
 * recipe_shape.c
 *	  Resolving the API's side of a job: templates, paths, batch size.
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/recipe.h"

#include "lib/stringinfo.h"
#include "utils/lsyscache.h"

#include "common/pg_compat.h"
#include "convert/convert.h"
#include "convert/path.h"

#define DEFAULT_REQUEST "{\"input\": \"{{inputs}}\"}"
#define DEFAULT_USAGE "$.usage.total_tokens"

/* A text of templates: what it is, for messages. */
typedef struct TemplateSource
{
	const char *utf8;			/* what offsets of faults count in */
	const char *shown;			/* the same in the server's encoding, or NULL: not to be shown */
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
check_path(Recipe *recipe, const char **names)
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
compile_url(Recipe *recipe, const char **names)
{
	TemplateSource source = {NULL, NULL, psprintf("option \"url\" of server \"%s\"",
												  recipe->server->name)};
	TemplateFault fault = {0};
	ByteBuffer	url = {0};

	check_path(recipe, names);
	url_join(&url, recipe->server->url, recipe->job->path ? recipe->job->path : "");
	buffer_append_char(&url, '\0');
	if (url.failed)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	recipe->url = template_compile_url(text_to_utf8(url.data), "server's url", names,
									   recipe->field_count, &fault);
	buffer_free(&url);
	if (recipe->url == NULL)
		raise_fault(recipe, &fault, &source);
}

static void
compile_body(Recipe *recipe, const char **names)
{
	const Job  *job = recipe->job;
	const char *request = job->request ? job->request
		: recipe->server->request ? recipe->server->request : DEFAULT_REQUEST;
	TemplateSource source = {text_to_utf8(request), request, "request"};
	TemplateFault fault = {0};

	if (job->request == NULL)
		source.parameter = psprintf("option \"request\" of server \"%s\"", recipe->server->name);
	recipe->body = template_compile_body(source.utf8, strlen(source.utf8), names,
										 recipe->field_count, &fault);
	if (recipe->body == NULL)
		raise_fault(recipe, &fault, &source);
	if (template_repeated_placeholder(recipe->body) != NULL)
		ereport(WARNING,
				errmsg("\"{{%s}}\" within [\"{{each}}\", ...] sends all rows of the request again "
					   "for each of them", template_repeated_placeholder(recipe->body)),
				errhint("Use {{input}} or a column's name for the row's own."));
}

static void
compile_templates(Recipe *recipe)
{
	const Job  *job = recipe->job;
	const char **names = field_names(recipe);

	compile_url(recipe, names);
	recipe->sends_body = strcmp(recipe->server->method, "GET") != 0;
	if (recipe->sends_body)
		compile_body(recipe, names);
	else if (job->request != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("request is given, but server \"%s\" is asked by GET, which sends no body",
					   recipe->server->name),
				errhint("Put placeholders into path, or set the server's option method to POST."));
}

static bool
carries_rows(const Recipe *recipe)
{
	return template_carries_rows(recipe->url) ||
		(recipe->body != NULL && template_carries_rows(recipe->body));
}

static void
decide_batch_size(Recipe *recipe)
{
	const Job  *job = recipe->job;
	const char *in_url = template_single_row_placeholder(recipe->url);
	const char *in_body = recipe->body ? template_single_row_placeholder(recipe->body) : NULL;
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
	if (single != NULL)
		recipe->batch_size = 1;
	else if (job->batch_size > 0)
		recipe->batch_size = job->batch_size;
	else if (recipe->server->batch_size > 0)
		recipe->batch_size = Min(recipe->server->batch_size, job->bucket_size);
	else
		recipe->batch_size = job->bucket_size;
	if (!carries_rows(recipe))
		ereport(WARNING,
				errmsg("requests carry nothing of the rows they are sent for"),
				errhint("Write {{inputs}}, {{rows}}, {{input}} or a column's name, in double "
						"braces, into %s.",
						recipe->sends_body ? "request or path" : "path"));
}

/* The ways of telling which row an item belongs to exclude each other. */
static void
check_matching(const Recipe *recipe)
{
	const Job  *job = recipe->job;

	if (job->result_index != NULL && job->result_key != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("result_index and result_key are both given"),
				errhint("An item says which row it belongs to by its position or by its key: leave "
						"one of them out."));
	if (recipe->many && job->result_index != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("result_index is given with result_rows => 'many'"),
				errhint("Use result_key where requests hold several rows; with batch_size => 1 all "
						"items belong to the one row."));
	if (recipe->many && job->result_key == NULL && recipe->batch_size != 1)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("result_rows => 'many' needs batch_size 1 or result_key"),
				errdetail("A request would hold %d rows, and nothing would tell whose the items "
						  "are.", recipe->batch_size),
				errhint("Use batch_size => 1, or result_key => '$.id' with the path of the row's "
						"key in an item."));
}

/* Compile a path, and note whether it takes a transaction to walk it. */
static void
compile_path(Recipe *recipe, const char *text, const char *parameter, Path *path)
{
	path_compile(text, parameter, path);
	recipe->evaluates |= path->evaluate != NULL;
}

/* May a path find several values? */
static bool
finds_several(const Path *path)
{
	for (int i = 0; i < path->step_count; i++)
		if (path->steps[i].kind == PATH_ALL)
			return true;
	return path->evaluate != NULL;
}

/*
 * Output paths.  For an array column one find is an array of one, so that the
 * number of tags, say, does not decide whether they fit.
 */
static void
compile_outputs(Recipe *recipe)
{
	Path	   *outputs = palloc0(sizeof(Path) * recipe->output_count);

	for (int i = 0; i < recipe->output_count; i++)
	{
		OutputColumn *output = &recipe->outputs[i];
		Path	   *path = &outputs[recipe->shape.output_count];

		if (output->kind != OUTPUT_PATH)
			continue;
		compile_path(recipe, output->path, psprintf("output column \"%s\"", output->name), path);
		path->column = text_to_utf8(output->name);
		path->gathers = finds_several(path) &&
			OidIsValid(get_element_type(getBaseType(output->type)));
		path->takes_floats = OidIsValid(output->type) && converter_takes_floats(output->type);
		output->index = recipe->shape.output_count++;
	}
	recipe->shape.outputs = outputs;
}

/* How items find their rows: by key, else by index, else by their order. */
static void
compile_matching(Recipe *recipe)
{
	const Job  *job = recipe->job;
	const char *index = job->result_index ? job->result_index : recipe->server->result_index;

	recipe->shape.many = recipe->many;
	if (job->result_key != NULL)
	{
		compile_path(recipe, job->result_key, "result_key", &recipe->shape.key);
		recipe->shape.has_key = true;
		recipe->matcher = matcher_create(recipe->key_count, recipe->keys);
		recipe->evaluates = true;
	}
	else if (index != NULL && !recipe->many)
	{
		compile_path(recipe, index, "result_index", &recipe->shape.index);
		recipe->shape.has_index = true;
	}
}

static void
compile_paths(Recipe *recipe)
{
	const Job  *job = recipe->job;
	const Server *server = recipe->server;
	const char *content = job->content ? job->content : server->content;
	const char *results = job->results ? job->results : server->results;

	memset(&recipe->shape, 0, sizeof(recipe->shape));
	recipe->evaluates = false;
	if (content != NULL)
	{
		compile_path(recipe, content, "content", &recipe->shape.content);
		recipe->shape.has_content = true;
	}
	/* The one row's answer is its item; with many its elements are, or itself if it has none. */
	if (results == NULL)
		results = recipe->batch_size == 1 && !recipe->many ? "$" : "$[*]";
	compile_path(recipe, results, "results", &recipe->shape.results);
	compile_matching(recipe);
	compile_outputs(recipe);
	compile_path(recipe, server->usage ? server->usage : DEFAULT_USAGE, "usage", &recipe->usage);
}

void
recipe_compile_shape(Recipe *recipe)
{
	compile_templates(recipe);
	decide_batch_size(recipe);
	check_matching(recipe);
	recipe->send_fields = template_needs_fields(recipe->url) ||
		(recipe->body != NULL && template_needs_fields(recipe->body));
	recipe->stage_fields = recipe->send_fields;
	for (int i = 0; i < recipe->output_count; i++)
		recipe->stage_fields |= recipe->outputs[i].kind == OUTPUT_FIELD;
	compile_paths(recipe);
	recipe_make_fingerprint_seed(recipe);
}
