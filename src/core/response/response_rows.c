/*-------------------------------------------------------------------------
 *
 * response_rows.c
 *	  Which items of an answer belong to which row of its request.
 *
 * Where there is an item for each row, items stand at their rows' places.
 * Else they are grouped here, by a counting sort: those of a row stay in the
 * order in which they came.
 *
 *-------------------------------------------------------------------------
 */
#include "response/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an item's error takes, roughly. */
#define ERROR_SIZE 64

/* NULL: there is but one row. */
static int
row_of(const int *rows, int item)
{
	return rows == NULL ? 0 : rows[item];
}

void
response_assign(Response *response, const int *rows)
{
	int			count = response->item_count;
	int		   *starts = calloc((size_t) response->row_count + 2, sizeof(int));
	int		   *items = malloc(sizeof(int) * (count > 0 ? count : 1));

	if (starts == NULL || items == NULL)
	{
		free(starts);
		free(items);
		response_reject(response, "out of memory for the items of an answer");
		response->status = RESPONSE_OUT_OF_MEMORY;
		return;
	}

	/*
	 * starts[row + 2] counts, starts[row + 1] is where the row's next item
	 * goes
	 */
	for (int i = 0; i < count; i++)
		starts[row_of(rows, i) + 2]++;
	for (int row = 1; row <= response->row_count; row++)
		starts[row + 1] += starts[row];
	for (int i = 0; i < count; i++)
		items[starts[row_of(rows, i) + 1]++] = i;
	response->row_items = items;
	response->row_starts = starts;
}

void
response_reject(Response *response, const char *reason)
{
	response_free(response);
	snprintf(response->error, sizeof(response->error), "%s", reason);
	response->error[utf8_valid_prefix(response->error, strlen(response->error))] = '\0';
	response->status = RESPONSE_MISMATCHED;
}

int
response_row_item_count(const Response *response, int row)
{
	if (response->row_items == NULL)
		return response->keys == NULL && row < response->item_count;
	return response->row_starts[row + 1] - response->row_starts[row];
}

int
response_row_item(const Response *response, int row, int n)
{
	if (response->row_items == NULL)
		return row;
	return response->row_items[response->row_starts[row] + n];
}

const char *
response_row_error(const Response *response, int row)
{
	if (response->item_errors == NULL)
		return NULL;
	for (int n = 0; n < response_row_item_count(response, row); n++)
	{
		const char *error = response->item_errors[response_row_item(response, row, n)];

		if (error != NULL)
			return error;
	}
	return NULL;
}

size_t
response_size(const Response *response)
{
	size_t		item = sizeof(JsonSlice) * response->output_count;

	if (response->keys != NULL)
		item += sizeof(JsonSlice);
	if (response->row_items != NULL)
		item += sizeof(int);
	if (response->item_errors != NULL)
		item += sizeof(char *) + ERROR_SIZE;
	return response->made.capacity + response->arena.allocated +
		float_pool_size(&response->floats) + item * response->item_count;
}

void
response_free(Response *response)
{
	for (int i = 0; response->item_errors != NULL && i < response->item_count; i++)
		free(response->item_errors[i]);
	free(response->item_errors);
	free(response->values);
	free(response->keys);
	free(response->row_items);
	free(response->row_starts);
	buffer_free(&response->made);
	arena_free(&response->arena);
	float_pool_free(&response->floats);
	response->item_errors = NULL;
	response->values = NULL;
	response->keys = NULL;
	response->row_items = response->row_starts = NULL;
	response->item_count = 0;
	response->found_any = false;
}
