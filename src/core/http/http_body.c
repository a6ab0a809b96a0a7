/*-------------------------------------------------------------------------
 *
 * http_body.c
 *	  The body of an answer: collecting it, and what it may take in memory.
 *
 * A body claims memory before it takes it: all of it where its length is known, else
 * what its buffer is about to grow to.  Claims add up, over bodies that arrive and
 * those that have not been taken yet, and are granted up to HttpLoad.room.  One that
 * is not granted starves: libcurl is told to pause the transfer, and keeps what it has
 * just read for it, until http_memory.c finds that there is room.
 *
 * Not so where requests share connections.  Some versions of libcurl read nothing of the
 * others while one is paused, and the others are there to make room.
 *
 * Memory that the system refuses is no different: others will give some back.  Only the last
 * one of all fails for want of it.
 *
 *-------------------------------------------------------------------------
 */
#include "http/http_body.h"

#include <string.h>
#include <sys/mman.h>

#include "http/http_watchdog.h"

/*
 * What a Content-Length is believed without proof, which an earlier answer of that
 * length is.  Once that much has arrived the rest is reserved in one piece.
 */
#define UNPROVEN_RESERVE (1024 * 1024)

/*
 * Whoever takes a large body makes copies of it: a text is there four times more while it
 * is stored, besides what memory is lost between them.  Where the system has none left for
 * these, a body gets none either: it would never be let go again.
 */
#define COPIES 6
#define LARGE_CLAIM (1024 * 1024)

/* What libcurl holds of a paused transfer anyway, and more: so it is not paused for that. */
#define SMALL_CLAIM (16 * 1024)

/* What a buffer begins with where no length is known: libcurl seldom brings more at first. */
#define FIRST_CAPACITY 1024

static void
set_claim(HttpHandle *handle, int64_t claim)
{
	handle->load->claimed += claim - handle->claim;
	handle->load->claimants += (claim > 0) - (handle->claim > 0);
	handle->claim = claim;
}

/* It is to go on when it may grow to that. */
static size_t
starve(HttpHandle *handle, int64_t wanted)
{
	handle->wanted = wanted;
	if (handle->paused_at == 0)
		handle->load->paused++;
	handle->paused_at = handle->load->attended;
	handle->was_paused = true;
	return CURL_WRITEFUNC_PAUSE;
}

static bool
may_claim(const HttpHandle *handle, int64_t claim)
{
	const HttpLoad *load = handle->load;

	return claim <= handle->claim || claim <= SMALL_CLAIM || load->leader == handle ||
		load->claimed - handle->claim + claim <= load->room || http_multiplexes(&handle->settings);
}

bool
body_grant(HttpHandle *handle)
{
	if (!may_claim(handle, handle->wanted))
		return false;
	if (handle->wanted > handle->claim)
		set_claim(handle, handle->wanted);
	handle->wanted = 0;
	return true;
}

/* What a body that needs so much is to claim; expected: its length, or -1. */
static int64_t
claim_for(const ByteBuffer *body, int64_t needed, int64_t expected)
{
	int64_t		claim = body->capacity > 0 ? (int64_t) body->capacity : FIRST_CAPACITY;

	if (expected >= needed - 1)
		return expected + 1;
	while (claim < needed)
		claim *= 2;
	return claim;
}

/*
 * How much of what was claimed is taken: all of it in one step, so that a large body is
 * not copied at each doubling, once it is likely to come.
 */
static int64_t
capacity_for(const HttpHandle *handle, int64_t needed, int64_t claim)
{
	if (claim > UNPROVEN_RESERVE && claim > handle->load->longest + 1 &&
		handle->result.body.length < UNPROVEN_RESERVE / 2)
		return needed > UNPROVEN_RESERVE ? needed : UNPROVEN_RESERVE;
	return claim;
}

/* Nobody else is going to give any memory back. */
static bool
is_last_hope(const HttpLoad *load)
{
	return load->last_hope && load->claimants == 1;
}

/* Has the system so much memory, and that for copies? */
static bool
can_be_copied(int64_t claim)
{
	size_t		size = (size_t) claim * (1 + COPIES);
	void	   *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
							  -1, 0);

	if (memory == MAP_FAILED)
		return false;
	(void) munmap(memory, size);
	return true;
}

/* Take what was claimed.  False: there is no memory. */
static bool
take(HttpHandle *handle, int64_t needed)
{
	int64_t		capacity = capacity_for(handle, needed, handle->claim);

	return (handle->claim < LARGE_CLAIM || is_last_hope(handle->load) ||
			can_be_copied(handle->claim)) &&
		buffer_reserve(&handle->result.body, (size_t) capacity);
}

/*
 * Room for what has just come.  False: it is not to be taken; then *instead is what libcurl
 * is to be told.
 */
static bool
make_room(HttpHandle *handle, int64_t needed, int64_t expected, size_t *instead)
{
	int64_t		claim = claim_for(&handle->result.body, needed, expected);

	if (!may_claim(handle, claim))
	{
		*instead = starve(handle, claim);
		return false;
	}
	if (claim > handle->claim)
		set_claim(handle, claim);
	if (take(handle, needed))
		return true;
	handle->load->refused++;
	if (is_last_hope(handle->load) || http_multiplexes(&handle->settings))
	{
		handle->broke_off = HTTP_INTERNAL;
		*instead = 0;
	}
	else
		*instead = starve(handle, claim);
	return false;
}

size_t
body_collect(char *bytes, size_t size, size_t count, void *state)
{
	HttpHandle *handle = state;
	ByteBuffer *body = &handle->result.body;
	size_t		length = size * count;
	int64_t		total = (int64_t) (body->length + length);
	bool		fits = body->length + length < body->capacity;
	curl_off_t	expected = -1;
	size_t		instead;

	handle_advance(handle, HANDLE_RECEIVING);
	(void) handle_heard(handle);
	watchdog_progress(length);
	if (!fits)
		(void) curl_easy_getinfo(handle->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
	if (total > handle->settings.max_response_size ||
		expected > handle->settings.max_response_size)
	{
		handle->broke_off = HTTP_TOO_LARGE;
		return 0;
	}
	if (!fits && !make_room(handle, total + 1, expected, &instead))
		return instead;
	buffer_append(body, bytes, length);
	handle->load->received_bytes += (int64_t) length;
	return length;
}

static void
end_pause(HttpHandle *handle)
{
	if (handle->paused_at != 0)
		handle->load->paused--;
	handle->paused_at = 0;
}

bool
body_failed_by_us(const HttpHandle *handle)
{
	HttpFault	fault = handle->result.fault;

	if (handle->broke_off == HTTP_INTERNAL)
		return handle->load->claimants > 0 || !handle->load->last_hope;
	return handle->was_paused && (fault == HTTP_TRANSIENT || fault == HTTP_INTERNAL);
}

void
body_resumed(HttpHandle *handle)
{
	end_pause(handle);
}

/* It needs no more than it has, and nobody waits for it. */
static void
settle(HttpHandle *handle)
{
	handle->wanted = 0;
	end_pause(handle);
	if (handle->load->leader == handle)
		handle->load->leader = NULL;
	set_claim(handle, (int64_t) handle->result.body.capacity);
}

void
body_end(HttpHandle *handle)
{
	HttpLoad   *load = handle->load;
	ByteBuffer *body = &handle->result.body;

	if ((int64_t) body->length > load->longest)
		load->longest = (int64_t) body->length;
	buffer_fit(body);
	settle(handle);
}

void
body_drop(HttpHandle *handle)
{
	handle->load->received_bytes -= (int64_t) handle->result.body.length;
	buffer_free(&handle->result.body);
	settle(handle);
}

void
body_taken(HttpHandle *handle)
{
	handle->load->received_bytes -= (int64_t) handle->result.body.length;
	memset(&handle->result.body, 0, sizeof(handle->result.body));
	settle(handle);
}

void
body_returned(HttpHandle *handle)
{
	handle->load->received_bytes += (int64_t) handle->result.body.length;
	settle(handle);
}
