/*-------------------------------------------------------------------------
 *
 * subtransaction.c
 *	  Running something that may fail without its transaction failing.
 *
 * An error may leave behind locks, buffers, snapshots and whatever else it had in hand;
 * only the end of a subtransaction gives all of it back.  So this is the only place that
 * goes on after an error within a transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "common/subtransaction.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* Whoever goes on after such an error ignores a cancel, or has no means to go on with. */
static bool
is_of_the_system(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_OPERATOR_INTERVENTION ||
		category == ERRCODE_INSUFFICIENT_RESOURCES;
}

/* The error being handled, once it is over; or it is raised on. */
static ErrorData *
take_error(ErrorFilter expects, const void *arg)
{
	ErrorData  *error;

	/* Looked at before it is copied: there may be no memory for a copy. */
	if (is_of_the_system(geterrcode()))
		PG_RE_THROW();
	error = CopyErrorData();
	if (expects != NULL && !expects(error, arg))
		PG_RE_THROW();
	FlushErrorState();
	return error;
}

ErrorData *
subtransaction_run(SubtransactionBody run, void *arg, ErrorFilter expects)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		run(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = take_error(expects, arg);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}
