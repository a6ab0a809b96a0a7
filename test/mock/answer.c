/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  From an endpoint's answer to what goes over the wire.
 *
 * Applies what a script does to an answer as a whole: failing statuses, JSON
 * that is cut off, compression, a body that stops half way.
 *
 *-------------------------------------------------------------------------
 */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "endpoints.h"
#include "request.h"
#include "waiting.h"

#define STREAM_BLOCK ((size_t) 128 * 1024)

/* Where an endless body that is to stop does so. */
#define ENDLESS_STOP ((uint64_t) 64 * 1024)

/* A body that libmicrohttpd asks for piece by piece. */
typedef struct Stream
{
	Request    *request;
	Buffer		body;
	Source	   *source;			/* instead of body, or NULL */
	uint64_t	total;			/* what the answer declares, or MHD_SIZE_UNKNOWN */
	uint64_t	stop;			/* cut or hang here */
	int64_t		pause;			/* ms before each byte; 0: none */
	bool		paused;			/* the one before the next byte is over */
} Stream;

void
answer_error(Answer *answer, int status, const char *message)
{
	answer->status = status;
	answer->body.length = 0;
	buffer_append_string(&answer->body, "{\"error\":{\"message\":");
	buffer_append_json(&answer->body, message, strlen(message));
	buffer_append_string(&answer->body, "}}");
}

/* A failure or redirect that the script asks for. */
static void
fail_by_script(const Request *request, Answer *answer)
{
	const Script *script = request->script;
	char		message[512];
	const char *sent = NULL;
	char	   *missing = script_missing_header(request, &sent);

	if (request->status == 401 && missing != NULL)
		snprintf(message, sizeof(message), "%s not accepted: %s", missing,
				 sent != NULL ? sent : "none");
	else
		snprintf(message, sizeof(message), "mock says %d", request->status);
	free(missing);
	answer_error(answer, request->status, message);
	if (script->error_body != NULL)
	{
		answer->body.length = 0;
		buffer_append_string(&answer->body, script->error_body);
	}
}

static int
redirect_status(const Script *script)
{
	return script->status >= 300 && script->status < 400 ? (int) script->status : 302;
}

static void
fill_answer(Request *request, Answer *answer)
{
	const Endpoint *endpoint = request->endpoint;
	const Script *script = request->script;

	if (request->fault.length > 0)
	{
		buffer_append_char(&request->fault, '\0');
		answer_error(answer, 400, request->fault.data);
	}
	else if (script->redirect != NULL)
		answer_error(answer, redirect_status(script), "mock redirects");
	else if (request->fails)
		fail_by_script(request, answer);
	else if (endpoint == NULL)
		answer_error(answer, 404, "no such endpoint");
	else if (!endpoint_takes(endpoint, request->method))
		answer_error(answer, 405, "the endpoint does not take this method");
	else if (request->problem != NULL)
		answer_error(answer, 400, request->problem);
	else if (endpoint->constant != NULL)
		buffer_append_string(&answer->body, endpoint->constant);
	else
		endpoint->answer(request, answer);
}

/* Reads on from where the stream is. */
static size_t
read_stream(Stream *stream, uint64_t position, char *bytes, size_t most)
{
	if (stream->total != MHD_SIZE_UNKNOWN && most > stream->total - position)
		most = stream->total - position;
	if (stream->source != NULL)
		return stream->source->read(stream->source, bytes, most);
	memcpy(bytes, stream->body.data + position, most);
	return most;
}

static ssize_t
wait_in_stream(Stream *stream, int64_t delay)
{
	stream->request->state = REQUEST_WAITING;
	waiting_suspend(stream->request, delay);
	return 0;
}

/* After a wait.  False: nobody is there to go on for. */
static bool
go_on(Stream *stream)
{
	Request    *request = stream->request;

	if (request->wake != WAKE_RELEASED && request->wake != WAKE_TIME)
		return false;
	request->state = REQUEST_ANSWERING;
	stream->paused = true;
	if (request->wake == WAKE_RELEASED)
	{
		stream->stop = UINT64_MAX;
		stream->pause = 0;
	}
	return true;
}

static ssize_t
stream_reader(void *cls, uint64_t position, char *bytes, size_t most)
{
	Stream	   *stream = cls;
	Request    *request = stream->request;

	if (request->state == REQUEST_WAITING && !go_on(stream))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (position >= stream->stop)
	{
		if (request->transport == TRANSPORT_CUT)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		return wait_in_stream(stream, WAIT_FOREVER);
	}
	if (stream->pause > 0)
	{
		if (!stream->paused)
			return wait_in_stream(stream, stream->pause);
		stream->paused = false;
		most = 1;
	}
	if (most > stream->stop - position)
		most = stream->stop - position;
	return (ssize_t) read_stream(stream, position, bytes, most);
}

static void
stream_free(void *cls)
{
	Stream	   *stream = cls;

	if (stream->source != NULL)
		stream->source->free(stream->source);
	buffer_free(&stream->body);
	free(stream);
}

static bool
has_source(const Answer *answer)
{
	return answer->source != NULL;
}

static bool
has_loan(const Answer *answer)
{
	return answer->loan.bytes != NULL;
}

static uint64_t
answer_size(const Answer *answer)
{
	if (has_loan(answer))
		return answer->loan.length;
	return has_source(answer) ? answer->source->total : answer->body.length;
}

/* Whoever changes the body on its way wants one of its own. */
static void
copy_loan(Answer *answer)
{
	if (!has_loan(answer))
		return;
	buffer_append(&answer->body, answer->loan.bytes, answer->loan.length);
	answer->loan.give_back(answer->loan.owner);
	answer->loan.bytes = NULL;
}

/* Compresses what is left of a source or body into one buffer, in place. */
static void
compress_answer(Answer *answer, uint64_t size)
{
	Stream		stream = {.source = answer->source, .total = size};
	char	   *block = xmalloc(STREAM_BLOCK);
	Buffer		packed = {0};
	z_stream	zip = {0};
	uint64_t	position = 0;

	copy_loan(answer);
	stream.body = answer->body;
	/* 16 more than the largest window asks for gzip's own header */
	deflateInit2(&zip, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
	do
	{
		zip.next_in = (Bytef *) block;
		zip.avail_in = read_stream(&stream, position, block, STREAM_BLOCK);
		position += zip.avail_in;
		do
		{
			zip.next_out = (Bytef *) buffer_reserve(&packed, STREAM_BLOCK);
			zip.avail_out = STREAM_BLOCK;
			deflate(&zip, position == size ? Z_FINISH : Z_NO_FLUSH);
			packed.length += STREAM_BLOCK - zip.avail_out;
		} while (zip.avail_out == 0);
	} while (position < size);
	deflateEnd(&zip);
	free(block);
	if (has_source(answer))
		answer->source->free(answer->source);
	buffer_free(&answer->body);
	answer->source = NULL;
	answer->body = packed;
}

static bool
wants_gzip(const Request *request, uint64_t size)
{
	const char *accepted;

	if (!request->script->gzip || size == 0 || size == MHD_SIZE_UNKNOWN)
		return false;
	accepted = request_header(request, "Accept-Encoding");
	return accepted != NULL && strcasestr(accepted, "gzip") != NULL;
}

/* Given back when libmicrohttpd is done with it. */
static struct MHD_Response *
lend_response(const Loan *loan, uint64_t size)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer_with_free_callback_cls(size, loan->bytes, loan->give_back,
															   loan->owner);

	if (response == NULL)
		loan->give_back(loan->owner);
	return response;
}

/* Takes over the answer's body. */
static struct MHD_Response *
make_response(Request *request, Answer *answer, uint64_t size)
{
	bool		stops = request->transport == TRANSPORT_CUT ||
		request->transport == TRANSPORT_HANG_BODY;
	bool		trickles = request->transport == TRANSPORT_TRICKLE;
	struct MHD_Response *response;
	Stream	   *stream;

	request->answered_bytes = size == MHD_SIZE_UNKNOWN ? 0 : size;
	if (!stops && !trickles && has_loan(answer))
		return lend_response(&answer->loan, size);
	copy_loan(answer);
	if (!stops && !trickles && !has_source(answer))
	{
		response = MHD_create_response_from_buffer(size, answer->body.data, MHD_RESPMEM_MUST_FREE);
		if (response == NULL)
			buffer_free(&answer->body);
		return response;
	}
	stream = xcalloc(sizeof(*stream));
	stream->request = request;
	stream->body = answer->body;
	stream->source = answer->source;
	stream->total = size;
	stream->pause = trickles ? request->script->trickle : 0;
	stream->stop = !stops ? UINT64_MAX : size == MHD_SIZE_UNKNOWN ? ENDLESS_STOP : size / 2;
	response = MHD_create_response_from_callback(size, STREAM_BLOCK, stream_reader, stream,
												 stream_free);
	if (response == NULL)
		stream_free(stream);
	return response;
}

/* The "Name: value" lines of the script. */
static void
add_header_lines(struct MHD_Response *response, const char *lines)
{
	while (*lines != '\0')
	{
		size_t		length = strcspn(lines, "\r\n");
		char	   *line = xstrndup(lines, length);
		char	   *value = strchr(line, ':');

		if (value != NULL)
		{
			*value++ = '\0';
			MHD_add_response_header(response, line, value + strspn(value, " \t"));
		}
		free(line);
		lines += length + strspn(lines + length, "\r\n");
	}
}

static void
add_headers(const Request *request, const Answer *answer, struct MHD_Response *response,
			bool packed)
{
	const Script *script = request->script;
	const char *type = script->content_type != NULL ? script->content_type : "application/json";

	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (packed)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	if (script->retry_after != NULL && answer->status >= 300)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, script->retry_after);
	if (script->redirect != NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, script->redirect);
	if (script->header != NULL)
		add_header_lines(response, script->header);
}

static enum MHD_Result
queue(Request *request, int status, struct MHD_Response *response)
{
	request->answered_status = status;
	return MHD_queue_response(request->connection, (unsigned) status, response);
}

/* No script, and the body is always the same. */
static bool
is_constant(const Request *request)
{
	return request->script == &script_none && request->fault.length == 0 &&
		request->endpoint != NULL && request->endpoint->constant != NULL &&
		endpoint_takes(request->endpoint, request->method);
}

enum MHD_Result
answer_request(Request *request)
{
	Answer		answer = {.status = 200};
	uint64_t	size;
	bool		packed;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (is_constant(request))
	{
		request->answered_bytes = strlen(request->endpoint->constant);
		return queue(request, 200, endpoint_constant_response(request->endpoint));
	}
	fill_answer(request, &answer);
	if (answer.status == 204 || answer.status == 304)
		answer.body.length = 0;
	size = answer_size(&answer);
	if (request->script->bad_json && size != MHD_SIZE_UNKNOWN)
		size /= 2;
	packed = wants_gzip(request, size);
	if (packed)
	{
		compress_answer(&answer, size);
		size = answer.body.length;
	}
	response = make_response(request, &answer, size);
	if (response == NULL)
		return MHD_NO;
	add_headers(request, &answer, response, packed);
	result = queue(request, answer.status, response);
	MHD_destroy_response(response);
	return result;
}
