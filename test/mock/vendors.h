/*-------------------------------------------------------------------------
 *
 * vendors.h
 *	  Real APIs, each below its host's name: /api.cohere.com/v2/embed.
 *
 * One table says for each what it demands: where its key stands, which members
 * a body must have, how many texts it takes, what its errors look like.  The
 * answers are in vendor_embeddings.c, vendor_texts.c and vendor_lookups.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_VENDORS_H
#define MOCK_VENDORS_H

#include "endpoints.h"

/* By the decoded path, its host included; NULL if there is none. */
extern const Endpoint *vendor_find(const char *path);

/* An error in the shape of the request's vendor. */
extern void vendor_fault(const Request *request, Answer *answer, int status, const char *message);

/* A parameter of the query, or NULL. */
extern const char *vendor_argument(const Request *request, const char *name);

/* The whole number that a member says, or the other one. */
extern size_t vendor_number(Slice object, const char *member, size_t otherwise);

/* vendor_embeddings.c */
extern void azure_answer_embeddings(Request *request, Answer *answer);
extern void cohere_answer_v1(Request *request, Answer *answer);
extern void cohere_answer_v2(Request *request, Answer *answer);
extern void voyage_answer(Request *request, Answer *answer);
extern void ollama_answer_embed(Request *request, Answer *answer);
extern void tei_answer(Request *request, Answer *answer);
extern void vertex_answer(Request *request, Answer *answer);

/* vendor_texts.c */
extern void ollama_answer_generate(Request *request, Answer *answer);
extern void deepl_answer(Request *request, Answer *answer);
extern void language_answer(Request *request, Answer *answer);
extern void labels_answer(Request *request, Answer *answer);

/* vendor_lookups.c */
extern void opencage_answer(Request *request, Answer *answer);
extern void fhir_answer_observations(Request *request, Answer *answer);
extern void fhir_answer_patient(Request *request, Answer *answer);

#endif							/* MOCK_VENDORS_H */
