/*-------------------------------------------------------------------------
 *
 * decode.c
 *	  Our decoding of an answer of embeddings, so many times: from its bytes to
 *	  float4 numbers for each row.
 *
 *	  decode FILE TIMES
 *
 * Prints the seconds it took.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json/float_pool.h"
#include "response/response.h"

#define ROWS 500

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "decode: %s\n", what);
	exit(1);
}

static char *
read_file(const char *name, size_t *length)
{
	FILE	   *file = fopen(name, "rb");
	char	   *text;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
		die("cannot read the file");
	*length = (size_t) ftell(file);
	rewind(file);
	text = malloc(*length + 1);
	if (text == NULL || fread(text, 1, *length, file) != *length)
		die("cannot read the file");
	fclose(file);
	text[*length] = '\0';
	return text;
}

/* $.data[*], $.index and $.embedding, as path_compile makes them. */
static PathStep data_steps[] = {{PATH_MEMBER, "data", 4, 0}, {PATH_ALL, NULL, 0, 0}};
static PathStep index_steps[] = {{PATH_MEMBER, "index", 5, 0}};
static PathStep embedding_steps[] = {{PATH_MEMBER, "embedding", 9, 0}};

/* What the extension does with an answer before it is stored. */
static void
decode(const char *text, size_t length, const ResponseShape *shape, Response *response)
{
	response_decode(text, length, shape, ROWS, response);
	if (response->status != RESPONSE_OK)
		die(response->error);
	if (!response_detach(response, shape, text, length))
		die("something is no array of numbers");
}

/* One array once more, number by number as the C library reads them. */
static void
check_numbers(JsonSlice array, JsonSlice read)
{
	size_t		count;
	const float *numbers = floats_of(read, &count);
	const char *text = array.start + 1;
	char	   *end;

	for (size_t i = 0; i < count; i++)
	{
		float		expected = strtof(text, &end);

		if (end == text || memcmp(&expected, &numbers[i], sizeof(expected)) != 0)
			die("a number was read wrong");
		text = end + strspn(end, ", ");
	}
	if (count == 0 || *text != ']')
		die("numbers are missing");
}

/* The arrays of the answer beside what was made of them. */
static void
check_answer(const char *text, size_t length, const ResponseShape *shape)
{
	Response	original;
	Response	response;

	response_decode(text, length, shape, ROWS, &original);
	decode(text, length, shape, &response);
	for (int row = 0; row < ROWS; row++)
		check_numbers(original.values[row], response.values[row]);
	response_free(&original);
	response_free(&response);
}

int
main(int argc, char **argv)
{
	Path		outputs[] = {{.step_count = 1, .steps = embedding_steps, .text = "$.embedding",
			.takes_floats = true}};
	ResponseShape shape = {
		.results = {.step_count = 2, .steps = data_steps, .text = "$.data[*]"},
		.has_index = true,
		.index = {.step_count = 1, .steps = index_steps, .text = "$.index"},
		.output_count = 1,
		.outputs = outputs
	};
	Response	response;
	size_t		length;
	char	   *text;
	double		start;
	double		seconds;

	if (argc != 3)
		die("usage: decode FILE TIMES");
	text = read_file(argv[1], &length);
	start = now();
	for (int i = 0; i < atoi(argv[2]); i++)
	{
		decode(text, length, &shape, &response);
		response_free(&response);
	}
	seconds = now() - start;

	check_answer(text, length, &shape);
	printf("%.6f\n", seconds);
	return 0;
}
