/*-------------------------------------------------------------------------
 *
 * similar.c
 *	  Of the names that are known, the one that a mistyped name was meant to be.
 *
 * Counts edits: a byte too many, too few, another one, or two that changed
 * places.  Case does not count, so that a name that differs in nothing else is
 * the nearest.  Up to a third of a name may be wrong; beyond that a suggestion
 * would be a guess.  Owns no memory.
 *
 *-------------------------------------------------------------------------
 */
#include "base/similar.h"

#include <string.h>

/* Longest names compared, in bytes: PostgreSQL's own are shorter. */
#define MAX_LENGTH 63

static int
minimum(int a, int b)
{
	return a < b ? a : b;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : c;
}

static int
edits(const char *a, int a_length, const char *b, int b_length)
{
	int			rows[3][MAX_LENGTH + 1];	/* of the table of distances: this
											 * one, the last two */

	for (int j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (int i = 1; i <= a_length; i++)
	{
		int		   *row = rows[i % 3];
		const int  *last = rows[(i + 2) % 3];
		const int  *last_but_one = rows[(i + 1) % 3];

		row[0] = i;
		for (int j = 1; j <= b_length; j++)
		{
			char		x = lower(a[i - 1]);
			char		y = lower(b[j - 1]);

			row[j] = minimum(minimum(last[j], row[j - 1]) + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
				row[j] = minimum(row[j], last_but_one[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

Similar
similar_to(const char *name)
{
	int			length = (int) strnlen(name, MAX_LENGTH + 1);
	Similar		similar = {name, NULL, 0};

	/*
	 * one more than is near enough; of a name of one byte nothing would be
	 * left
	 */
	similar.distance = length > MAX_LENGTH ? 0 : length < 2 ? 1 : length / 3 + (length < 3) + 1;
	return similar;
}

void
similar_consider(Similar *similar, const char *candidate)
{
	int			length = (int) strnlen(candidate, MAX_LENGTH + 1);
	int			distance;

	if (similar->distance == 0 || length > MAX_LENGTH)
		return;
	distance = edits(similar->name, (int) strlen(similar->name), candidate, length);
	if (distance >= similar->distance)
		return;
	similar->distance = distance;
	similar->best = candidate;
}
