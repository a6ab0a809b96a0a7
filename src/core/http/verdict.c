/*-------------------------------------------------------------------------
 *
 * verdict.c
 *	  What a request that has ended means for its rows and its job.
 *
 * Mostly the status decides.  Two things it does not tell, and the body does:
 *
 * A 429 says "too many requests" of a limit that renews itself within moments,
 * and of an account that has nothing left to spend.  Waiting helps with the first
 * only.  Error codes decide where there are any; phrases count as "nothing left"
 * only where nothing says that it passes, for providers use the same sentence
 * for both (Google tells of a limit a minute "You exceeded your current quota,
 * please check your plan and billing details").  In doubt it is throttling: that
 * costs time and nothing else.
 *
 * A 400 is about the request's rows, but some providers answer so to a key that
 * is wrong or an account without credit.  There only codes count, and sentences
 * that begin so: an error may quote the row, and no row may pause a job.
 *
 *-------------------------------------------------------------------------
 */
#include "http/verdict.h"

#include <stdio.h>
#include <string.h>

#include "response/response.h"

/* As much of a body is searched: what matters stands near its beginning. */
#define SEARCHED_BYTES 4096

/* Longest reason of an API that is shown; and what is read of it, before secrets go. */
#define REASON_BYTES 400
#define REASON_READ_BYTES 4000

#define HINT_KEY \
	"Check the key in the user mapping of the job's owner, or of PUBLIC: ALTER USER MAPPING. " \
	"Then use enrich.resume."
#define HINT_ACCOUNT \
	"The account behind the key has nothing left to spend: see to it with the API's provider, or " \
	"use another key (ALTER USER MAPPING). Then use enrich.resume."
#define HINT_RIGHTS \
	"The API knows the key and does not allow this with it: check the key's rights, the model and " \
	"the path. Then use enrich.resume."
#define HINT_ADDRESS \
	"Check the server's url (ALTER SERVER) and the job's path, which enrich.preview shows. Then use " \
	"enrich.resume; with another path cancel the job and start it again."
#define HINT_METHOD \
	"Check the server's option method, its url and the job's path. Then use enrich.resume."
#define HINT_FORM \
	"Check the server's options headers and method against the API's documentation. Then use " \
	"enrich.resume."
#define HINT_PROXY \
	"Check the server's option proxy. Then use enrich.resume."
#define HINT_REDIRECT \
	"Set the server's url to the address that it redirects to, or its option follow_redirects. " \
	"Then use enrich.resume."
#define HINT_HOST \
	"Check the host in the server's url, or its option proxy: ALTER SERVER. Then use enrich.resume."
#define HINT_TLS \
	"Check the server's url and its options ca_file and verify_tls: ALTER SERVER. Then use " \
	"enrich.resume."
#define HINT_CERTIFICATE \
	"The server demands a client certificate, which pg_enrich does not send: reach it by a proxy that " \
	"does. Then use enrich.resume."
#define HINT_REQUEST \
	"Check the server's options with enrich.preview: ALTER SERVER. Then use enrich.resume."

/* Statuses below 500 that do not mean the rows. */
typedef struct StatusMeaning
{
	int			status;
	VerdictKind kind;
	const char *hint;
} StatusMeaning;

static const StatusMeaning statuses[] = {
	{401, VERDICT_CONFIGURATION, HINT_KEY},
	{402, VERDICT_CONFIGURATION, HINT_ACCOUNT},
	{403, VERDICT_CONFIGURATION, HINT_RIGHTS},
	{404, VERDICT_CONFIGURATION, HINT_ADDRESS},
	{405, VERDICT_CONFIGURATION, HINT_METHOD},
	{406, VERDICT_CONFIGURATION, HINT_FORM},
	{407, VERDICT_CONFIGURATION, HINT_PROXY},
	{408, VERDICT_TRANSIENT, NULL}, /* request timeout */
	{409, VERDICT_TRANSIENT, NULL}, /* conflict with another request */
	{410, VERDICT_CONFIGURATION, HINT_ADDRESS},
	{411, VERDICT_CONFIGURATION, HINT_FORM},
	{415, VERDICT_CONFIGURATION, HINT_FORM},
	{421, VERDICT_CONFIGURATION, HINT_ADDRESS},
	{423, VERDICT_TRANSIENT, NULL}, /* locked */
	{425, VERDICT_TRANSIENT, NULL}, /* too early */
	{426, VERDICT_CONFIGURATION, HINT_FORM},
	{431, VERDICT_CONFIGURATION, HINT_FORM},
	{456, VERDICT_CONFIGURATION, HINT_ACCOUNT}, /* DeepL's quota exceeded */
	{499, VERDICT_TRANSIENT, NULL}, /* a proxy lost its client */
};

/* Where error bodies have their codes. */
static const char *const code_places[][3] = {
	{"error", "code"},
	{"error", "type"},
	{"error", "status"},
	{"error", "details", "reason"},
	{"errors", "code"},
	{"errors", "type"},
	{"code"},
	{"type"},
	{"status"},
	{"error"},
	{"__type"},
};

/* Codes that say that there is nothing left to spend, in whatever period. */
static const char *const account_codes[] = {
	"insufficient_quota",
	"billing_not_active",
	"billing_hard_limit_reached",
	"billing_error",
	"billing_disabled",
	"insufficient_credits",
	"insufficient_balance",
	"insufficient_funds",
	"credits_exhausted",
	"payment_required",
	"access_terminated",
	NULL
};

/* Codes of a key that is none, with a status that blames the request. */
static const char *const key_codes[] = {
	"api_key_invalid",
	"api_key_expired",
	"invalid_api_key",
	"incorrect_api_key",
	"unrecognizedclientexception",
	"expiredtokenexception",
	NULL
};

/* The same in sentences, each as it begins. */
static const char *const account_openings[] = {
	"your credit balance is too low",
	"billing hard limit has been reached",
	"insufficient balance",
	"insufficient credit",
	"your account is not active",
	NULL
};

static const char *const key_openings[] = {
	"api key not valid",
	"api key expired",
	"invalid api key",
	"incorrect api key",
	NULL
};

/* Phrases that mean money wherever they stand in a 429. */
static const char *const account_phrases[] = {
	"credit balance",
	"insufficient credit",
	"insufficient balance",
	"insufficient funds",
	"out of credits",
	"not enough credits",
	"no credits left",
	"billing hard limit",
	"account is not active",
	NULL
};

/* Phrases of a quota that is used up, unless something says that it renews itself soon. */
static const char *const quota_phrases[] = {
	"exceeded your current quota",
	"quota exceeded",
	"quota has been exceeded",
	"quota exhausted",
	"quota has been exhausted",
	"quota is exhausted",
	"exceeded your quota",
	"exceeded your monthly",
	"out of quota",
	"out of call volume quota",
	"monthly quota",
	"monthly limit",
	"spending limit",
	"usage limit",
	"check your billing",
	"billing details",
	NULL
};

/* What says so. */
static const char *const passing_phrases[] = {
	"per second",
	"per minute",
	"per hour",
	"persecond",
	"perminute",
	"perhour",
	"rate limit",
	"ratelimit",
	"too many requests",
	"try again in",
	"retry in",
	"retry after",
	"retrydelay",
	"concurren",
	NULL
};

/* ASCII only: the same in every locale. */
static char
fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char) (c + ('a' - 'A'));
	return c == '_' || c == '-' ? ' ' : c;
}

/* As text to search: lower case, with blanks for what joins words. */
static void
copy_folded(char *out, size_t size, const char *text, size_t length)
{
	size_t		used = 0;

	for (; used < length && used < size - 1 && text[used] != '\0'; used++)
		out[used] = fold(text[used]);
	out[used] = '\0';
}

static bool
contains_any(const char *text, const char *const *phrases)
{
	for (; *phrases != NULL; phrases++)
	{
		if (strstr(text, *phrases) != NULL)
			return true;
	}
	return false;
}

static bool
begins_with_any(const char *text, const char *const *phrases)
{
	for (; *phrases != NULL; phrases++)
	{
		if (strncmp(text, *phrases, strlen(*phrases)) == 0)
			return true;
	}
	return false;
}

typedef struct CodeSearch
{
	const char *const *codes;
	bool		found;
} CodeSearch;

/* PathVisitor: is this string one of the codes, in any case? */
static bool
match_code(JsonSlice value, void *state)
{
	CodeSearch *search = state;

	for (const char *const *code = search->codes; *code != NULL && !search->found; code++)
	{
		size_t		length = strlen(*code);
		size_t		same = 0;

		if (json_kind(value) != JSON_STRING || value.length != length + 2)
			continue;
		while (same < length && fold(value.start[same + 1]) == fold((*code)[same]))
			same++;
		search->found = same == length;
	}
	return !search->found;
}

/* Does an error body hold one of the codes, at a place where codes stand? */
static bool
has_code(JsonSlice body, const char *const *codes)
{
	CodeSearch	search = {codes, false};

	for (size_t place = 0; place < sizeof(code_places) / sizeof(code_places[0]); place++)
	{
		PathStep	steps[4] = {{0}};
		Path		path = {
			.steps = steps,
			.text = ""
		};

		for (int i = 0; i < 3 && code_places[place][i] != NULL; i++)
		{
			steps[path.step_count].kind = PATH_MEMBER;
			steps[path.step_count].name = code_places[place][i];
			steps[path.step_count++].name_length = strlen(code_places[place][i]);
		}
		steps[path.step_count++].kind = PATH_ALL;	/* "error" may be a list
													 * of them, too */
		(void) path_walk(&path, body, match_code, &search);
	}
	return search.found;
}

/* What the words of an error answer say of key and account. */
typedef struct Words
{
	JsonSlice	json;			/* start NULL: the body is none */
	char		reason[512];	/* the API's sentence, folded */
	char		text[SEARCHED_BYTES];	/* the body's beginning, folded */
} Words;

static void
read_words(const VerdictCase *ended, Words *words)
{
	char		reason[sizeof(words->reason)];
	JsonFault	fault;

	if (!json_parse(ended->body, ended->body_length, &words->json, &fault))
		words->json.start = NULL;
	response_error_text(ended->body, ended->body_length, reason, sizeof(reason));
	copy_folded(words->reason, sizeof(words->reason), reason, strlen(reason));
	copy_folded(words->text, sizeof(words->text), ended->body, ended->body_length);
}

static bool
says_code(const Words *words, const char *const *codes)
{
	return words->json.start != NULL && has_code(words->json, codes);
}

/* Of a 429: has the account nothing left? */
static bool
is_exhausted(const VerdictCase *ended)
{
	Words		words;

	if (ended->body_length == 0)
		return false;
	read_words(ended, &words);
	if (says_code(&words, account_codes) || contains_any(words.reason, account_phrases))
		return true;
	return contains_any(words.reason, quota_phrases) && !ended->asks_to_wait &&
		!contains_any(words.text, passing_phrases);
}

static Verdict
verdict(VerdictKind kind, const char *hint)
{
	Verdict		made = {kind, hint};

	return made;
}

static Verdict
configuration(const char *hint)
{
	return verdict(VERDICT_CONFIGURATION, hint);
}

static Verdict
simply(VerdictKind kind)
{
	return verdict(kind, NULL);
}

/* nginx says so in a page of its own, which begins so: no row can make it. */
static bool
demands_certificate(const VerdictCase *ended)
{
	static const char page[] =
		"<html>\r\n<head><title>400 No required SSL certificate was sent</title>";

	return ended->body_length >= sizeof(page) - 1 &&
		memcmp(ended->body, page, sizeof(page) - 1) == 0;
}

/* Of a 400: key or account, in a provider's disguise? */
static Verdict
of_bad_request(const VerdictCase *ended)
{
	Words		words;

	if (ended->body_length == 0)
		return simply(VERDICT_BAD_ROWS);
	if (demands_certificate(ended))
		return configuration(HINT_CERTIFICATE);
	read_words(ended, &words);
	if (says_code(&words, account_codes) || begins_with_any(words.reason, account_openings))
		return configuration(HINT_ACCOUNT);
	if (says_code(&words, key_codes) || begins_with_any(words.reason, key_openings))
		return configuration(HINT_KEY);
	return simply(VERDICT_BAD_ROWS);
}

/* Of a whole answer. */
static Verdict
of_status(const VerdictCase *ended)
{
	int			status = ended->status;

	if (status / 100 == 2)
		return simply(VERDICT_ANSWERED);

	/*
	 * An address that was made of the row may be missing, or elsewhere, for
	 * that row alone.
	 */
	if (ended->names_row && (status / 100 == 3 || status == 404 || status == 410))
		return simply(VERDICT_BAD_ROWS);
	if (status / 100 == 3)
		return configuration(HINT_REDIRECT);
	/* 529: overloaded, in words of Anthropic and others */
	if ((status == 503 && ended->asks_to_wait) || status == 529)
		return simply(VERDICT_THROTTLED);
	if (status / 100 != 4)
		return simply(VERDICT_TRANSIENT);
	if (status == 429)
		return is_exhausted(ended) ? configuration(HINT_ACCOUNT) : simply(VERDICT_THROTTLED);
	if (status == 400)
		return of_bad_request(ended);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
	{
		if (statuses[i].status == status)
			return verdict(statuses[i].kind, statuses[i].hint);
	}
	return simply(VERDICT_BAD_ROWS);
}

/* Of what cannot work as it is set up. */
static Verdict
of_refusal(const VerdictCase *ended)
{
	if (ended->others_pass &&
		(ended->refusal == HTTP_REFUSED_TLS || ended->refusal == HTTP_REFUSED_PROXY))
		return simply(VERDICT_TRANSIENT);
	switch (ended->refusal)
	{
		case HTTP_REFUSED_HOST:
		case HTTP_REFUSED_PROTOCOL:
			return configuration(HINT_HOST);
		case HTTP_REFUSED_PROXY:
			return configuration(HINT_PROXY);
		case HTTP_REFUSED_TLS:
			return configuration(HINT_TLS);
		case HTTP_REFUSED_REDIRECT:
		case HTTP_REFUSED_REQUEST:
			break;
	}

	/*
	 * As above; and the URL may be impossible, by its length, for that row
	 * alone.
	 */
	if (ended->names_row)
		return simply(VERDICT_BAD_ROWS);
	return configuration(ended->refusal == HTTP_REFUSED_REDIRECT ? HINT_REDIRECT : HINT_REQUEST);
}

Verdict
verdict_of(const VerdictCase *ended)
{
	switch (ended->fault)
	{
		case HTTP_ANSWERED:
			if (ended->names_row && ended->is_not_found)
				return simply(VERDICT_NOTHING);
			return of_status(ended);
		case HTTP_REFUSED:
			return of_refusal(ended);
		case HTTP_TOO_LARGE:
			return simply(VERDICT_BAD_ROWS);
		case HTTP_TRANSIENT:
			if (ended->proxy_status == 429 ||
				(ended->proxy_status == 503 && ended->asks_to_wait))
				return simply(VERDICT_THROTTLED);
			break;
		case HTTP_NOT_SENT:
		case HTTP_INTERNAL:
			break;
	}
	return simply(VERDICT_TRANSIENT);
}

void
describe_http_failure(const HttpResult *result, TextFilter hide, const void *secrets,
					  char out[HTTP_FAILURE_SIZE])
{
	char		said[REASON_READ_BYTES];
	const char *reason;
	size_t		length;

	if (result->fault != HTTP_ANSWERED)
	{
		snprintf(out, HTTP_FAILURE_SIZE, "%s", result->error);
		return;
	}
	response_error_text(result->body.data, result->body.length, said, sizeof(said));
	reason = hide(said, secrets);
	length = strlen(reason);
	if (length > REASON_BYTES)
		length = REASON_BYTES;
	snprintf(out, HTTP_FAILURE_SIZE, "HTTP status %d%s%.*s", result->status,
			 length > 0 ? ": " : "", (int) utf8_valid_prefix(reason, length), reason);
}
