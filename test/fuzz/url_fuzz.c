/*-------------------------------------------------------------------------
 *
 * url_fuzz.c
 *	  Fuzzing URLs: url.c, placeholder.c, template.c, template_fill.c.
 *
 * The input: a server's url, a job's path (may be empty), names of columns, and
 * rows (see fuzz.h), of which the first is filled in.
 *
 * What is sent is the joined text with each value percent-encoded in its place.
 * It leaves neither the server, as libcurl reads URLs, nor its path, as servers do
 * that decode slashes and dots before they resolve "..".  A value that would
 * do so makes filling fail, and nothing else does.
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>

#include "fuzz.h"

#define JOB 7
#define BUCKET INT64_C(-9223372036854775807)

typedef struct Model
{
	const Columns *columns;
	const Rows *rows;
	ByteBuffer	out;
	bool		refused;		/* compiling does */
	bool		in_path;
	size_t		segment;		/* where the last segment begins */
	bool		has_value;		/* a placeholder stands in it */
	bool		leaves;			/* filling has to fail */
} Model;

/* Is there a ".." in a segment, as a server sees it that decodes it first? */
static bool
goes_up(const char *segment, size_t length)
{
	char	   *text = copy_string(segment, length);
	bool		found = false;

	percent_decode(text);
	for (char *part = text, *next; part != NULL && !found; part = next)
	{
		next = strpbrk(part, "/\\");
		if (next != NULL)
			*next++ = '\0';
		found = strcmp(part, "..") == 0;
	}
	free(text);
	return found;
}

/* The end of a segment into which a value went. */
static void
end_segment(Model *model)
{
	size_t		length = model->out.length - model->segment;
	char	   *text = copy_string(model->out.data + model->segment, length);

	if (model->in_path && model->has_value)
	{
		model->leaves |= goes_up(text, length);
		percent_decode(text);
		model->leaves |= text[0] == '\0' || strcmp(text, ".") == 0;
	}
	free(text);
	model->has_value = false;
}

static void
model_literal(Model *model, const char *text, size_t length, bool *host_done)
{
	for (size_t i = 0; i < length; i++)
	{
		size_t		at = model->out.length;
		bool		in_host = !*host_done && at >= 8;	/* behind the scheme's slashes */

		if (in_host && (text[i] == '/' || text[i] == '?'))
		{
			*host_done = true;
			model->in_path = text[i] == '/';
			model->segment = at + 1;
		}
		else if (model->in_path && (text[i] == '/' || text[i] == '?'))
		{
			end_segment(model);
			model->in_path = text[i] == '/';
			model->segment = at + 1;
		}
		buffer_append_char(&model->out, text[i]);
	}
}

/* All but the unreserved characters of RFC 3986. */
static void
append_encoded(ByteBuffer *out, const char *text, size_t length)
{
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (size_t i = 0; i < length; i++)
	{
		char		escape[4];

		if (text[i] != '\0' && strchr(unreserved, text[i]) != NULL)
			buffer_append_char(out, text[i]);
		else
		{
			snprintf(escape, sizeof(escape), "%%%02X", (unsigned char) text[i]);
			buffer_append_string(out, escape);
		}
	}
}

static void
append_column(Model *model, int column)
{
	const char *text = model->rows->count > 0 ? model->rows->fields[0][column] : NULL;
	ByteBuffer	decoded = {0};
	JsonSlice	slice;
	JsonFault	fault;
	const char *why;

	if (text == NULL)
		return;
	must(json_parse(text, strlen(text), &slice, &fault));
	if (json_kind(slice) == JSON_STRING)
		must(json_decode_string(slice, &decoded, &why));
	else if (json_kind(slice) != JSON_NULL)
		buffer_append(&decoded, slice.start, slice.length);
	append_encoded(&model->out, decoded.data, decoded.length);
	buffer_free(&decoded);
}

/* {{inputs}} as text is a JSON array; {{rows}} is left to the fuzzing of bodies. */
static void
append_inputs(Model *model)
{
	ByteBuffer	json = {0};

	for (int i = 0; i < model->rows->count; i++)
	{
		buffer_append_char(&json, i > 0 ? ',' : '[');
		json_append_quoted(&json, model->rows->rows[i].input, model->rows->rows[i].input_length);
	}
	buffer_append_string(&json, model->rows->count > 0 ? "]" : "[]");
	append_encoded(&model->out, json.data, json.length);
	buffer_free(&json);
}

static void
model_placeholder(Model *model, const char *bytes, size_t length)
{
	char	   *name = copy_string(bytes, length);
	int			column = find_column(model->columns, name);
	const char *input = model->rows->count > 0 ? model->rows->rows[0].input : "";

	model->has_value = true;
	if (strcmp(name, "inputs") == 0)
		append_inputs(model);
	else if (strcmp(name, "job") == 0 || strcmp(name, "bucket") == 0)
		buffer_append_integer(&model->out, name[0] == 'j' ? JOB : BUCKET);
	else if (strcmp(name, "input") == 0)
		append_encoded(&model->out, input, strlen(input));
	else if (column >= 0 && strcmp(name, "each") != 0)
		append_column(model, column);
	else
		model->refused = true;
	free(name);
}

static void
model_url(Model *model, const char *text)
{
	size_t		length = strlen(text);
	size_t		from;
	size_t		to;
	const char *name;
	size_t		name_length;
	bool		host_done = false;
	int			mark;

	while ((mark = model_mark(text, length, &from, &to, &name, &name_length)) != 0)
	{
		must(mark != '!');		/* url_check saw it */
		model_literal(model, text, from, &host_done);
		if (mark == '{')
			model_literal(model, "{{", 2, &host_done);
		else
			model_placeholder(model, name, name_length);
		text += to;
		length -= to;
	}
	model_literal(model, text, length, &host_done);
	end_segment(model);
}

/* Part of a URL as libcurl reads it; NULL where it cannot. */
static char *
url_part(const char *url, CURLUPart part)
{
	CURLU	   *parsed = curl_url();
	char	   *text = NULL;

	if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS) == CURLUE_OK)
		(void) curl_url_get(parsed, part, &text, CURLU_DEFAULT_PORT);
	curl_url_cleanup(parsed);
	return text;
}

static void
check_same_part(const char *url, const char *base, CURLUPart part)
{
	char	   *one = url_part(url, part);
	char	   *other = url_part(base, part);

	must((one == NULL) == (other == NULL));
	must(one == NULL || strcmp(one, other) == 0);
	curl_free(one);
	curl_free(other);
}

/* What goes to libcurl stays where the server's url says. */
static void
check_filled(const char *url, const char *server)
{
	char	   *base = copy_string(server, 8 + strcspn(server + 8, "/?"));
	const char *path = url + strlen(base);
	const char *end = path + strcspn(path, "?#");

	must(strncmp(url, base, strlen(base)) == 0);
	must(path[strcspn(path, "#")] == '\0');
	for (const char *p = url; *p != '\0'; p++)
		must((unsigned char) *p > ' ' && *p != 0x7f && *p != '\\');
	check_same_part(url, base, CURLUPART_SCHEME);
	check_same_part(url, base, CURLUPART_HOST);
	check_same_part(url, base, CURLUPART_PORT);
	check_same_part(url, base, CURLUPART_USER);
	while (path < end)
	{
		const char *segment = ++path;

		path += strcspn(path, "/?");
		must(path > segment || path == end);
		must(!goes_up(segment, path - segment));
	}
	free(base);
}

static void
check_job(const char *server, const char *joined, const Columns *columns, const Rows *rows)
{
	Model		model = {.columns = columns, .rows = rows};
	RequestScope scope = {JOB, BUCKET, rows->rows, rows->count};
	TemplateFault fault = {0};
	Template   *tpl = template_compile_url(joined, "url", columns->names, columns->count, &fault);
	ByteBuffer	url = {0};
	const char *why = NULL;
	bool		filled;

	model_url(&model, joined);
	must((tpl == NULL) == model.refused);
	must(tpl == NULL || template_check_url(joined, "url", &fault));
	if (tpl == NULL)
		check_fault(&fault, strlen(joined));
	else
	{
		filled = template_fill(tpl, &scope, &url, &why);
		must(filled == !model.leaves);
		must(filled || (why != NULL && url.length == 0));
		if (filled)
		{
			must(url.length == model.out.length);
			must(memcmp(url.data, model.out.data, url.length) == 0);
			check_filled(url.data, server);
		}
	}
	template_free(tpl);
	buffer_free(&url);
	buffer_free(&model.out);
}

/* A line, as the server has checked and converted it; NULL where it would have refused it. */
static char *
next_text(Input *input)
{
	char	   *line = next_line(input);

	if (line == NULL || is_utf8(line, strlen(line)))
		return line;
	free(line);
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {(const char *) data, (const char *) data + size};
	char	   *server = next_text(&input);
	char	   *path = next_text(&input);
	TemplateFault fault = {0};
	Columns		columns;
	Rows		rows;
	ByteBuffer	joined = {0};

	read_columns(&input, &columns);
	read_rows(&input, columns.count, &rows);
	if (server != NULL && !url_check(server, &fault))
		check_fault(&fault, strlen(server));
	else if (path != NULL && !url_path_check(path, &fault))
		check_fault(&fault, strlen(path));
	else if (server != NULL)
	{
		url_join(&joined, server, path);
		must(url_check(joined.data, &fault));
		if (strstr(joined.data, "rows") == NULL)
			check_job(server, joined.data, &columns, &rows);
	}
	buffer_free(&joined);
	free_rows(&rows);
	free(columns.line);
	free(server);
	free(path);
	return 0;
}
