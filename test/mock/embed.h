/*-------------------------------------------------------------------------
 *
 * embed.h
 *	  Embeddings that mean something: texts that share words are near.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_EMBED_H
#define MOCK_EMBED_H

#include "text.h"

#define EMBED_MAX_DIMENSIONS 16384

/* Fills vector with the text's embedding, of length 1; the same in every run. */
extern void embed(Slice text, float *vector, size_t dimensions);

/* Appends the embedding as an array of numbers, or as base64 of little-endian float4. */
extern void embed_append(Buffer *json, Slice text, size_t dimensions);
extern void embed_append_base64(Buffer *json, Slice text, size_t dimensions);

#endif							/* MOCK_EMBED_H */
