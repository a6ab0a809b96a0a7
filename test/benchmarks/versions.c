/*-------------------------------------------------------------------------
 *
 * versions.c
 *	  What a version of HTTP costs: sends requests by http.c, as the workers do, and
 *	  throws the answers away.
 *
 *	  versions URL CA-FILE VERSION REQUESTS CONCURRENCY LENGTH
 *
 * VERSION is that of HttpSettings, or "-" for none; LENGTH is the answers'.  Prints the
 * seconds it took, those of processor time, and how many requests did not have the answer
 * that they must have; of the first ones of these it says why.
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "http/http.h"

#define MAX_CONNECTIONS 500
#define TIMEOUT_MS 60000
#define MAX_SECONDS 150			/* for all of them */
#define MAX_SHOWN 5				/* failures */

static const char body[] = "{\"model\": \"small\", \"input\": [\"a few words that say nothing\"]}";

typedef struct Run
{
	Http	   *http;
	HttpSettings settings;
	HttpRequest request;
	int			wanted;
	int			started;
	int			answered;
	int			failed;
	size_t		length;
} Run;

static double
processor_seconds(void)
{
	struct rusage usage;

	(void) getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
start_next(Run *run)
{
	if (run->started == run->wanted)
		return;
	run->started++;
	if (!http_start(run->http, &run->settings, &run->request))
	{
		fprintf(stderr, "versions: out of memory\n");
		exit(1);
	}
}

static void
take(Run *run, HttpResult *result)
{
	bool		right = result->fault == HTTP_ANSWERED && result->status == 200 &&
		result->body.length == run->length;

	run->answered += right;
	if (!right && run->failed++ < MAX_SHOWN)
		fprintf(stderr, "versions: fault %d, status %d, %zu bytes, after %.1f s: %s\n", result->fault,
				result->status, result->body.length, (double) result->elapsed_us / 1e6, result->error);
	buffer_free(&result->body);
}

static void
run_all(Run *run, int concurrency)
{
	int64_t		until = clock_now() + MAX_SECONDS * INT64_C(1000000);
	HttpResult	result;

	for (int i = 0; i < concurrency; i++)
		start_next(run);
	while (run->answered + run->failed < run->wanted)
	{
		struct pollfd poller = {.fd = http_descriptor(run->http), .events = POLLIN};

		if (clock_now() > until)
		{
			fprintf(stderr, "versions: not done after %d s\n", MAX_SECONDS);
			run->failed += run->wanted - run->answered - run->failed;
			return;
		}
		(void) poll(&poller, 1, (int) http_timeout(run->http));
		http_pump(run->http);
		while (http_next_finished(run->http, &result))
		{
			take(run, &result);
			start_next(run);
		}
	}
}

int
main(int argc, char **argv)
{
	Run			run = {.settings = {.timeout_ms = TIMEOUT_MS, .connect_timeout_ms = 10000,
			.max_response_size = INT64_C(64) * 1024 * 1024, .verify_tls = true}};
	char		error[256];
	int64_t		began;
	double		processor;

	if (argc != 7)
	{
		fprintf(stderr, "usage: versions URL CA-FILE VERSION REQUESTS CONCURRENCY LENGTH\n");
		return 2;
	}
	run.settings.ca_file = argv[2];
	run.settings.http_version = strcmp(argv[3], "-") == 0 ? NULL : argv[3];
	run.request = (HttpRequest) {.method = "POST", .url = argv[1], .body = body,
		.body_length = sizeof(body) - 1, .profile = 1};
	run.wanted = atoi(argv[4]);
	run.length = (size_t) atol(argv[6]);
	run.http = http_create(MAX_CONNECTIONS, clock_now, error, sizeof(error));
	if (run.http == NULL)
	{
		fprintf(stderr, "versions: %s\n", error);
		return 1;
	}
	began = clock_now();
	processor = processor_seconds();
	run_all(&run, atoi(argv[5]));
	printf("%.6f %.6f %d\n", (double) (clock_now() - began) / 1e6,
		   processor_seconds() - processor, run.failed);
	http_destroy(run.http);
	return run.failed > 0;
}
