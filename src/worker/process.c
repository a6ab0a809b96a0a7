/*-------------------------------------------------------------------------
 *
 * process.c
 *	  Our background processes: how they are started.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/process.h"

#include "miscadmin.h"

#include "common/pg_enrich.h"

static BackgroundWorker
describe(const Process *process)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_main_arg = process->argument;
	strlcpy(worker.bgw_library_name, PG_ENRICH_LIBRARY, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, process->function, sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_type, process->type, sizeof(worker.bgw_type));
	strlcpy(worker.bgw_name, process->name, sizeof(worker.bgw_name));
	Assert(process->order_size <= sizeof(worker.bgw_extra));
	if (process->order != NULL)
		memcpy(worker.bgw_extra, process->order, process->order_size);
	return worker;
}

void
process_register(const Process *process)
{
	BackgroundWorker worker = describe(process);

	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

bool
process_start(const Process *process, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = describe(process);

	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = handle == NULL ? 0 : MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

bool
process_has_ended(BackgroundWorkerHandle *handle)
{
	pid_t		pid;

	return GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED;
}
