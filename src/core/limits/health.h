/*-------------------------------------------------------------------------
 *
 * health.h
 *	  What a server bears: when it is to be left alone, and how many requests
 *	  it may have at once.
 *
 * Throttled (it said "too many"): the server is paused for as long as it asks, else
 * by exponential backoff with full jitter over the episodes in a row, and the limit
 * falls to half of what was in use.  From there it climbs by one a round trip.
 * Requests that were on their way when the pause began are the same episode:
 * they neither halve the limit again nor back off further.
 *
 * Out (nothing but transient failures): paused, and probed with one request at a time,
 * by the same backoff.  The first answer ends it, and the limit climbs from one,
 * doubling each round trip, to what was in use before.  Failures count towards an
 * outage only if no answer has come since their request was sent, and each request
 * only once: else a few rows that the API chokes on would look like one when
 * they are all that is left.
 *
 * So whether a failure was its request's own fault may be known only later: when
 * something that was sent after it is answered, or an outage begins.
 *
 * Pure: time and chance come in as arguments.  Lives in shared memory; the caller locks.
 * All times are monotonic microseconds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_ENRICH_HEALTH_H
#define PG_ENRICH_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

/* So many requests fail, with no answer between: the server is out. */
#define HEALTH_OUT_AFTER 8

/* The same, of requests that did not even reach it. */
#define HEALTH_OUT_AFTER_UNREACHED 3

/*
 * A handshake that fails, or a proxy that refuses, may be one machine of many, or the
 * configuration.  It is the latter when so many probes of an outage end so, one after the
 * other.
 */
#define HEALTH_HOPELESS_PROBES 3

/*
 * From then on probes that did reach the server are charged.  Rows that the API
 * chokes on look like an outage when there are many of them and nothing else is
 * left: so they come to their end.  Requests take turns as probes: where many are
 * left none fails for hours.
 */
#define HEALTH_PATIENCE_US (15 * 60 * INT64_C(1000000))

/* How a request ended, as far as it tells something of its server. */
typedef enum HealthSign
{
	HEALTH_ANSWERED,			/* whatever it said: the server works */
	HEALTH_THROTTLED,			/* it wants fewer requests */
	HEALTH_FAILED,				/* transient failure: 5xx, reset, timeout, … */
	HEALTH_UNREACHED,			/* the same before the request went out: no
								 * row is to blame */
	HEALTH_NO_SIGN				/* says nothing of the server */
} HealthSign;

/* Whose fault a failure was. */
typedef enum HealthBlame
{
	HEALTH_BLAME_OPEN,			/* not known yet */
	HEALTH_BLAME_REQUEST,		/* the server has worked since */
	HEALTH_BLAME_SERVER			/* it has gone out since */
} HealthBlame;

/* One request that has ended. */
typedef struct HealthReport
{
	HealthSign	sign;
	bool		first_failure;	/* of this request */
	int64_t		sent_at;
	int64_t		wait_us;		/* what a throttled answer asks for; not
								 * positive: nothing */
} HealthReport;

/* The circumstances. */
typedef struct HealthScene
{
	int64_t		now;
	int64_t		backoff_base_us;
	int64_t		backoff_max_us;
	int			cap;			/* most requests that may be in flight, this
								 * limit apart */
	double		chance;			/* random, from 0 to 1 */
} HealthScene;

/* All zero: in good health, nothing known. */
typedef struct Health
{
	/* The limit */
	int			limit;			/* 0: none but the caps */
	int			fast_below;		/* below this it climbs with every answer */
	int			answers;		/* since it climbed, or since the round trip
								 * began */
	int			peak;			/* most in flight in this round trip */
	int			last_peak;		/* ... and in the one before */

	/* The pause */
	int64_t		paused_since;	/* requests sent before are of this episode;
								 * 0: never paused */
	int64_t		paused_until;
	int			episodes;		/* of throttling, without a whole round trip
								 * of answers between */
	int64_t		throttled_us;	/* all pauses by throttling, up to their ends */

	/* Failures since the last answer */
	bool		answered;		/* ever */
	int64_t		last_answer_at;
	int64_t		answered_sent_at;	/* when the latest request that was
									 * answered was sent */
	int64_t		failing_since;	/* 0: the last request was answered */
	int			failed;			/* requests, each once */
	int			unreached;		/* requests, each time */

	/* The outage */
	bool		out;
	int64_t		out_since;
	int			probes;			/* in vain */
	int			refusals;		/* of these, the last ones that could not get
								 * through */
	bool		refused;		/* by what health_others_pass was told, and is
								 * noted next */
	uint32_t	outages;		/* ever begun */
} Health;

/* A request goes out; so many are in flight with it. */
extern void health_sent(Health *health, int in_flight);

/*
 * A request has ended.  Returns whether it is to be charged for a failure:
 * not while the server is out, but for HEALTH_PATIENCE_US, nor if it never reached it.
 */
extern bool health_note(Health *health, const HealthReport *report, const HealthScene *scene);

/*
 * Whose fault was a request's failure at that time, when so many outages had begun?  Any answer
 * to what was sent later tells that the server works: what was sent before may have been
 * answered just before it went out.
 */
extern HealthBlame health_blame(const Health *health, int64_t failed_at, uint32_t outages);

/* The most requests in flight that the server bears now; "cap" where there is no limit. */
extern int	health_limit(const Health *health, int cap);

/*
 * A request, sent at that time, could not get through for a reason that may be the
 * configuration; may_pass: or one connection.  Is it to be tried again, since others get
 * through, or may?  To be asked once of each, before it is noted.
 */
extern bool health_others_pass(Health *health, bool may_pass, int64_t sent_at);

/* How long to send nothing; 0: now is as good a time as any. */
extern int64_t health_pause(const Health *health, int64_t now);

/* How long the server has been paused by throttling, all in all. */
extern int64_t health_throttled_us(const Health *health, int64_t now);

/* Another server answers by this name now: nothing is known of it. */
extern void health_forget(Health *health, int64_t now);

#endif							/* PG_ENRICH_HEALTH_H */
