/*-------------------------------------------------------------------------
 *
 * verdict_test.c
 *	  Unit tests of verdict.c: error answers of providers, and what they mean.
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"
#include "http/verdict.h"

static Verdict
judge(int status, bool asks_to_wait, const char *body)
{
	VerdictCase ended = {.fault = HTTP_ANSWERED, .status = status};

	ended.asks_to_wait = asks_to_wait;
	ended.body = body;
	ended.body_length = body != NULL ? strlen(body) : 0;
	return verdict_of(&ended);
}

static void
test_statuses(void)
{
	static const struct
	{
		int			status;
		VerdictKind kind;
	}			cases[] = {
		{200, VERDICT_ANSWERED}, {201, VERDICT_ANSWERED}, {204, VERDICT_ANSWERED},
		{301, VERDICT_CONFIGURATION}, {304, VERDICT_CONFIGURATION},
		{400, VERDICT_BAD_ROWS}, {413, VERDICT_BAD_ROWS}, {414, VERDICT_BAD_ROWS},
		{416, VERDICT_BAD_ROWS}, {418, VERDICT_BAD_ROWS}, {422, VERDICT_BAD_ROWS},
		{424, VERDICT_BAD_ROWS}, {451, VERDICT_BAD_ROWS},
		{401, VERDICT_CONFIGURATION}, {402, VERDICT_CONFIGURATION}, {403, VERDICT_CONFIGURATION},
		{404, VERDICT_CONFIGURATION}, {405, VERDICT_CONFIGURATION}, {407, VERDICT_CONFIGURATION},
		{410, VERDICT_CONFIGURATION}, {415, VERDICT_CONFIGURATION}, {456, VERDICT_CONFIGURATION},
		{408, VERDICT_TRANSIENT}, {409, VERDICT_TRANSIENT}, {425, VERDICT_TRANSIENT},
		{500, VERDICT_TRANSIENT}, {502, VERDICT_TRANSIENT}, {503, VERDICT_TRANSIENT},
		{504, VERDICT_TRANSIENT}, {599, VERDICT_TRANSIENT}, {700, VERDICT_TRANSIENT},
		{100, VERDICT_TRANSIENT}, {429, VERDICT_THROTTLED}, {529, VERDICT_THROTTLED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Verdict		verdict = judge(cases[i].status, false, NULL);
		char		name[64];

		snprintf(name, sizeof(name), "status %d", cases[i].status);
		is_int(verdict.kind, cases[i].kind, name);
		if ((verdict.hint != NULL) != (verdict.kind == VERDICT_CONFIGURATION))
			ok(false, "a hint comes with configuration, and only then");
	}
	is_int(judge(503, true, NULL).kind, VERDICT_THROTTLED, "503 with Retry-After");
	is_int(judge(400, false, "<html>\r\n<head><title>400 No required SSL certificate was sent</title>"
				 "</head>\r\n").kind, VERDICT_CONFIGURATION, "nginx wants a client certificate");
	is_int(judge(400, false, "{\"error\": \"<title>400 No required SSL certificate was sent</title>\"}").kind,
		   VERDICT_BAD_ROWS, "a row that says so is a row");
	is_int(judge(500, true, NULL).kind, VERDICT_TRANSIENT, "500 with Retry-After");
	is_int(judge(401, true, NULL).kind, VERDICT_CONFIGURATION, "401 with Retry-After");
}

/* A look-up whose URL was made of the row. */
static void
test_look_up(void)
{
	VerdictCase ended = {.fault = HTTP_ANSWERED, .status = 404, .names_row = true};

	is_int(verdict_of(&ended).kind, VERDICT_BAD_ROWS, "404 that the server does not list");
	ended.is_not_found = true;
	is_int(verdict_of(&ended).kind, VERDICT_NOTHING, "404 that it lists");
	ended.status = 204;
	is_int(verdict_of(&ended).kind, VERDICT_NOTHING, "whatever status it lists");
	ended.names_row = false;
	ended.status = 404;
	is_int(verdict_of(&ended).kind, VERDICT_CONFIGURATION, "404 where the URL names no row");
	ended.names_row = true;
	ended.is_not_found = false;
	ended.status = 403;
	is_int(verdict_of(&ended).kind, VERDICT_CONFIGURATION, "403 of a look-up");
	ended.fault = HTTP_REFUSED;
	is_int(verdict_of(&ended).kind, VERDICT_BAD_ROWS, "a URL that cannot be sent");
	ended.refusal = HTTP_REFUSED_REDIRECT;
	is_int(verdict_of(&ended).kind, VERDICT_BAD_ROWS, "a redirect that is refused");
	ended.refusal = HTTP_REFUSED_HOST;
	is_int(verdict_of(&ended).kind, VERDICT_CONFIGURATION, "an unknown host");
	ended.fault = HTTP_ANSWERED;
	ended.status = 302;
	is_int(verdict_of(&ended).kind, VERDICT_BAD_ROWS, "a redirect that is not followed");
}

static void
test_faults(void)
{
	VerdictCase ended = {.fault = HTTP_TRANSIENT};

	is_int(verdict_of(&ended).kind, VERDICT_TRANSIENT, "no connection, or the like");
	ended.status = 401;
	is_int(verdict_of(&ended).kind, VERDICT_TRANSIENT, "... though a status had come");
	ended.fault = HTTP_INTERNAL;
	is_int(verdict_of(&ended).kind, VERDICT_TRANSIENT, "out of memory");
	ended.fault = HTTP_TOO_LARGE;
	is_int(verdict_of(&ended).kind, VERDICT_BAD_ROWS, "too large an answer");
	ended.fault = HTTP_REFUSED;
	for (int refusal = HTTP_REFUSED_REQUEST; refusal <= HTTP_REFUSED_REDIRECT; refusal++)
	{
		char		name[32];

		ended.refusal = (HttpRefusal) refusal;
		snprintf(name, sizeof(name), "refusal %d", refusal);
		is_int(verdict_of(&ended).kind, VERDICT_CONFIGURATION, name);
		ok(verdict_of(&ended).hint != NULL, "... with a hint");
	}
	ended.refusal = HTTP_REFUSED_TLS;
	ok(strstr(verdict_of(&ended).hint, "ca_file") != NULL, "the hint is the refusal's own");
	ended.others_pass = true;
	is_int(verdict_of(&ended).kind, VERDICT_TRANSIENT, "a handshake that fails while others pass");
	ended.refusal = HTTP_REFUSED_PROXY;
	is_int(verdict_of(&ended).kind, VERDICT_TRANSIENT, "a proxy that refuses, the same");
	ended.refusal = HTTP_REFUSED_HOST;
	is_int(verdict_of(&ended).kind, VERDICT_CONFIGURATION, "but an unknown host stays unknown");
}

/* A proxy that would not make a tunnel. */
static void
test_proxies(void)
{
	VerdictCase ended = {.fault = HTTP_TRANSIENT, .proxy_status = 429};

	is_int(verdict_of(&ended).kind, VERDICT_THROTTLED, "a proxy's 429");
	ended.proxy_status = 503;
	is_int(verdict_of(&ended).kind, VERDICT_TRANSIENT, "a proxy's 503");
	ended.asks_to_wait = true;
	is_int(verdict_of(&ended).kind, VERDICT_THROTTLED, "... with Retry-After");
	ended.proxy_status = 502;
	is_int(verdict_of(&ended).kind, VERDICT_TRANSIENT, "a proxy's 502");
}

/* Answers as providers give them, shortened. */
#define OPENAI_QUOTA \
	"{\"error\":{\"message\":\"You exceeded your current quota, please check your plan and billing " \
	"details. For more information on this error, read the docs.\",\"type\":\"insufficient_quota\"," \
	"\"param\":null,\"code\":\"insufficient_quota\"}}"
#define OPENAI_RATE \
	"{\"error\":{\"message\":\"Rate limit reached for gpt-4o in organization org-x on tokens per " \
	"min (TPM): Limit 30000, Used 29500, Requested 900. Please try again in 800ms. You can " \
	"increase your rate limit by adding a payment method to your account at " \
	"https://platform.openai.com/account/billing.\",\"type\":\"tokens\",\"param\":null," \
	"\"code\":\"rate_limit_exceeded\"}}"
#define AZURE_RATE \
	"{\"error\":{\"code\":\"429\",\"message\":\"Requests to the Embeddings_Create Operation under " \
	"Azure OpenAI API version 2024-02-01 have exceeded call rate limit of your current OpenAI S0 " \
	"pricing tier. Please retry after 6 seconds. Please go here: https://aka.ms/oai/quotaincrease " \
	"if you would like to further increase the default rate limit.\"}}"
#define AZURE_QUOTA \
	"{\"error\":{\"code\":\"429\",\"message\":\"Out of call volume quota for TextAnalytics F0 " \
	"pricing tier. To increase your call volume switch to a paid tier.\"}}"
#define ANTHROPIC_RATE \
	"{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"This request would " \
	"exceed your organization's rate limit of 50,000 input tokens per minute.\"}}"
#define ANTHROPIC_CREDIT \
	"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit " \
	"balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or " \
	"purchase credits.\"}}"
#define GOOGLE_MINUTE \
	"{\"error\":{\"code\":429,\"message\":\"Quota exceeded for quota metric 'Generate Content API " \
	"requests' and limit 'GenerateContent requests per minute' of service " \
	"'generativelanguage.googleapis.com'.\",\"status\":\"RESOURCE_EXHAUSTED\"}}"
#define GOOGLE_DETAILS \
	"{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota, please check your plan " \
	"and billing details.\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"QuotaFailure\"," \
	"\"violations\":[{\"quotaId\":\"GenerateRequestsPerMinutePerProjectPerModel-FreeTier\"}]}]}}"
#define GOOGLE_RETRY \
	"{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota, please check your plan " \
	"and billing details.\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":" \
	"\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"22s\"}]}}"
#define VERTEX \
	"{\"error\":{\"code\":429,\"message\":\"Quota exceeded for aiplatform.googleapis.com/" \
	"generate_content_requests_per_minute_per_project_per_base_model with base model: x.\"," \
	"\"status\":\"RESOURCE_EXHAUSTED\"}}"
#define GOOGLE_BARE \
	"{\"error\":{\"code\":429,\"message\":\"Resource has been exhausted (e.g. check quota).\"," \
	"\"status\":\"RESOURCE_EXHAUSTED\"}}"

static void
test_too_many_requests(void)
{
	static const struct
	{
		const char *name;
		const char *body;
		VerdictKind kind;
	}			cases[] = {
		{"OpenAI: quota", OPENAI_QUOTA, VERDICT_CONFIGURATION},
		{"OpenAI: rate", OPENAI_RATE, VERDICT_THROTTLED},
		{"Azure: rate", AZURE_RATE, VERDICT_THROTTLED},
		{"Azure: call volume", AZURE_QUOTA, VERDICT_CONFIGURATION},
		{"Anthropic: rate", ANTHROPIC_RATE, VERDICT_THROTTLED},
		{"Anthropic: credit", ANTHROPIC_CREDIT, VERDICT_CONFIGURATION},
		{"Google: per minute", GOOGLE_MINUTE, VERDICT_THROTTLED},
		{"Google: per minute in the details", GOOGLE_DETAILS, VERDICT_THROTTLED},
		{"Google: says when to come again", GOOGLE_RETRY, VERDICT_THROTTLED},
		{"Google: Vertex", VERTEX, VERDICT_THROTTLED},
		{"Google: without a period", GOOGLE_BARE, VERDICT_THROTTLED},
		{"text: monthly", "You have exceeded your monthly quota.", VERDICT_CONFIGURATION},
		{"text: slow down", "Slow down!", VERDICT_THROTTLED},
		{"text: quota and rate", "Quota exceeded: rate limit is 10 per second", VERDICT_THROTTLED},
		{"a list of errors", "{\"errors\":[{\"code\":\"other\"},{\"code\":\"Insufficient-Credits\"}]}",
		VERDICT_CONFIGURATION},
		{"a code without a message", "{\"error\":{\"code\":\"insufficient_quota\"}}",
		VERDICT_CONFIGURATION},
		{"a code that merely begins so", "{\"code\":\"insufficient_quota_per_minute\"}",
		VERDICT_THROTTLED},
		{"JSON cut off", "{\"error\":{\"code\":\"insufficient_quota\"", VERDICT_THROTTLED},
		{"empty object", "{}", VERDICT_THROTTLED},
		{"HTML", "<html><body>429</body></html>", VERDICT_THROTTLED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(judge(429, false, cases[i].body).kind, cases[i].kind, cases[i].name);
	is_int(judge(429, true, OPENAI_QUOTA).kind, VERDICT_CONFIGURATION,
		   "a code counts though a time to wait is named");
	is_int(judge(429, true, "You have exceeded your monthly quota.").kind, VERDICT_THROTTLED,
		   "a phrase does not");
}

static void
test_bad_request(void)
{
	Verdict		verdict = judge(400, false, ANTHROPIC_CREDIT);

	is_int(verdict.kind, VERDICT_CONFIGURATION, "400: no credit");
	ok(strstr(verdict.hint, "spend") != NULL, "... has the account's hint");
	verdict = judge(400, false, "{\"error\":{\"code\":400,\"message\":\"API key not valid. Please "
					"pass a valid API key.\",\"status\":\"INVALID_ARGUMENT\"}}");
	is_int(verdict.kind, VERDICT_CONFIGURATION, "400: no valid key");
	ok(strstr(verdict.hint, "user mapping") != NULL, "... has the key's hint");
	is_int(judge(400, false, "{\"error\":{\"details\":[{\"reason\":\"API_KEY_INVALID\"}]}}").kind,
		   VERDICT_CONFIGURATION, "400: the same, by a code in the details");
	is_int(judge(400, false, "{\"error\":{\"message\":\"cannot embed: 'Your credit balance is too "
				 "low'\"}}").kind, VERDICT_BAD_ROWS, "400: a quoted row is no evidence");
	is_int(judge(422, false, ANTHROPIC_CREDIT).kind, VERDICT_BAD_ROWS, "422 is about the rows");
	is_int(judge(400, false, "{\"detail\":[{\"input\":\"insufficient_quota\"}]}").kind,
		   VERDICT_BAD_ROWS, "400: nor is a code where none stands");
}

/* A text behind the secret that it begins with, if it does. */
static const char *
hide(const char *text, const void *secret)
{
	size_t		length = strlen(secret);

	return strncmp(text, secret, length) == 0 ? text + length : text;
}

static void
test_descriptions(void)
{
	char		body[2000];
	char		description[HTTP_FAILURE_SIZE];
	HttpResult	result = {.fault = HTTP_TRANSIENT, .status = 200, .error = "timed out (host:80)"};

	describe_http_failure(&result, hide, "", description);
	is_str(description, "timed out (host:80)", "what failed is described by how it failed");
	result.fault = HTTP_ANSWERED;
	result.status = 502;
	describe_http_failure(&result, hide, "", description);
	is_str(description, "HTTP status 502", "an answer without a reason, by its status alone");
	result.body.data = body;
	result.body.length = snprintf(body, sizeof(body), "{\"error\": {\"message\": \"no\"}}");
	describe_http_failure(&result, hide, "", description);
	is_str(description, "HTTP status 502: no", "an answer with a reason");

	/* a secret, then two bytes a character, which a cut at 400 bytes would halve */
	result.body.length = snprintf(body, sizeof(body), "secret.");
	for (int i = 0; i < 300; i++)
		result.body.length += snprintf(body + result.body.length, 3, "\xc3\xa4");
	describe_http_failure(&result, hide, "secret", description);
	is_int(strlen(description), strlen("HTTP status 502: .") + 2 * 199, "cut between characters");
	ok(strncmp(description, "HTTP status 502: .\xc3\xa4", 20) == 0, "... once the secret is out");
}

int
main(void)
{
	test_statuses();
	test_look_up();
	test_faults();
	test_proxies();
	test_too_many_requests();
	test_bad_request();
	test_descriptions();
	return done_testing();
}
