/*-------------------------------------------------------------------------
 *
 * control.c
 *	  The control endpoints, /mock/…: neither counted nor scripted.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "arrivals.h"
#include "canned.h"
#include "endpoints.h"
#include "inputlog.h"
#include "recent.h"
#include "stats.h"
#include "waiting.h"

static const char accepted[] = "{\"ok\":true}";

/* Takes over the JSON value. */
static void
answer_json(Answer *answer, json_t *value)
{
	char	   *text = json_dumps(value, JSON_COMPACT);

	if (text == NULL)
		answer_error(answer, 500, "the answer cannot be written as JSON");
	else
		buffer_append_string(&answer->body, text);
	free(text);
	json_decref(value);
}

/* The body as a JSON object, or NULL after it has been answered 400. */
static json_t *
read_object(const Request *request, Answer *answer)
{
	json_t	   *body = json_loadb(request->body.length > 0 ? request->body.data : "",
								  request->body.length, 0, NULL);

	if (json_is_object(body))
		return body;
	json_decref(body);
	answer_error(answer, 400, "the body is not a JSON object");
	return NULL;
}

static void
get_script(Request *request, Answer *answer)
{
	(void) request;
	answer_json(answer, script_describe());
}

static void
post_script(Request *request, Answer *answer)
{
	json_t	   *object = read_object(request, answer);
	Buffer		fault = {0};

	if (object == NULL)
		return;
	if (script_set(object, &fault))
		buffer_append_string(&answer->body, accepted);
	else
	{
		buffer_append_char(&fault, '\0');
		answer_error(answer, 400, fault.data);
	}
	buffer_free(&fault);
	json_decref(object);
}

static void
post_reset(Request *request, Answer *answer)
{
	(void) request;
	script_clear();
	stats_reset();
	inputlog_clear();
	recent_clear();
	arrivals_clear();
	buffer_append_string(&answer->body, accepted);
}

static void
post_release(Request *request, Answer *answer)
{
	(void) request;
	waiting_release();
	buffer_append_string(&answer->body, accepted);
}

static void
get_log(Request *request, Answer *answer)
{
	(void) request;
	inputlog_describe(&answer->body);
}

static void
post_log(Request *request, Answer *answer)
{
	json_t	   *object = read_object(request, answer);
	json_t	   *enabled;

	if (object == NULL)
		return;
	enabled = json_object_get(object, "enabled");
	if (json_is_boolean(enabled))
	{
		inputlog_enable(json_is_true(enabled));
		buffer_append_string(&answer->body, accepted);
	}
	else
		answer_error(answer, 400, "enabled is neither true nor false");
	json_decref(object);
}

static void
get_stats(Request *request, Answer *answer)
{
	(void) request;
	answer_json(answer, stats_describe());
}

static void
get_last(Request *request, Answer *answer)
{
	const char *n = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "n");

	answer_json(answer, recent_describe(n != NULL ? strtoul(n, NULL, 10) : 1));
}

static void
get_arrivals(Request *request, Answer *answer)
{
	(void) request;
	arrivals_describe(&answer->body);
}

typedef struct Control
{
	const char *path;
	void		(*get) (Request *request, Answer *answer);
	void		(*post) (Request *request, Answer *answer);
} Control;

static const Control controls[] = {
	{"/mock/script", get_script, post_script},
	{"/mock/reset", NULL, post_reset},
	{"/mock/release", NULL, post_release},
	{"/mock/log", get_log, post_log},
	{"/mock/stats", get_stats, NULL},
	{"/mock/last", get_last, NULL},
	{"/mock/arrivals", get_arrivals, NULL},
	{"/mock/canned", NULL, canned_set},
};

void
control_answer(Request *request, Answer *answer)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
	{
		const Control *control = &controls[i];
		void		(*function) (Request *, Answer *);

		if (strcmp(request->path, control->path) != 0)
			continue;
		function = strcmp(request->method, "POST") == 0 ? control->post : control->get;
		if (function != NULL)
			function(request, answer);
		else
			answer_error(answer, 405, "the endpoint does not take this method");
		return;
	}
	answer_error(answer, 404, "no such endpoint");
}
