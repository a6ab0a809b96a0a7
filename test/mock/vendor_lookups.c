/*-------------------------------------------------------------------------
 *
 * vendor_lookups.c
 *	  Look-ups by GET: OpenCage's geocoder, and a FHIR server.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "items.h"
#include "vendors.h"

/* Every tenth thing that is asked for is unknown. */
static bool
is_unknown(int64_t value)
{
	return value % 10 == 0;
}

void
opencage_answer(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		address = inputs_get(&request->inputs, 0);
	int64_t		value = items_value(address);

	buffer_append_string(json, "{\"results\":[");
	if (!is_unknown(value))
	{
		buffer_append_string(json, "{\"confidence\":9,\"formatted\":");
		buffer_append_json_upper(json, address.start, address.length);
		buffer_append_format(json, ",\"geometry\":{\"lat\":%.3f,\"lng\":%.3f}}",
							 (double) (value % 180001 - 90000) / 1000,
							 (double) (value % 360001 - 180000) / 1000);
	}
	buffer_append_format(json, "],\"status\":{\"code\":200,\"message\":\"OK\"},"
						 "\"total_results\":%d}", !is_unknown(value));
}

/* One of a patient's observations. */
static void
write_observation(Buffer *json, const char *patient, int64_t value, int i)
{
	static const struct
	{
		const char *code;
		const char *display;
		const char *unit;
	}			kinds[] = {
		{"8867-4", "Heart rate", "/min"},
		{"8310-5", "Body temperature", "Cel"},
		{"29463-7", "Body weight", "kg"}
	};

	buffer_append_format(json, "{\"resource\":{\"resourceType\":\"Observation\",\"status\":\"final\","
						 "\"code\":{\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"%s\","
						 "\"display\":\"%s\"}]},\"subject\":{\"reference\":",
						 kinds[i].code, kinds[i].display);
	buffer_append_json(json, patient, strlen(patient));
	buffer_append_format(json, "},\"effectiveDateTime\":\"2024-01-%02dT08:00:00+00:00\","
						 "\"valueQuantity\":{\"value\":%lld,\"unit\":\"%s\"}}}", i + 1,
						 (long long) (value + 10 * i) % 200, kinds[i].unit);
}

/* A patient has none to three; without any, a Bundle has no entry. */
void
fhir_answer_observations(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	const char *subject = vendor_argument(request, "subject");
	const char *slash = strchr(subject, '/');
	const char *id = slash != NULL ? slash + 1 : subject;
	int64_t		value = items_value((Slice) {id, strlen(id)});
	int			count = (int) (value % 4);

	buffer_append_format(json, "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":%d",
						 count);
	for (int i = 0; i < count; i++)
	{
		buffer_append_string(json, i == 0 ? ",\"entry\":[" : ",");
		write_observation(json, subject, value, i);
	}
	buffer_append_string(json, count > 0 ? "]}" : "}");
}

void
fhir_answer_patient(Request *request, Answer *answer)
{
	Buffer	   *json = &answer->body;
	Slice		id = inputs_get(&request->inputs, 0);
	int64_t		value = items_value(id);

	if (is_unknown(value))
	{
		vendor_fault(request, answer, 404, "Resource is not known");
		return;
	}
	buffer_append_string(json, "{\"resourceType\":\"Patient\",\"id\":");
	buffer_append_json(json, id.start, id.length);
	buffer_append_format(json, ",\"gender\":\"%s\",\"birthDate\":\"%lld-%02lld-%02lld\"}",
						 value % 2 == 0 ? "female" : "male", (long long) (1930 + value % 80),
						 (long long) (1 + value % 12), (long long) (1 + value % 28));
}
