/*-------------------------------------------------------------------------
 *
 * answer_fuzz.c
 *	  Fuzzing response.c, path_walk.c and response_error.c.
 *
 * The input: how many rows were asked for, and "k" where the items have keys, "m"
 * where there may be many for a row; the paths to the content, to the results and to
 * an item's index or key, the first and last of which may be empty; the paths of the
 * outputs; an empty line; the answer.  A path is written as in
 * jsonpath, but for what may stand before it: "!" for strict, "+" where its finds
 * make an array, "&" for an evaluator that copies its finds, "#" for a column of
 * float4.
 *
 * The same is done over jansson's tree, by the definition of jsonpath and as
 * plainly as possible: status and every value have to agree.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"
#include "json/number.h"
#include "oracle.h"
#include "response/response.h"

#define MAX_OUTPUTS 4
#define MAX_STEPS 6
#define MAX_FINDS 4000
#define MAX_ROWS_ASKED 8

typedef struct FuzzPath
{
	char	   *text;
	PathStep	steps[MAX_STEPS];
	Path		path;
} FuzzPath;

typedef struct FuzzShape
{
	int			row_count;
	FuzzPath	content;
	FuzzPath	results;
	FuzzPath	index;
	FuzzPath	outputs[MAX_OUTPUTS];
	Path		output_paths[MAX_OUTPUTS];
	ResponseShape shape;
} FuzzShape;

/*
 * Reading the shape
 */

typedef struct Copier
{
	Arena	   *arena;
	PathVisitor visit;
	void	   *state;
} Copier;

static bool
visit_copy(JsonSlice found, void *state)
{
	Copier	   *copier = state;
	char	   *copy = arena_alloc(copier->arena, found.length);

	memcpy(copy, found.start, found.length);
	return copier->visit((JsonSlice) {copy, found.length}, copier->state);
}

/* PathEvaluator: the finds are no slices of the value. */
static bool
evaluate_by_copies(const Path *path, JsonSlice value, Arena *arena, PathVisitor visit, void *state)
{
	Copier		copier = {arena, visit, state};

	return path_walk(path, value, visit_copy, &copier);
}

static void
read_path(Input *input, FuzzPath *path)
{
	const char *p;

	memset(path, 0, sizeof(*path));
	path->text = next_line(input);
	if (path->text == NULL || !is_utf8(path->text, strlen(path->text)))
	{
		free(path->text);
		path->text = copy_string("", 0);
	}
	path->path.steps = path->steps;
	path->path.text = path->text;
	for (p = path->text; strchr("!+&#", *p) != NULL && *p != '\0'; p++)
	{
		path->path.takes_floats |= *p == '#';
		path->path.strict |= *p == '!';
		path->path.gathers |= *p == '+';
		if (*p == '&')
			path->path.evaluate = evaluate_by_copies;
	}
	p += *p == '$';
	while (*p != '\0' && path->path.step_count < MAX_STEPS)
	{
		PathStep   *step = &path->steps[path->path.step_count++];

		if (*p == '.')
			p++;
		if (strncmp(p, "[*]", 3) == 0)
			step->kind = PATH_ALL;
		else if (*p == '[')
		{
			step->kind = PATH_ELEMENT;
			step->index = atoi(p + 1) & 0xff;
		}
		else
		{
			step->kind = PATH_MEMBER;
			step->name = p;
			step->name_length = strcspn(p, ".[");
		}
		p += step->kind == PATH_MEMBER ? step->name_length : strcspn(p, "]");
		p += *p == ']';
	}
}

static void
read_shape(Input *input, FuzzShape *fuzz)
{
	ResponseShape *shape = &fuzz->shape;
	char	   *rows = next_line(input);

	fuzz->row_count = rows != NULL ? abs(atoi(rows) % (MAX_ROWS_ASKED + 1)) : 0;
	fuzz->row_count += fuzz->row_count == 0;
	shape->many = rows != NULL && strchr(rows, 'm') != NULL;
	shape->has_key = rows != NULL && strchr(rows, 'k') != NULL;
	free(rows);
	read_path(input, &fuzz->content);
	read_path(input, &fuzz->results);
	read_path(input, &fuzz->index);
	while (shape->output_count < MAX_OUTPUTS)
	{
		FuzzPath   *output = &fuzz->outputs[shape->output_count];

		read_path(input, output);
		if (output->text[0] == '\0')
		{
			free(output->text);
			break;
		}
		fuzz->output_paths[shape->output_count++] = output->path;
	}
	shape->has_content = fuzz->content.text[0] != '\0';
	shape->content = fuzz->content.path;
	shape->results = fuzz->results.path;
	shape->has_key &= fuzz->index.text[0] != '\0';
	shape->has_index = fuzz->index.text[0] != '\0' && !shape->has_key && !shape->many;
	shape->index = shape->key = fuzz->index.path;
	shape->outputs = fuzz->output_paths;
}

static void
free_shape(FuzzShape *fuzz)
{
	free(fuzz->content.text);
	free(fuzz->results.text);
	free(fuzz->index.text);
	for (int i = 0; i < fuzz->shape.output_count; i++)
		free(fuzz->outputs[i].text);
}

/*
 * The same over jansson's tree
 */

typedef struct Found
{
	int			count;
	int			limit;			/* stop there */
	bool		misfit;			/* strict: the path does not fit */
	bool		too_many;		/* more than this model keeps */
	OracleNode *nodes[MAX_FINDS];
} Found;

static void
model_path(const Path *path, int step, OracleNode *node, Found *found);

static void
model_absent(const Path *path, Found *found)
{
	found->misfit |= path->strict;
}

static void
model_member(const Path *path, int step, OracleNode *node, Found *found)
{
	const PathStep *member = &path->steps[step];
	OracleNode *value = NULL;

	if (oracle_kind(node) == ORACLE_OBJECT)
		value = oracle_member(node, member->name, member->name_length);
	if (value != NULL)
		model_path(path, step + 1, value, found);
	else
		model_absent(path, found);
}

static void
model_each(const Path *path, int step, OracleNode *array, Found *found)
{
	for (size_t i = 0; i < oracle_size(array); i++)
	{
		if (path->steps[step].kind == PATH_MEMBER)
			model_member(path, step, oracle_element(array, i), found);
		else
			model_path(path, step + 1, oracle_element(array, i), found);
	}
}

static void
model_path(const Path *path, int step, OracleNode *node, Found *found)
{
	const PathStep *this = &path->steps[step];
	bool		is_array = oracle_kind(node) == ORACLE_ARRAY;

	if (found->misfit || found->too_many || found->count == found->limit)
		return;
	if (step == path->step_count)
	{
		found->too_many = found->count == MAX_FINDS;
		if (!found->too_many)
			found->nodes[found->count++] = node;
	}
	else if (this->kind == PATH_MEMBER && is_array && !path->strict)
		model_each(path, step, node, found);
	else if (this->kind == PATH_MEMBER)
		model_member(path, step, node, found);
	else if (this->kind == PATH_ALL && is_array)
		model_each(path, step, node, found);
	else if (this->kind == PATH_ELEMENT && is_array && (size_t) this->index < oracle_size(node))
		model_path(path, step + 1, oracle_element(node, this->index), found);
	else if (!is_array && !path->strict && (this->kind == PATH_ALL || this->index == 0))
		model_path(path, step + 1, node, found);
	else
		model_absent(path, found);
}

static void
model_find(const Path *path, OracleNode *node, int limit, Found *found)
{
	found->count = 0;
	found->limit = limit;
	found->misfit = false;
	found->too_many = false;
	model_path(path, 0, node, found);
}

/* Is the value what an output path finds in an item? */
static void
check_output(const Path *path, OracleNode *item, JsonSlice value, const char *row_error)
{
	static Found found;
	OracleNode *root;
	bool		is_array;

	model_find(path, item, -1, &found);
	if (found.too_many)
		return;
	if (path->strict && (found.misfit || found.count == 0 ||
						 (found.count == 1 && oracle_kind(found.nodes[0]) == ORACLE_NULL)))
	{
		must(value.start == NULL && row_error != NULL);
		check_message(row_error);
		return;
	}
	must((value.start == NULL) == (found.count == 0));
	if (found.count == 0)
		return;
	oracle_parse(value.start, value.length, &root);
	must(root != NULL);
	is_array = oracle_kind(found.nodes[0]) == ORACLE_ARRAY;
	if (found.count == 1 && (!path->gathers || is_array))
		must(oracle_equal(root, found.nodes[0]));
	else
	{
		must(oracle_kind(root) == ORACLE_ARRAY && oracle_size(root) == (size_t) found.count);
		for (int i = 0; i < found.count; i++)
			must(oracle_equal(oracle_element(root, i), found.nodes[i]));
	}
	oracle_free(root);
}

/* The row of an item by its index, or -1. */
static int
model_position(const FuzzShape *fuzz, OracleNode *item)
{
	static Found found;
	int64_t		position;

	model_find(&fuzz->shape.index, item, 2, &found);
	if (found.misfit || found.count != 1 || oracle_kind(found.nodes[0]) != ORACLE_NUMBER)
		return -1;
	position = oracle_is_integer(found.nodes[0]) ? oracle_integer(found.nodes[0]) : -1;
	return position >= 0 && position < fuzz->row_count ? (int) position : -1;
}

/* An item's key; NULL: it has none, or several. */
static OracleNode *
model_key(const FuzzShape *fuzz, OracleNode *item)
{
	static Found found;

	model_find(&fuzz->shape.key, item, 2, &found);
	if (found.misfit || found.count != 1 || oracle_kind(found.nodes[0]) == ORACLE_NULL)
		return NULL;
	return found.nodes[0];
}

/* The items in the order of their places.  False: they do not match the rows. */
static bool
model_items(const FuzzShape *fuzz, OracleNode *answer, OracleNode **items, int *count, bool *unsure)
{
	static Found found;

	model_find(&fuzz->shape.results, answer, -1, &found);
	*unsure = found.too_many;
	*count = found.count;
	if (found.misfit || found.too_many)
		return false;
	if (fuzz->shape.has_key || fuzz->shape.many)
	{
		for (int i = 0; i < found.count; i++)
		{
			items[i] = found.nodes[i];
			if (fuzz->shape.has_key && model_key(fuzz, items[i]) == NULL)
				return false;
		}
		return fuzz->shape.many || found.count <= fuzz->row_count;
	}
	if (found.count != fuzz->row_count)
		return false;
	for (int i = 0; i < found.count; i++)
	{
		int			row = fuzz->shape.has_index ? model_position(fuzz, found.nodes[i]) : i;

		if (row < 0 || items[row] != NULL)
			return false;
		items[row] = found.nodes[i];
	}
	return true;
}

/* The JSON in a string of the answer.  NULL: *expected says how the answer ends. */
static OracleNode *
model_content(const FuzzShape *fuzz, OracleNode *answer, ResponseStatus *expected, bool *unsure)
{
	static Found found;
	const char *text;
	size_t		length;
	OracleNode *root = NULL;
	OracleVerdict verdict;

	*expected = RESPONSE_MISMATCHED;
	model_find(&fuzz->shape.content, answer, 2, &found);
	if (found.misfit || found.count != 1 || oracle_kind(found.nodes[0]) != ORACLE_STRING)
		return NULL;
	text = oracle_string(found.nodes[0], &length);
	*expected = RESPONSE_MALFORMED;
	if (memchr(text, '\0', length) != NULL)
		return NULL;
	verdict = oracle_parse(text, length, &root);
	*unsure = verdict == ORACLE_NOT_TEXT || verdict == ORACLE_BEYOND;
	return root;
}

static void
check_item(const FuzzShape *fuzz, OracleNode *item, int place, const Response *response)
{
	const ResponseShape *shape = &fuzz->shape;
	const JsonSlice *values = response->values + place * shape->output_count;
	OracleNode *key = NULL;

	for (int i = 0; i < shape->output_count; i++)
		check_output(&fuzz->output_paths[i], item, values[i],
					 response->item_errors != NULL ? response->item_errors[place] : NULL);
	if (!shape->has_key)
		return;
	oracle_parse(response->keys[place].start, response->keys[place].length, &key);
	must(key != NULL && oracle_equal(key, model_key(fuzz, item)));
	oracle_free(key);
}

/* The response against what the tree says; the tree is all that the answer holds. */
static void
check_against(const FuzzShape *fuzz, OracleNode *root, const Response *response)
{
	static OracleNode *items[MAX_FINDS];
	OracleNode *content = NULL;
	int			count = 0;
	OracleNode *answer = root;
	ResponseStatus expected = RESPONSE_MALFORMED;
	bool		unsure = false;

	memset(items, 0, sizeof(items));
	if (fuzz->shape.has_content && root != NULL)
		answer = content = model_content(fuzz, root, &expected, &unsure);
	if (answer != NULL)
		expected = model_items(fuzz, answer, items, &count, &unsure) ? RESPONSE_OK
			: RESPONSE_MISMATCHED;
	if (!unsure)
	{
		must(response->status == expected);
		must(response->status != RESPONSE_OK || response->item_count == count);
		for (int i = 0; response->status == RESPONSE_OK && i < count; i++)
			check_item(fuzz, items[i], i, response);
	}
	oracle_free(content);
}

/* What holds whether or not there is a tree. */
static void
check_response(const FuzzShape *fuzz, const Response *response)
{
	int			count = response->item_count * fuzz->shape.output_count;
	bool		any = false;

	must(response->row_count == fuzz->row_count);
	must(response->output_count == fuzz->shape.output_count);
	if (response->status != RESPONSE_OK)
	{
		must(response->values == NULL && response->item_errors == NULL && !response->found_any);
		must(response->item_count == 0 && response_size(response) == 0);
		must(memchr(response->error, '\0', sizeof(response->error)) != NULL);
		check_message(response->error);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		JsonSlice	value = response->values[i];
		JsonSlice	whole;
		JsonFault	fault;

		any |= value.start != NULL;
		if (value.start != NULL)
			must(json_parse(value.start, value.length, &whole, &fault) &&
				 whole.start == value.start && whole.length == value.length);
	}
	must(!any || response->found_any);
}

/*
 * Items are given to rows, here by the length of their first value or, with keys, of
 * their key; each is found again with its row, in order, and with no other.
 */
static void
check_rows(const FuzzShape *fuzz, Response *response)
{
	int			given = 0;
	int		   *rows = malloc(sizeof(int) * (response->item_count + 1));

	for (int i = 0; i < response->item_count; i++)
		rows[i] = fuzz->shape.has_key ? (int) (response->keys[i].length % (fuzz->row_count + 1)) - 1
			: fuzz->shape.many ? 0 : i;
	if (fuzz->shape.has_key)
		response_assign(response, rows);
	for (int row = 0; row < fuzz->row_count; row++)
	{
		int			last = -1;

		for (int n = 0; n < response_row_item_count(response, row); n++, given++)
		{
			int			item = response_row_item(response, row, n);

			must(item > last && item < response->item_count && rows[item] == row);
			last = item;
		}
		if (response_row_error(response, row) != NULL)
			check_message(response_row_error(response, row));
	}
	for (int i = 0; i < response->item_count; i++)
		given += rows[i] < 0;
	must(given == response->item_count);
	free(rows);
}

/* Numbers, of a JSON array or base64, as they were read; other values are what they were. */
static void
check_detached(const Path *path, JsonSlice before, JsonSlice after)
{
	const float *floats;
	float	   *right;
	size_t		count;
	size_t		right_count = 0;
	JsonSlice	element;

	if (after.start == NULL || json_kind(after) != JSON_FLOATS)
	{
		must((before.start == NULL) == (after.start == NULL) && before.length == after.length);
		must(after.start == NULL || memcmp(before.start, after.start, after.length) == 0);
		return;
	}
	must(path->takes_floats);
	floats = floats_of(after, &count);
	right = malloc(before.length * sizeof(float));
	if (json_kind(before) == JSON_STRING)
		must(number_decode_base64(before.start + 1, before.length - 2, right, &right_count));
	else
	{
		for (JsonCursor cursor = json_elements(before); json_next_element(&cursor, &element);)
		{
			char	   *text = copy_string(element.start, element.length);

			must(json_kind(element) == JSON_NUMBER);
			right[right_count++] = strtof(text, NULL);
			free(text);
		}
	}
	must(count == right_count && memcmp(floats, right, count * sizeof(float)) == 0);
	free(right);
}

/* A response that was detached says the same when its body is gone. */
static void
check_detaching(const FuzzShape *fuzz, const Response *original, const char *body, size_t length)
{
	char	   *copy = malloc(length + 1);
	Response	response;

	memcpy(copy, body, length);
	response_decode(copy, length, &fuzz->shape, fuzz->row_count, &response);
	must(response.status == original->status && response.item_count == original->item_count);
	if (response_detach(&response, &fuzz->shape, copy, length))
	{
		free(copy);
		copy = NULL;
	}
	for (int i = 0; i < response.item_count * fuzz->shape.output_count; i++)
		check_detached(&fuzz->output_paths[i % fuzz->shape.output_count], original->values[i],
					   response.values[i]);
	for (int i = 0; response.keys != NULL && i < response.item_count; i++)
		must(response.keys[i].length == original->keys[i].length &&
			 memcmp(response.keys[i].start, original->keys[i].start,
					response.keys[i].length) == 0);
	response_free(&response);
	free(copy);
}

/* The reason in an answer, in room of some sizes, is text that can be logged and stored. */
static void
check_error_text(const char *body, size_t length)
{
	static const size_t sizes[] = {0, 1, 2, 5, 20, 256};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		char	   *out = malloc(sizes[i] > 0 ? sizes[i] : 1);

		out[0] = 'x';
		response_error_text(body, length, out, sizes[i]);
		if (sizes[i] > 0)
		{
			must(memchr(out, '\0', sizes[i]) != NULL);
			must(is_utf8(out, strlen(out)));
		}
		for (char *p = out; sizes[i] > 0 && *p != '\0'; p++)
			must((unsigned char) *p >= ' ' && *p != 0x7f);
		free(out);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {(const char *) data, (const char *) data + size};
	FuzzShape	fuzz = {0};
	Response	response;
	OracleNode *root;
	OracleVerdict verdict;
	size_t		length;
	size_t		mark;

	read_shape(&input, &fuzz);
	length = input.end - input.at;
	mark = length >= 3 && memcmp(input.at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	verdict = oracle_parse(input.at + mark, length - mark, &root);
	response_decode(input.at, length, &fuzz.shape, fuzz.row_count, &response);
	check_response(&fuzz, &response);
	if (verdict != ORACLE_NOT_TEXT && verdict != ORACLE_BEYOND)
		check_against(&fuzz, root, &response);
	if (response.status == RESPONSE_OK)
	{
		check_rows(&fuzz, &response);
		check_detaching(&fuzz, &response, input.at, length);
	}
	check_error_text(input.at, length);
	response_free(&response);
	oracle_free(root);
	free_shape(&fuzz);
	return 0;
}
