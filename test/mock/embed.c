/*-------------------------------------------------------------------------
 *
 * embed.c
 *	  Embeddings that mean something: texts that share words are near.
 *
 * A feature hash: every lower-cased word, and every run of three characters of
 * a word between two spaces, adds its weight to one dimension, with a sign;
 * both follow from the feature's hash.  The sum is brought to length 1.
 *
 *-------------------------------------------------------------------------
 */
#include "embed.h"

#include <math.h>
#include <string.h>
#include <wctype.h>

#define WORD_WEIGHT 1.0f
#define TRIGRAM_WEIGHT 0.5f

/* Different features of the same characters get different hashes. */
#define WORD_SEED 1
#define TRIGRAM_SEED 2

/* The vector under construction and the word that is being read. */
typedef struct Features
{
	float	   *vector;
	size_t		dimensions;
	uint64_t	word;			/* hash of its characters so far; 0: between words */
	uint32_t	before;			/* the last character but one, 0: none */
	uint32_t	last;
} Features;

static void
add_feature(Features *features, uint64_t hash, float weight)
{
	size_t		dimension = ((hash & UINT32_MAX) * features->dimensions) >> 32;

	features->vector[dimension] += hash >> 63 ? weight : -weight;
}

static void
add_trigram(Features *features, uint32_t code)
{
	/* a code point has 21 bits */
	uint64_t	three = (uint64_t) features->before << 42 | (uint64_t) features->last << 21 | code;

	if (features->before != 0)
		add_feature(features, hash_mix(three, TRIGRAM_SEED), TRIGRAM_WEIGHT);
	features->before = features->last;
	features->last = code;
}

static void
add_character(Features *features, uint32_t code)
{
	if (features->word == 0)
	{
		features->word = WORD_SEED;
		features->before = 0;
		features->last = ' ';
	}
	features->word = hash_mix(features->word, code);
	add_trigram(features, code);
}

static void
end_word(Features *features)
{
	if (features->word == 0)
		return;
	add_trigram(features, ' ');
	add_feature(features, features->word, WORD_WEIGHT);
	features->word = 0;
}

/* The character in lower case if words are made of such, else 0. */
static uint32_t
word_character(uint32_t code)
{
	if (code < 0x80)
	{
		if (code >= 'A' && code <= 'Z')
			return code + ('a' - 'A');
		return (code >= 'a' && code <= 'z') || (code >= '0' && code <= '9') ? code : 0;
	}
	return code != UTF8_INVALID && iswalnum(code) ? (uint32_t) towlower(code) : 0;
}

static bool
normalise(float *vector, size_t dimensions)
{
	double		sum = 0;
	float		factor;

	for (size_t i = 0; i < dimensions; i++)
		sum += (double) vector[i] * vector[i];
	if (sum == 0)
		return false;
	factor = (float) (1 / sqrt(sum));
	for (size_t i = 0; i < dimensions; i++)
		vector[i] *= factor;
	return true;
}

void
embed(Slice text, float *vector, size_t dimensions)
{
	Features	features = {.vector = vector, .dimensions = dimensions};
	const char *p = text.start;
	const char *end = text.start + text.length;

	memset(vector, 0, dimensions * sizeof(*vector));
	while (p < end)
	{
		uint32_t	code = word_character(utf8_next(&p, end));

		if (code != 0)
			add_character(&features, code);
		else
			end_word(&features);
	}
	end_word(&features);

	/* no word in it, or features that took each other away: the text as a whole */
	if (!normalise(vector, dimensions))
		add_feature(&features, hash_bytes(text.start, text.length, WORD_SEED), 1.0f);
}

static _Thread_local float scratch[EMBED_MAX_DIMENSIONS];

void
embed_append(Buffer *json, Slice text, size_t dimensions)
{
	embed(text, scratch, dimensions);
	for (size_t i = 0; i < dimensions; i++)
	{
		buffer_append_char(json, i > 0 ? ',' : '[');
		buffer_append_float(json, scratch[i]);
	}
	buffer_append_char(json, ']');
}

void
embed_append_base64(Buffer *json, Slice text, size_t dimensions)
{
	embed(text, scratch, dimensions);
	buffer_append_char(json, '"');
	buffer_append_base64(json, scratch, dimensions * sizeof(float));
	buffer_append_char(json, '"');
}
