/*-------------------------------------------------------------------------
 *
 * plain_path.h
 *	  Plain jsonpaths for the unit drivers, compiled by a few lines that know
 *	  no others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_PLAIN_PATH_H
#define PG_ENRICH_PLAIN_PATH_H

#include <stdlib.h>
#include <string.h>

#include "response/response.h"

/* Compiles "$.a[0][*]", with "strict " before it or not, into steps. */
static Path
compile(const char *text, PathStep *steps)
{
	Path		path = {.steps = steps, .strict = strncmp(text, "strict ", 7) == 0, .text = text};
	const char *p = strchr(text, '$') + 1;

	while (*p != '\0')
	{
		PathStep   *step = &steps[path.step_count++];

		memset(step, 0, sizeof(*step));
		if (*p == '.')
		{
			step->kind = PATH_MEMBER;
			step->name = ++p;
			step->name_length = strcspn(p, ".[");
			p += step->name_length;
		}
		else
		{
			step->kind = p[1] == '*' ? PATH_ALL : PATH_ELEMENT;
			step->index = atoi(p + 1);
			p = strchr(p, ']') + 1;
		}
	}
	return path;
}

#endif							/* PG_ENRICH_PLAIN_PATH_H */
