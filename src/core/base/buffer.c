/*-------------------------------------------------------------------------
 *
 * buffer.c
 *	  A growable byte buffer in malloc'd memory.
 *
 * Owns the memory behind ByteBuffer.data until buffer_free.  Capacity doubles, so
 * appending costs amortised constant time a byte.  On a failed allocation (or
 * a length that size_t cannot hold) the buffer keeps what it had, "failed" is
 * set, and later appends do nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#define INITIAL_CAPACITY 256

/* What is less is not worth giving back, nor is a smaller part than that of the whole. */
#define FIT_MIN_BYTES (64 * 1024)
#define FIT_MIN_SHARE 16

/* To another capacity, which holds what is there. */
static bool
resize(ByteBuffer *buffer, size_t capacity)
{
	char	   *data = realloc(buffer->data, capacity);

	if (data == NULL)
		return false;
	if (buffer->length == 0)
		data[0] = '\0';
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

bool
buffer_reserve(ByteBuffer *buffer, size_t capacity)
{
	return capacity <= buffer->capacity || resize(buffer, capacity);
}

void
buffer_fit(ByteBuffer *buffer)
{
	size_t		left = buffer->capacity > 0 ? buffer->capacity - buffer->length - 1 : 0;

	if (left >= FIT_MIN_BYTES && left >= buffer->capacity / FIT_MIN_SHARE)
		(void) resize(buffer, buffer->length + 1);
}

/* Makes room for that many more bytes and the final NUL. */
static bool
reserve(ByteBuffer *buffer, size_t more)
{
	size_t		needed;
	size_t		capacity;

	if (buffer->failed)
		return false;
	if (more < buffer->capacity - buffer->length)
		return true;			/* capacity 0: 0 < 0 is false */
	if (more > SIZE_MAX / 2 - buffer->length - 1)
	{
		buffer->failed = true;
		return false;
	}
	needed = buffer->length + more + 1;
	capacity = buffer->capacity > 0 ? buffer->capacity : INITIAL_CAPACITY;
	while (capacity < needed)
		capacity *= 2;			/* needed <= SIZE_MAX / 2: cannot overflow */
	if (!resize(buffer, capacity))
		buffer->failed = true;
	return !buffer->failed;
}

void
buffer_append(ByteBuffer *buffer, const char *bytes, size_t length)
{
	if (!reserve(buffer, length))
		return;
	if (length > 0)
		memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void
buffer_append_string(ByteBuffer *buffer, const char *string)
{
	buffer_append(buffer, string, strlen(string));
}

void
buffer_append_char(ByteBuffer *buffer, char c)
{
	if (!reserve(buffer, 1))
		return;
	buffer->data[buffer->length++] = c;
	buffer->data[buffer->length] = '\0';
}

void
buffer_append_integer(ByteBuffer *buffer, int64_t value)
{
	char		digits[20];		/* a sign and 19 digits */
	int			at = sizeof(digits);
	uint64_t	rest = value < 0 ? -(uint64_t) value : (uint64_t) value;

	do
	{
		digits[--at] = (char) ('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--at] = '-';
	buffer_append(buffer, digits + at, sizeof(digits) - at);
}

/* Empties the buffer and lets it be used again, also after a failure. */
void
buffer_reset(ByteBuffer *buffer)
{
	buffer->length = 0;
	buffer->failed = false;
	if (buffer->data != NULL)
		buffer->data[0] = '\0';
}

void
buffer_free(ByteBuffer *buffer)
{
	free(buffer->data);
	buffer->data = NULL;
	buffer->length = 0;
	buffer->capacity = 0;
	buffer->failed = false;
}

struct ArenaPiece
{
	struct ArenaPiece *next;
	char		bytes[];
};

char *
arena_alloc(Arena *arena, size_t size)
{
	struct ArenaPiece *piece = malloc(sizeof(struct ArenaPiece) + size);

	if (piece == NULL)
		return NULL;
	piece->next = arena->first;
	arena->first = piece;
	arena->allocated += size;
	return piece->bytes;
}

void
arena_free(Arena *arena)
{
	while (arena->first != NULL)
	{
		struct ArenaPiece *piece = arena->first;

		arena->first = piece->next;
		free(piece);
	}
	arena->allocated = 0;
}
