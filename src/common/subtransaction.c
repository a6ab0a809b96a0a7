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

/*
 * The error being handled, if it is one to go on after; NULL: it is to be raised on.  Looked
 * at before it is copied, as there may be no memory for a copy.
 */
static ErrorData *
expected_error(ErrorFilter expects, const void *arg)
{
	ErrorData  *error;

	if (is_of_the_system(geterrcode()))
		return NULL;
	error = CopyErrorData();
	return expects == NULL || expects(error, arg) ? error : NULL;
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
		error = expected_error(expects, arg);
		if (error != NULL)
			FlushErrorState();

		/*
		 * Also if it is raised on: a session knows of the subtransactions
		 * that it has begun itself, and of no others.
		 */
		RollbackAndReleaseCurrentSubTransaction();
		if (error == NULL)
			PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}
