/*-------------------------------------------------------------------------
 *
 * json_internal.h
 *	  What json.c, json_string.c and number.c share: classes of bytes, 64 at
 *	  a time in a block, eight in a word, and single ones.  Not for anyone else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_JSON_INTERNAL_H
#define PG_ENRICH_JSON_INTERNAL_H

#include <string.h>

#include "json/json.h"

/* A byte repeated in each of a word's eight bytes. */
#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (uint8_t) (b))

#define WORD sizeof(uint64_t)

/*
 * Words: each test has a high bit set where the answer is yes, and may have
 * one set by mistake only above a right one, so "any?" is exact.
 */
static inline uint64_t
load_word(const char *p)
{
	uint64_t	word;

	memcpy(&word, p, WORD);
	return word;
}

static inline uint64_t
zero_bytes(uint64_t word)
{
	return (word - EACH_BYTE(0x01)) & ~word & EACH_BYTE(0x80);
}

static inline uint64_t
bytes_equal(uint64_t word, char c)
{
	return zero_bytes(word ^ EACH_BYTE(c));
}

/* Nothing but what a string token can hold as it is, all of it ASCII? */
static inline bool
word_is_plain(uint64_t word)
{
	uint64_t	control = (word - EACH_BYTE(0x20)) & ~word & EACH_BYTE(0x80);

	return (control | bytes_equal(word, '"') | bytes_equal(word, '\\') |
			(word & EACH_BYTE(0x80))) == 0;
}

static inline bool
word_has_bracket(uint64_t word)
{
	return (bytes_equal(word, '"') | bytes_equal(word | EACH_BYTE(0x26), 0x7f)) != 0;
}

static inline bool
word_has_quote(uint64_t word)
{
	return (bytes_equal(word, '"') | bytes_equal(word, '\\')) != 0;
}

/* The word with the text's first byte lowest, whatever the machine's order. */
static inline uint64_t
load_word_in_order(const char *p)
{
	uint64_t	word = load_word(p);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/*
 * How many digits a word loaded in order begins with.  Exact for each byte:
 * the sum of a value below 0x80 and 0x76 has its high bit set from ten on.
 */
static inline int
leading_digits(uint64_t word)
{
	uint64_t	value = word ^ EACH_BYTE('0');
	uint64_t	others = (((value & EACH_BYTE(0x7f)) + EACH_BYTE(0x76)) | value) & EACH_BYTE(0x80);

	return others == 0 ? (int) WORD : __builtin_ctzll(others) / 8;
}

/*
 * Blocks: vectors of the compiler, which has them on every machine.  What is
 * said of a block is whether any of its bytes is of a kind.
 */
typedef uint8_t Vector __attribute__((vector_size(16)));
typedef int8_t SignedVector __attribute__((vector_size(16)));

#define BLOCK (4 * sizeof(Vector))

static inline bool
any_byte(Vector yes)
{
	uint64_t	halves[2];

	memcpy(halves, &yes, sizeof(halves));
	return (halves[0] | halves[1]) != 0;
}

/* Is any byte of the block of a kind?  Compilers put the test in place of the call. */
static inline bool
block_has(const char *p, Vector (*of_kind) (Vector bytes))
{
	Vector		yes = {0};

	for (size_t i = 0; i < BLOCK; i += sizeof(Vector))
	{
		Vector		bytes;

		memcpy(&bytes, p + i, sizeof(bytes));
		yes |= of_kind(bytes);
	}
	return any_byte(yes);
}

/* A bracket of either kind or a quote.  Y, y, _ and DEL may be taken for one. */
static inline Vector
brackets(Vector bytes)
{
	/* with these bits all four brackets are 0x7f */
	return (Vector) (bytes == '"') | (Vector) ((bytes | 0x26) == 0x7f);
}

/* A quote or a backslash. */
static inline Vector
quotes(Vector bytes)
{
	return (Vector) (bytes == '"') | (Vector) (bytes == '\\');
}

/* What a string token cannot hold as it is, and what is not ASCII, which is negative. */
static inline Vector
specials(Vector bytes)
{
	return quotes(bytes) | (Vector) ((SignedVector) bytes < 0x20);
}

/*
 * From p on past what is plain, by blocks and words; single bytes are left to
 * the caller.  Most tokens are short, so blocks come behind the first word.
 */
#define SKIP_RUN(p, end, plain_block, plain_word) \
	do { \
		if ((size_t) ((end) - (p)) < WORD || !(plain_word)) \
			break; \
		(p) += WORD; \
		while ((size_t) ((end) - (p)) >= BLOCK && (plain_block)) \
			(p) += BLOCK; \
		while ((size_t) ((end) - (p)) >= WORD && (plain_word)) \
			(p) += WORD; \
	} while (0)

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *
skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline int
hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Length of the UTF-8 sequence at p, which is not ASCII: 2 to 4; 0 when it is
 * invalid, -1 when it is valid as far as it goes but ends too early.
 */
extern int	utf8_sequence(const char *bytes, size_t available);

#endif							/* PG_ENRICH_JSON_INTERNAL_H */
