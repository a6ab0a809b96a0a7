/*-------------------------------------------------------------------------
 *
 * vendors.c
 *	  Real APIs, each below its host's name: /api.cohere.com/v2/embed.
 *
 *-------------------------------------------------------------------------
 */
#include "vendors.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"

/* What one operation of an API demands. */
typedef struct Vendor
{
	Endpoint	endpoint;		/* its path is a pattern: a star stays within its segment */
	void		(*answer) (Request *request, Answer *answer);
	const char *credential;		/* "Header: beginning of its value", "?parameter"; NULL: none */
	int			unauthorized;	/* the status without it */
	const char *demand;			/* and what is said then */
	const char *inputs;			/* where they are: see read_inputs */
	const char *required;		/* further body members, separated by spaces, or NULL */
	int			invalid;		/* the status where something is missing */
	size_t		most;			/* inputs in a request; 0: any number */
	int			too_many;		/* the status of more */
	const char *fault;			/* an error: $s status, $t its name with Google, $m message */
} Vendor;

static void answer_vendor(Request *request, Answer *answer);
static const char *read_inputs(Request *request);

#define POST(path) .endpoint = {path, false, false, "POST", NULL, answer_vendor, read_inputs}
#define GET(path) .endpoint = {path, false, false, "GET", NULL, answer_vendor, read_inputs}
#define KEY(where, status, text) .credential = where, .unauthorized = status, .demand = text
#define MOST(count, status) .most = count, .too_many = status

#define AZURE_DEMAND "Access denied due to invalid subscription key or wrong API endpoint."
#define OPENAI_FAULT \
	"{\"error\":{\"message\":$m,\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}"
#define AZURE_FAULT "{\"error\":{\"code\":\"$s\",\"message\":$m}}"
#define MESSAGE_FAULT "{\"message\":$m}"
#define OLLAMA_FAULT "{\"error\":$m}"
#define GOOGLE_FAULT "{\"error\":{\"code\":$s,\"message\":$m,\"status\":\"$t\"}}"
#define FHIR_FAULT "{\"resourceType\":\"OperationOutcome\",\"issue\":" \
	"[{\"severity\":\"error\",\"code\":\"processing\",\"diagnostics\":$m}]}"

static const Vendor vendors[] = {
	{
		POST("/api.openai.com/v1/embeddings"),
		.answer = openai_answer_embeddings,
		KEY("Authorization: Bearer ", 401, "You didn't provide an API key."),
		.inputs = "input", .required = "model", .invalid = 400, MOST(2048, 400),
		.fault = OPENAI_FAULT,
	},
	{
		POST("/api.openai.com/v1/chat/completions"),
		.answer = openai_answer_chat,
		KEY("Authorization: Bearer ", 401, "You didn't provide an API key."),
		.inputs = "chat", .required = "model", .invalid = 400,
		.fault = OPENAI_FAULT,
	},
	{
		POST("/*.openai.azure.com/openai/deployments/*/embeddings"),
		.answer = azure_answer_embeddings,
		KEY("api-key: ", 401, AZURE_DEMAND),
		.inputs = "input", .invalid = 400, MOST(2048, 400),
		.fault = AZURE_FAULT,
	},
	{
		POST("/api.cohere.com/v1/embed"),
		.answer = cohere_answer_v1,
		KEY("Authorization: Bearer ", 401, "no api key supplied"),
		.inputs = "texts", .required = "model input_type", .invalid = 400, MOST(96, 400),
		.fault = MESSAGE_FAULT,
	},
	{
		POST("/api.cohere.com/v2/embed"),
		.answer = cohere_answer_v2,
		KEY("Authorization: Bearer ", 401, "no api key supplied"),
		.inputs = "texts", .required = "model input_type", .invalid = 400, MOST(96, 400),
		.fault = MESSAGE_FAULT,
	},
	{
		POST("/api.voyageai.com/v1/embeddings"),
		.answer = voyage_answer,
		KEY("Authorization: Bearer ", 401, "Provided API key is invalid."),
		.inputs = "input", .required = "model", .invalid = 400, MOST(1000, 400),
		.fault = "{\"detail\":$m}",
	},
	{
		POST("/localhost:11434/api/embed"),
		.answer = ollama_answer_embed,
		.inputs = "input", .required = "model", .invalid = 400,
		.fault = OLLAMA_FAULT,
	},
	{
		POST("/localhost:11434/api/generate"),
		.answer = ollama_answer_generate,
		.inputs = "prompt", .required = "model", .invalid = 400,
		.fault = OLLAMA_FAULT,
	},
	{
		POST("/localhost:8080/embed"),
		.answer = tei_answer,
		.inputs = "inputs", .invalid = 422, MOST(32, 413),
		.fault = "{\"error\":$m,\"error_type\":\"Validation\"}",
	},
	{
		POST("/*-aiplatform.googleapis.com/v1/projects/*/locations/*/publishers/google/models/*:predict"),
		.answer = vertex_answer,
		KEY("Authorization: Bearer ", 401, "Request is missing required authentication credential."),
		.inputs = "instances.content", .invalid = 400, MOST(250, 400),
		.fault = GOOGLE_FAULT,
	},
	{
		POST("/api-free.deepl.com/v2/translate"),
		.answer = deepl_answer,
		KEY("Authorization: DeepL-Auth-Key ", 403, "Forbidden"),
		.inputs = "text", .required = "target_lang", .invalid = 400, MOST(50, 400),
		.fault = MESSAGE_FAULT,
	},
	{
		POST("/*.cognitiveservices.azure.com/language/:analyze-text"),
		.answer = language_answer,
		KEY("Ocp-Apim-Subscription-Key: ", 401, AZURE_DEMAND),
		.inputs = "analysisInput.documents.text", .required = "kind", .invalid = 400, MOST(10, 400),
		.fault = AZURE_FAULT,
	},
	{
		POST("/api.example.com/v1/labels"),
		.answer = labels_answer,
		KEY("X-API-Key: ", 401, "a key is missing"),
		.inputs = "text", .invalid = 400,
		.fault = MESSAGE_FAULT,
	},
	{
		GET("/api.opencagedata.com/geocode/v1/json"),
		.answer = opencage_answer,
		KEY("?key", 401, "missing API key"),
		.inputs = "?q", .invalid = 400,
		.fault = "{\"results\":[],\"status\":{\"code\":$s,\"message\":$m},\"total_results\":0}",
	},
	{
		GET("/hapi.fhir.org/baseR4/Observation"),
		.answer = fhir_answer_observations,
		.inputs = "?subject", .invalid = 400,
		.fault = FHIR_FAULT,
	},
	{
		GET("/hapi.fhir.org/baseR4/Patient/*"),
		.answer = fhir_answer_patient,
		.inputs = "/", .invalid = 400,
		.fault = FHIR_FAULT,
	},
};

const Endpoint *
vendor_find(const char *path)
{
	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
		if (fnmatch(vendors[i].endpoint.path, path, FNM_PATHNAME) == 0)
			return &vendors[i].endpoint;
	return NULL;
}

static const Vendor *
vendor_of(const Request *request)
{
	return (const Vendor *) ((const char *) request->endpoint - offsetof(Vendor, endpoint));
}

const char *
vendor_argument(const Request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

size_t
vendor_number(Slice object, const char *member, size_t otherwise)
{
	Slice		value = scan_member(object, member);
	char	   *text;
	long		number;

	if (value.start == NULL)
		return otherwise;
	text = xstrndup(value.start, value.length);
	number = strtol(text, NULL, 10);
	free(text);
	return number > 0 ? (size_t) number : otherwise;
}

/* The texts at a path of members, through arrays on the way. */
static void
add_inputs(Inputs *inputs, Slice value, const char *path)
{
	const char *position = NULL;
	Slice		element;

	if (scan_is(value, '['))
	{
		while (scan_element(value, &position, &element))
			add_inputs(inputs, element, path);
	}
	else if (value.start != NULL && *path == '\0')
		inputs_add_value(inputs, value);
	else if (value.start != NULL)
	{
		size_t		length = strcspn(path, ".");
		char	   *member = xstrndup(path, length);

		add_inputs(inputs, scan_member(value, member), path + length + (path[length] == '.'));
		free(member);
	}
}

/*
 * From a path of body members ("outer.inner"), "?parameter", "/" for the last
 * segment of the path, or "chat".  What is missing here is the vendor's to complain of.
 */
static const char *
read_inputs(Request *request)
{
	const char *where = vendor_of(request)->inputs;

	if (where[0] == '?')
	{
		const char *argument = vendor_argument(request, where + 1);

		if (argument != NULL)
			inputs_add_text(&request->inputs, argument);
	}
	else if (where[0] == '/')
		inputs_add_text(&request->inputs, strrchr(request->path, '/') + 1);
	else if (strcmp(where, "chat") == 0)
		(void) inputs_read_chat(request);
	else
		add_inputs(&request->inputs, scan_text(request->body.data, request->body.length), where);
	return NULL;
}

/* Google's name of a status. */
static const char *
status_name(int status)
{
	return status == 401 ? "UNAUTHENTICATED" : status == 404 ? "NOT_FOUND" : "INVALID_ARGUMENT";
}

void
vendor_fault(const Request *request, Answer *answer, int status, const char *message)
{
	answer->status = status;
	answer->body.length = 0;
	for (const char *p = vendor_of(request)->fault; *p != '\0'; p++)
	{
		if (*p != '$')
			buffer_append_char(&answer->body, *p);
		else if (*++p == 's')
			buffer_append_integer(&answer->body, status);
		else if (*p == 't')
			buffer_append_string(&answer->body, status_name(status));
		else
			buffer_append_json(&answer->body, message, strlen(message));
	}
}

/* Any key will do, but it has to be in its place. */
static bool
has_credential(const Request *request)
{
	const char *where = vendor_of(request)->credential;
	const char *value;
	const char *beginning;
	char	   *name;

	if (where == NULL)
		return true;
	if (where[0] == '?')
	{
		value = vendor_argument(request, where + 1);
		return value != NULL && *value != '\0';
	}
	beginning = strchr(where, ':') + 2;
	name = xstrndup(where, (size_t) (beginning - where) - 2);
	value = request_header(request, name);
	free(name);
	return value != NULL && strncmp(value, beginning, strlen(beginning)) == 0 &&
		value[strlen(beginning)] != '\0';
}

/* The first of the members, separated by spaces, that the body lacks; *length 0 if none. */
static const char *
find_missing(Slice body, const char *names, size_t *length)
{
	for (const char *p = names; *p != '\0'; p += *length + (p[*length] == ' '))
	{
		char	   *name;
		bool		there;

		*length = strcspn(p, " ");
		name = xstrndup(p, *length);
		there = scan_member(body, name).start != NULL;
		free(name);
		if (!there)
			return p;
	}
	*length = 0;
	return NULL;
}

/* Answers what cannot be answered otherwise; returns false if all is well. */
static bool
refuse(Request *request, Answer *answer)
{
	const Vendor *vendor = vendor_of(request);
	Slice		body = scan_text(request->body.data, request->body.length);
	size_t		count = request->inputs.count;
	size_t		length = 0;
	const char *missing = NULL;
	char		message[100];

	if (!has_credential(request))
	{
		vendor_fault(request, answer, vendor->unauthorized, vendor->demand);
		return true;
	}
	if (vendor->required != NULL)
		missing = find_missing(body, vendor->required, &length);
	if (missing == NULL && count == 0)
	{
		missing = vendor->inputs;
		length = strlen(missing);
	}
	if (missing != NULL)
	{
		snprintf(message, sizeof(message), "%.*s is required", (int) length, missing);
		vendor_fault(request, answer, vendor->invalid, message);
		return true;
	}
	if (vendor->most == 0 || count <= vendor->most)
		return false;
	snprintf(message, sizeof(message), "batch size %zu > maximum allowed batch size %zu", count,
			 vendor->most);
	vendor_fault(request, answer, vendor->too_many, message);
	return true;
}

static void
answer_vendor(Request *request, Answer *answer)
{
	if (!refuse(request, answer))
		vendor_of(request)->answer(request, answer);
}
