/*-------------------------------------------------------------------------
 *
 * inputlog.c
 *	  Which input texts were answered, and how often: off until asked for.
 *
 * A table of hashes points into one buffer of texts.  Texts beyond the bound
 * are not recorded; the description says how many answers to such there were.
 *
 *-------------------------------------------------------------------------
 */
#include "inputlog.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT ((size_t) 2000000)
#define FIRST_CAPACITY ((size_t) 4096)

/* One text; empty where count is 0. */
typedef struct Entry
{
	uint64_t	hash;
	size_t		start;			/* in texts */
	size_t		length;
	uint64_t	count;
} Entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool enabled;

/* Guarded by lock. */
static Entry *entries;			/* open addressing, capacity a power of two */
static size_t entry_count;
static size_t entry_capacity;
static uint64_t beyond_limit;
static Buffer texts;

static Entry *
find_place(uint64_t hash, Slice text)
{
	size_t		i = hash & (entry_capacity - 1);

	while (entries[i].count > 0 &&
		   (entries[i].hash != hash || entries[i].length != text.length ||
			memcmp(texts.data + entries[i].start, text.start, text.length) != 0))
		i = (i + 1) & (entry_capacity - 1);
	return &entries[i];
}

static void
grow(void)
{
	Entry	   *old = entries;
	size_t		old_capacity = entry_capacity;

	entry_capacity = old_capacity > 0 ? old_capacity * 2 : FIRST_CAPACITY;
	entries = xcalloc(entry_capacity * sizeof(*entries));
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].count > 0)
			*find_place(old[i].hash, (Slice) {texts.data + old[i].start, old[i].length}) = old[i];
	free(old);
}

static void
add(Slice text)
{
	uint64_t	hash = hash_bytes(text.start, text.length, 0);
	Entry	   *entry;

	if (entry_count * 2 >= entry_capacity)
		grow();
	entry = find_place(hash, text);
	if (entry->count == 0)
	{
		if (entry_count >= TEXT_LIMIT)
		{
			beyond_limit++;
			return;
		}
		buffer_reserve(&texts, text.length + 1);
		*entry = (Entry) {hash, texts.length, text.length, 0};
		buffer_append(&texts, text.start, text.length);
		entry_count++;
	}
	entry->count++;
}

void
inputlog_enable(bool enable)
{
	enabled = enable;
}

void
inputlog_add(const Inputs *inputs)
{
	if (!enabled)
		return;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < inputs->count; i++)
		add(inputs_get(inputs, i));
	pthread_mutex_unlock(&lock);
}

uint64_t
inputlog_count_answered(const Inputs *inputs)
{
	uint64_t	count = 0;

	if (!enabled)
		return 0;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < inputs->count && entry_capacity > 0; i++)
	{
		Slice		text = inputs_get(inputs, i);

		count += find_place(hash_bytes(text.start, text.length, 0), text)->count > 0;
	}
	pthread_mutex_unlock(&lock);
	return count;
}

void
inputlog_clear(void)
{
	pthread_mutex_lock(&lock);
	free(entries);
	entries = NULL;
	entry_count = entry_capacity = 0;
	beyond_limit = 0;
	buffer_free(&texts);
	pthread_mutex_unlock(&lock);
}

void
inputlog_describe(Buffer *json)
{
	bool		first = true;

	pthread_mutex_lock(&lock);
	buffer_append_format(json, "{\"enabled\":%s,\"distinct\":%zu,\"beyond_limit\":%llu,"
						 "\"inputs\":{",
						 enabled ? "true" : "false", entry_count,
						 (unsigned long long) beyond_limit);
	for (size_t i = 0; i < entry_capacity; i++)
	{
		if (entries[i].count == 0)
			continue;
		if (!first)
			buffer_append_char(json, ',');
		first = false;
		buffer_append_json(json, texts.data + entries[i].start, entries[i].length);
		buffer_append_char(json, ':');
		buffer_append_integer(json, (int64_t) entries[i].count);
	}
	buffer_append_string(json, "}}");
	pthread_mutex_unlock(&lock);
}
