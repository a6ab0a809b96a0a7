/*-------------------------------------------------------------------------
 *
 * recipe_paths.c
 *	  What a job reads of an answer's items: whose they are, and values for its outputs.
 *
 *-------------------------------------------------------------------------
 */
#include "recipe/recipe.h"

#include "utils/lsyscache.h"

#include "convert/convert.h"
#include "convert/path.h"

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
		Path	   *path = &outputs[recipe->items.output_count];

		if (output->kind != OUTPUT_PATH)
			continue;
		path_compile(output->path, psprintf("output column \"%s\"", output->name), path);
		path->column = text_to_utf8(output->name);
		path->gathers = finds_several(path) &&
			OidIsValid(get_element_type(getBaseType(output->type)));
		path->takes_floats = OidIsValid(output->type) && converter_takes_floats(output->type);
		output->index = recipe->items.output_count++;
	}
	recipe->items.outputs = outputs;
}

/* Items that find their rows by key. */
static void
compile_key(Recipe *recipe)
{
	path_compile(recipe->job->result_key, "result_key", &recipe->items.key);
	recipe->items.has_key = true;
	recipe->matcher = matcher_create(recipe->key_count, recipe->keys);
}

void
recipe_compile_paths(Recipe *recipe)
{
	check_matching(recipe);
	recipe->items.many = recipe->many;
	if (recipe->job->result_key != NULL)
		compile_key(recipe);
	compile_outputs(recipe);
}
