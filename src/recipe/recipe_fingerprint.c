/*-------------------------------------------------------------------------
 *
 * recipe_fingerprint.c
 *	  What a row's fingerprint begins with.
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/recipe.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

/* The output that stores the fingerprint; -1: none. */
static int
fingerprint_output(const Recipe *recipe)
{
	for (int i = 0; i < recipe->output_count; i++)
		if (recipe->outputs[i].kind == OUTPUT_FINGERPRINT)
			return i;
	return -1;
}

void
recipe_check_fingerprint(const Recipe *recipe)
{
	int			output = fingerprint_output(recipe);
	bool		is_preferred;
	char		category;

	if (output < 0 && recipe->job->rows == ROWS_CHANGED)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("rows => 'changed' needs an output column for the fingerprint"),
				errhint("Add one to output: {\"fingerprint text\": \"{{fingerprint}}\"}."));
	if (output < 0)
		return;
	get_type_category_preferred(recipe->outputs[output].type, &category, &is_preferred);
	if (category != TYPCATEGORY_STRING)
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("fingerprint column \"%s\" is of type %s", recipe->outputs[output].name,
					   format_type_be(recipe->outputs[output].type)),
				errhint("Use text."));
}

char *
recipe_fingerprint_seed(const Recipe *recipe, const Server *server)
{
	const Job  *job = recipe->job;
	StringInfoData parts;

	if (fingerprint_output(recipe) < 0)
		return NULL;
	initStringInfo(&parts);
	appendStringInfo(&parts, "%s\n%s\n%s\n%s\n%s\n%s\n%s\n", server->url,
					 job->path ? job->path : "",
					 job->request ? job->request : server->request ? server->request : "",
					 job->content ? job->content : server->content ? server->content : "",
					 job->results ? job->results : server->results ? server->results : "",
					 job->result_index
					 ? job->result_index
					 : server->result_index ? server->result_index : "",
					 job->result_key ? job->result_key : "");
	if (recipe->many)
		appendStringInfoString(&parts, "many\n");
	for (int i = 0; i < recipe->output_count; i++)
		appendStringInfo(&parts, "%s\n%s\n", recipe->outputs[i].name, recipe->outputs[i].path);
	return TextDatumGetCString(DirectFunctionCall1(md5_text, CStringGetTextDatum(parts.data)));
}
