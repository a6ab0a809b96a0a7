/*-------------------------------------------------------------------------
 *
 * json_parse.c
 *	  jansson's parse of a file, so many times: what building a tree costs.
 *
 *	  json_parse FILE TIMES
 *
 * Prints the seconds it took.
 *
 *-------------------------------------------------------------------------
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static char *
read_file(const char *name, size_t *length)
{
	FILE	   *file = fopen(name, "rb");
	char	   *text;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
		return NULL;
	*length = (size_t) ftell(file);
	rewind(file);
	text = malloc(*length);
	if (text != NULL && fread(text, 1, *length, file) != *length)
		text = NULL;
	fclose(file);
	return text;
}

int
main(int argc, char **argv)
{
	size_t		length = 0;
	char	   *text = argc == 3 ? read_file(argv[1], &length) : NULL;
	int			times = argc == 3 ? atoi(argv[2]) : 0;
	double		start = now();

	for (int i = 0; i < times; i++)
	{
		json_t	   *tree = text == NULL ? NULL : json_loadb(text, length, 0, NULL);

		if (tree == NULL)
		{
			fprintf(stderr, "json_parse: usage: json_parse FILE TIMES, where FILE is JSON\n");
			return 1;
		}
		json_decref(tree);
	}
	printf("%.6f\n", now() - start);
	return 0;
}
