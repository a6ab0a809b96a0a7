/*-------------------------------------------------------------------------
 *
 * items.c
 *	  The endpoints that answer with an item for each input: items, array,
 *	  item, answer and big.
 *
 *-------------------------------------------------------------------------
 */
#include "items.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "endpoints.h"
#include "scan.h"

#define BIG_DEFAULT_BYTES 1000000

ItemPlan
items_plan(const Request *request, size_t inputs)
{
	int64_t		count = (int64_t) inputs + request->script->count;
	ItemPlan	plan = {request->script, count > 0 ? (size_t) count : 0, NULL};

	if (!plan.script->shuffle)
		return plan;
	plan.order = xmalloc(plan.count * sizeof(size_t));
	for (size_t i = 0; i < plan.count; i++)
	{
		size_t		other = hash_mix(request->key, i) % (i + 1);

		plan.order[i] = plan.order[other];
		plan.order[other] = i;
	}
	return plan;
}

void
items_plan_free(ItemPlan *plan)
{
	free(plan->order);
	plan->order = NULL;
}

size_t
items_plan_row(const ItemPlan *plan, size_t i)
{
	return plan->order != NULL ? plan->order[i] : i;
}

/* With duplicate_index the last row says that it is the first. */
int64_t
items_plan_index(const ItemPlan *plan, size_t i)
{
	size_t		row = items_plan_row(plan, i);

	if (plan->script->no_index)
		return -1;
	return plan->script->duplicate_index && row == plan->count - 1 ? 0 : (int64_t) row;
}

bool
items_plan_is_null(const ItemPlan *plan, size_t i)
{
	int64_t		every = plan->script->null_items;

	return every > 0 && (items_plan_row(plan, i) + 1) % (size_t) every == 0;
}

/* A row beyond the inputs, which count=+1 makes, repeats the last one. */
static Slice
input_of_row(const Request *request, size_t row)
{
	size_t		count = request->inputs.count;

	if (count == 0)
		return (Slice) {"", 0};
	return inputs_get(&request->inputs, row < count ? row : count - 1);
}

void
items_write(Buffer *json, const Request *request, ItemWriter writer)
{
	ItemPlan	plan = items_plan(request, request->inputs.count);

	for (size_t i = 0; i < plan.count; i++)
	{
		if (i > 0)
			buffer_append_char(json, ',');
		if (items_plan_is_null(&plan, i))
			buffer_append_string(json, "null");
		else
			writer(json, request, input_of_row(request, items_plan_row(&plan, i)),
				   items_plan_index(&plan, i));
	}
	items_plan_free(&plan);
}

static void
free_digest(void *context)
{
	EVP_MD_CTX_free(context);
}

static pthread_key_t digest_key;
static pthread_once_t digest_once = PTHREAD_ONCE_INIT;
static EVP_MD *digest_type;

static void
prepare_digest(void)
{
	digest_type = EVP_MD_fetch(NULL, "MD5", NULL);
	if (digest_type == NULL || pthread_key_create(&digest_key, free_digest) != 0)
		abort();
}

int64_t
items_value(Slice input)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context;

	pthread_once(&digest_once, prepare_digest);
	context = pthread_getspecific(digest_key);
	if (context == NULL)
	{
		context = EVP_MD_CTX_new();
		pthread_setspecific(digest_key, context);
	}
	EVP_DigestInit_ex2(context, digest_type, NULL);
	EVP_DigestUpdate(context, input.start, input.length);
	EVP_DigestFinal_ex(context, digest, NULL);
	return ((uint32_t) digest[0] << 24 | (uint32_t) digest[1] << 16 |
			(uint32_t) digest[2] << 8 | digest[3]) % 1000000;
}

static void
write_item(Buffer *json, const Request *request, Slice input, int64_t index)
{
	(void) request;
	buffer_append_char(json, '{');
	if (index >= 0)
	{
		buffer_append_string(json, "\"index\":");
		buffer_append_integer(json, index);
		buffer_append_char(json, ',');
	}
	buffer_append_string(json, "\"value\":");
	buffer_append_integer(json, items_value(input));
	buffer_append_string(json, ",\"text\":");
	buffer_append_json(json, input.start, input.length);
	buffer_append_string(json, ",\"upper\":");
	buffer_append_json_upper(json, input.start, input.length);
	buffer_append_string(json, ",\"length\":");
	buffer_append_integer(json, (int64_t) utf8_length(input.start, input.length));
	buffer_append_char(json, '}');
}

void
items_answer_object(Request *request, Answer *answer)
{
	buffer_append_string(&answer->body, "{\"items\":[");
	items_write(&answer->body, request, write_item);
	buffer_append_string(&answer->body, "]}");
}

void
items_answer_array(Request *request, Answer *answer)
{
	buffer_append_char(&answer->body, '[');
	items_write(&answer->body, request, write_item);
	buffer_append_char(&answer->body, ']');
}

void
items_answer_one(Request *request, Answer *answer)
{
	ItemPlan	plan = {request->script, 1, NULL};

	if (items_plan_is_null(&plan, 0))
		buffer_append_string(&answer->body, "null");
	else
		write_item(&answer->body, request, input_of_row(request, 0), items_plan_index(&plan, 0));
}

/* The input is the item: as it is if that is JSON, or if the script says raw. */
static void
write_given(Buffer *json, const Request *request, Slice input, int64_t index)
{
	(void) index;
	if (request->script->raw || scan_text(input.start, input.length).start != NULL)
		buffer_append(json, input.start, input.length);
	else
		buffer_append_json(json, input.start, input.length);
}

void
items_answer_given(Request *request, Answer *answer)
{
	buffer_append_string(&answer->body, "{\"items\":[");
	items_write(&answer->body, request, write_given);
	buffer_append_string(&answer->body, "]}");
}

/* The answer of /big on its way: "text" is next, then "fill" times an x. */
typedef struct Big
{
	Source		source;
	ItemPlan	plan;
	bool		endless;
	uint64_t	fill_each;		/* x in each value */
	uint64_t	fill_more;		/* and in the first one, so that the sum comes out */
	size_t		next;			/* the item that comes after text and fill */
	bool		inside;			/* text and fill belong to an item that is to be closed */
	Buffer		text;
	size_t		text_sent;
	uint64_t	fill;
} Big;

/* The text up to the value of the next item, or the end of the answer. */
static void
big_advance(Big *big)
{
	Buffer	   *text = &big->text;
	int64_t		index;

	text->length = big->text_sent = 0;
	if (big->inside)
		buffer_append_string(text, "\"}");
	else if (big->next == 0)
		buffer_append_string(text, "{\"items\":[");
	big->inside = big->next < big->plan.count && !items_plan_is_null(&big->plan, big->next);
	if (big->next < big->plan.count && big->next > 0)
		buffer_append_char(text, ',');
	if (big->inside)
	{
		index = items_plan_index(&big->plan, big->next);
		buffer_append_char(text, '{');
		if (index >= 0)
			buffer_append_format(text, "\"index\":%lld,", (long long) index);
		buffer_append_string(text, "\"value\":\"");
		big->fill = big->endless ? UINT64_MAX : big->fill_each + big->fill_more;
		big->fill_more = 0;
	}
	else if (big->next < big->plan.count)
		buffer_append_string(text, "null");
	else
		buffer_append_string(text, "]}");
	big->next++;
}

static size_t
big_read(Source *source, char *bytes, size_t most)
{
	Big		   *big = (Big *) source;
	size_t		done = 0;

	while (done < most)
	{
		size_t		piece = big->text.length - big->text_sent;

		if (piece > most - done)
			piece = most - done;
		if (piece > 0)
		{
			memcpy(bytes + done, big->text.data + big->text_sent, piece);
			big->text_sent += piece;
		}
		else if (big->fill > 0)
		{
			piece = big->fill < most - done ? big->fill : most - done;
			memset(bytes + done, 'x', piece);
			big->fill -= piece;
		}
		else
			big_advance(big);
		done += piece;
	}
	return done;
}

static void
big_free(Source *source)
{
	Big		   *big = (Big *) source;

	items_plan_free(&big->plan);
	buffer_free(&big->text);
	free(big);
}

/* How long the answer is with nothing in its values; how many values it has. */
static uint64_t
big_overhead(const Big *big, uint64_t *values)
{
	Big			dry = {.plan = big->plan};
	uint64_t	length = 0;

	*values = 0;
	while (dry.next <= dry.plan.count)
	{
		big_advance(&dry);
		length += dry.text.length;
		*values += dry.inside;
	}
	buffer_free(&dry.text);
	return length;
}

void
items_answer_big(Request *request, Answer *answer)
{
	const Script *script = request->script;
	size_t		rows = script->rows > 0 ? (size_t) script->rows : 1;
	uint64_t	bytes = script->bytes > 0 ? (uint64_t) script->bytes : BIG_DEFAULT_BYTES;
	Big		   *big = xcalloc(sizeof(*big));
	uint64_t	values;
	uint64_t	total;

	big->plan = items_plan(request, request->inputs.count > 0 ? request->inputs.count : rows);
	big->endless = script->endless && big->plan.count > 0;
	big->source.read = big_read;
	big->source.free = big_free;
	total = big_overhead(big, &values);
	if (values > 0 && bytes > total)
	{
		big->fill_each = (bytes - total) / values;
		big->fill_more = (bytes - total) % values;
		total = bytes;
	}
	big->source.total = big->endless ? MHD_SIZE_UNKNOWN : total;
	answer->source = &big->source;
}
