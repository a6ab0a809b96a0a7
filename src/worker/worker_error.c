/*-------------------------------------------------------------------------
 *
 * worker_error.c
 *	  What an error that the database raises means for a worker's job.
 *
 * The class is told by the SQLSTATE, wherever the error comes from: the server
 * itself, a trigger of the target, or a foreign server behind it.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker_error.h"

#include "utils/errcodes.h"

#include "common/error_source.h"

/* Classes of which some members do not follow the others. */
static bool
class_of_code(int sqlstate, ErrorClass *found)
{
	switch (sqlstate)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_T_R_DEADLOCK_DETECTED:
		case ERRCODE_T_R_SERIALIZATION_FAILURE:
			*found = ERROR_LOCK;
			return true;
		case ERRCODE_OBJECT_IN_USE:
		case ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION:
		case MAKE_SQLSTATE('2', '5', 'P', '0', '4'):	/* transaction_timeout,
														 * from 17 on */
			*found = ERROR_PASSING;
			return true;

			/*
			 * Somebody changed the staging table, or it is damaged: that does
			 * not mend itself.
			 */
		case ERRCODE_DATA_CORRUPTED:
		case ERRCODE_INDEX_CORRUPTED:
			*found = ERROR_CONFIGURATION;
			return true;
		default:
			return false;
	}
}

static ErrorClass
class_of_category(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return ERROR_PASSING;
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_INVALID_CATALOG_NAME:
		case ERRCODE_INVALID_SCHEMA_NAME:
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_DEPENDENT_PRIVILEGE_DESCRIPTORS_STILL_EXIST:
		case ERRCODE_FDW_ERROR:
		case ERRCODE_CONFIG_FILE_ERROR:
		case ERRCODE_CARDINALITY_VIOLATION:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_PLPGSQL_ERROR:
			return ERROR_CONFIGURATION;
		default:
			return ERROR_UNKNOWN;
	}
}

ErrorClass
error_class_of(const ErrorData *error)
{
	ErrorClass	found;

	if (error_is_own_cancel(error))
		return ERROR_CANCELED;
	if (class_of_code(error->sqlerrcode, &found))
		return found;
	return class_of_category(error->sqlerrcode);
}

bool
error_is_own_memory(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_OUT_OF_MEMORY && error->message_id != NULL &&
		strcmp(error->message_id, "out of memory") == 0;
}

char *
error_text(const ErrorData *error)
{
	return error->detail
		? psprintf("%s (%s)", error->message, error->detail)
		: pstrdup(error->message);
}

const char *
error_hint(const ErrorData *error)
{
	if (error->hint != NULL)
		return error->hint;
	if (error_is_own_memory(error))
		return "The job goes on with less at a time. A lower pg_enrich.worker_memory, or concurrency, "
			"avoids that.";
	switch (error->sqlerrcode)
	{
		case ERRCODE_DISK_FULL:
			return "Make room on the disk. The job tries again by itself.";
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			return "Grant the job's owner what is missing.";
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_COLUMN:
		case ERRCODE_UNDEFINED_FUNCTION:
		case ERRCODE_UNDEFINED_OBJECT:
		case ERRCODE_UNDEFINED_SCHEMA:
			return "Bring back what is missing.";
		default:
			break;
	}
	switch (error_class_of(error))
	{
		case ERROR_CONFIGURATION:
			return "Mend what the error says.";
		case ERROR_CANCELED:
			return "enrich.resume lets the job go on.";
		default:
			return "The job tries again by itself.";
	}
}

const char *
error_pause_hint(const ErrorData *error)
{
	const char *hint = error_hint(error);

	return strstr(hint, "enrich.") ? hint : psprintf("%s Then use enrich.resume.", hint);
}
