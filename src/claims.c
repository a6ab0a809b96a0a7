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
#include "claims.h"

#include "catalog.h"
#include "shared.h"

/* Open buckets of each of this worker's claims, in the order of the slot's array. */
static int	open_buckets[SHARED_MAX_CLAIMS];

/* The first bucket from first on that no worker of the job has claimed.  The caller holds the lock. */
static int64
skip_claimed(int job_index, int64 first)
{
	bool		moved;

	do
	{
		moved = false;
		for (int i = 0; i < shared->slot_count; i++)
		{
			const WorkerSlot *slot = &shared->slots[i];

			if (!slot->in_use || slot->job_index != job_index)
				continue;
			for (int j = 0; j < slot->claim_count; j++)
				if (slot->claims[j].first <= first && first <= slot->claims[j].last)
				{
					first = slot->claims[j].last + 1;
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
	for (int i = 0; i < shared->slot_count; i++)
	{
		const WorkerSlot *slot = &shared->slots[i];

		if (!slot->in_use || slot->job_index != job_index)
			continue;
		for (int j = 0; j < slot->claim_count; j++)
			if (slot->claims[j].first > first)
				last = Min(last, slot->claims[j].first - 1);
	}
	return last;
}

static int64
next_bucket(const WorkerSlot *slot)
{
	int64		next;

	shared_lock();
	next = skip_claimed(slot->job_index, Max(shared->jobs[slot->job_index].next_bucket, 1));
	shared_unlock();
	return next;
}

/* Register a claim of up to count buckets from first on.  False: somebody was faster. */
static bool
register_claim(WorkerSlot *slot, int64 first, int64 total, int count, Claim *claim)
{
	JobEntry   *entry = &shared->jobs[slot->job_index];
	bool		registered;

	shared_lock();
	registered = skip_claimed(slot->job_index, first) == first;
	if (registered)
	{
		claim->first = first;
		claim->last = end_of_claim(slot->job_index, first, Min(total, first + count - 1));
		slot->claims[slot->claim_count++] = *claim;
		entry->next_bucket = claim->last + 1;
	}
	shared_unlock();
	return registered;
}

static void
remove_claim(WorkerSlot *slot, int position)
{
	shared_lock();
	slot->claim_count--;
	memmove(&slot->claims[position], &slot->claims[position + 1],
			sizeof(Claim) * (slot->claim_count - position));
	shared_unlock();
	memmove(&open_buckets[position], &open_buckets[position + 1],
			sizeof(int) * (slot->claim_count - position));
}

/* Nothing is pending from here on: later calls need not look again. */
static void
note_exhausted(WorkerSlot *slot, int64 from, int64 total)
{
	JobEntry   *entry = &shared->jobs[slot->job_index];

	shared_lock();
	if (entry->next_bucket >= from)
		entry->next_bucket = total + 1;
	shared_unlock();
}

List *
claims_take(int slot_index, int64 buckets_total, int count)
{
	WorkerSlot *slot = &shared->slots[slot_index];

	while (slot->claim_count < SHARED_MAX_CLAIMS)
	{
		int64		cursor = shared->jobs[slot->job_index].next_bucket;
		int64		next = next_bucket(slot);
		List	   *pending;
		Claim		claim;

		if (next > buckets_total)
			return NIL;
		pending = catalog_pending_buckets(shared->jobs[slot->job_index].job, next, buckets_total, 1);
		if (pending == NIL)
		{
			note_exhausted(slot, cursor, buckets_total);
			return NIL;
		}
		if (!register_claim(slot, ((BucketRow *) linitial(pending))->bucket, buckets_total, count, &claim))
			continue;
		pending = catalog_pending_buckets(shared->jobs[slot->job_index].job, claim.first, claim.last, count);
		open_buckets[slot->claim_count - 1] = list_length(pending);
		if (pending != NIL)
			return pending;
		remove_claim(slot, slot->claim_count - 1);
	}
	return NIL;
}

void
claims_release(int slot_index, int64 bucket)
{
	WorkerSlot *slot = &shared->slots[slot_index];

	for (int i = 0; i < slot->claim_count; i++)
		if (slot->claims[i].first <= bucket && bucket <= slot->claims[i].last)
		{
			if (--open_buckets[i] == 0)
				remove_claim(slot, i);
			return;
		}
}

bool
claims_any(int job_index)
{
	bool		any = false;

	shared_lock();
	for (int i = 0; i < shared->slot_count; i++)
		if (shared->slots[i].in_use && shared->slots[i].job_index == job_index)
			any |= shared->slots[i].claim_count > 0;
	shared_unlock();
	return any;
}
