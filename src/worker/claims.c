/*-------------------------------------------------------------------------
 *
 * claims.c
 *	  Which worker of a job works on which buckets.
 *
 * Claims stand in shared memory, in the worker's slot, and go with it.  They
 * only save double work: that no result is stored twice is the store's own
 * business.  Still the order matters: a snapshot taken before another worker's
 * commit shows its buckets as pending, and its claim may be gone already.  So
 * the claim is registered first, and the catalog read after that.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/claims.h"

#include "miscadmin.h"

#include "catalog/catalog_bucket.h"

/*
 * The first bucket from first on that no worker of the job has claimed.  The
 * caller holds the lock.
 */
static int64
skip_claimed(int job_index, int64 first)
{
	bool		moved;

	Assert(shared_is_locked());
	do
	{
		moved = false;
		foreach_slot_of_job(slot, job_index)
		{
			for (int i = 0; i < slot->claim_count; i++)
				if (slot->claims[i].first <= first && first <= slot->claims[i].last)
				{
					first = slot->claims[i].last + 1;
					moved = true;
				}
		}
	} while (moved);
	return first;
}

/* The last bucket of a claim that begins at first, before anybody's next one. */
static int64
end_of_claim(int job_index, int64 first, int64 last)
{
	Assert(shared_is_locked());
	foreach_slot_of_job(slot, job_index)
	{
		for (int i = 0; i < slot->claim_count; i++)
			if (slot->claims[i].first > first)
				last = Min(last, slot->claims[i].first - 1);
	}
	return last;
}

/* Where to look from, and how often looking had to begin anew so far. */
static int64
begin_look(const WorkerSlot *slot, int64 job, uint32 *rescans)
{
	const JobEntry *entry = &shared->jobs[slot->job_index];
	int64		cursor;

	shared_lock();
	cursor = entry->next_bucket;
	*rescans = entry->rescans;
	shared_unlock();
	return cursor > 0 ? cursor : catalog_first_bucket(job);
}

/* All buckets before this one were done or claimed, unless some were given up since begin_look. */
static void
end_look(WorkerSlot *slot, uint32 rescans, int64 next)
{
	JobEntry   *entry = &shared->jobs[slot->job_index];

	shared_lock();
	if (entry->rescans == rescans)
		entry->next_bucket = Max(entry->next_bucket, next);
	shared_unlock();
}

static int64
next_unclaimed(const WorkerSlot *slot, int64 first)
{
	shared_lock();
	first = skip_claimed(slot->job_index, first);
	shared_unlock();
	return first;
}

/* Register a claim of up to count buckets from first on.  False: somebody has claimed it. */
static bool
register_claim(Claims *claims, int64 first, int64 total, int count, Claim *claim)
{
	WorkerSlot *slot = &shared->slots[claims->slot_index];
	bool		registered;

	shared_lock();
	registered = skip_claimed(slot->job_index, first) == first;
	if (registered)
	{
		Assert(slot->claim_count < SHARED_MAX_CLAIMS && first <= total && count > 0);
		claim->first = first;
		claim->last = end_of_claim(slot->job_index, first, Min(total, first + count - 1));
		claims->open_buckets[slot->claim_count] = 0;
		slot->claims[slot->claim_count++] = *claim;
	}
	shared_unlock();
	return registered;
}

static void
remove_claim(Claims *claims, int position)
{
	WorkerSlot *slot = &shared->slots[claims->slot_index];

	shared_lock();
	Assert(position >= 0 && position < slot->claim_count);
	slot->claim_count--;
	memmove(&slot->claims[position], &slot->claims[position + 1],
			sizeof(Claim) * (slot->claim_count - position));
	shared_unlock();
	memmove(&claims->open_buckets[position], &claims->open_buckets[position + 1],
			sizeof(int) * (slot->claim_count - position));
}

void
claims_rescan(Claims *claims)
{
	shared_lock();
	shared_rescan(shared->slots[claims->slot_index].job_index);
	shared_unlock();
	claims->exhausted = false;
}

/* An error came between registering a claim and reading its buckets: it is given up. */
static void
remove_unread_claims(Claims *claims)
{
	const WorkerSlot *slot = &shared->slots[claims->slot_index];

	for (int i = slot->claim_count - 1; i >= 0; i--)
		if (claims->open_buckets[i] == 0)
		{
			remove_claim(claims, i);
			claims_rescan(claims);
		}
}

bool
claims_may_take(Claims *claims, const Job *job)
{
	bool		has_room = shared->slots[claims->slot_index].claim_count < SHARED_MAX_CLAIMS;

	if (has_room && claims_next_bucket(claims->slot_index) <= job->buckets_total)
		return true;
	claims->exhausted = has_room;
	return false;
}

static List *
take(Claims *claims, const Job *job, int count)
{
	WorkerSlot *slot = &shared->slots[claims->slot_index];
	int64		total = job->buckets_total;
	uint32		rescans;
	int64		from;

	Assert(slot->pid == MyProcPid && !shared_is_locked());
	remove_unread_claims(claims);
	from = begin_look(slot, job->id, &rescans);
	while (slot->claim_count < SHARED_MAX_CLAIMS)
	{
		List	   *pending;
		Claim		claim;
		int64		open;

		from = next_unclaimed(slot, from);
		open = catalog_first_open_bucket(job->id, from, total);
		if (open > total)
		{
			end_look(slot, rescans, total + 1);
			return NIL;
		}
		from = open;
		if (!register_claim(claims, from, total, count, &claim))
			continue;
		pending = catalog_pending_buckets(job, claim.first, claim.last);
		from = claim.last + 1;
		end_look(slot, rescans, from);
		if (pending != NIL)
			return pending;
		remove_claim(claims, slot->claim_count - 1);
	}
	return NIL;
}

List *
claims_take(Claims *claims, const Job *job, int count)
{
	List	   *pending = take(claims, job, count);

	claims->exhausted = pending == NIL;
	return pending;
}

void
claims_confirm(Claims *claims, int open)
{
	int			last = shared->slots[claims->slot_index].claim_count - 1;

	Assert(last >= 0 && claims->open_buckets[last] == 0 && open > 0);
	claims->open_buckets[last] = open;
}

void
claims_release(Claims *claims, int64 bucket)
{
	const WorkerSlot *slot = &shared->slots[claims->slot_index];

	for (int i = 0; i < slot->claim_count; i++)
		if (slot->claims[i].first <= bucket && bucket <= slot->claims[i].last)
		{
			Assert(claims->open_buckets[i] > 0);
			if (--claims->open_buckets[i] == 0)
				remove_claim(claims, i);
			return;
		}
}

int64
claims_next_bucket(int slot_index)
{
	int64		next;

	shared_lock();
	next = shared->jobs[shared->slots[slot_index].job_index].next_bucket;
	shared_unlock();
	return next;
}

bool
claims_any(int job_index)
{
	bool		any = false;

	shared_lock();
	foreach_slot_of_job(slot, job_index)
	{
		any |= slot->claim_count > 0;
	}
	shared_unlock();
	return any;
}
