/*
 * src/backend/module.c
 *
 * Entry of the module: calls the other rooms' init, nothing more.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "batch.h"
#include "evict.h"
#include "exclude.h"
#include "filter.h"
#include "guc.h"
#include "keylog.h"
#include "keys.h"
#include "publish.h"
#include "purge.h"
#include "store.h"
#include "tracking.h"
#include "watch.h"
#include "worker.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	static const AlGucHooks hooks = {
		.check_methods = al_filter_check_methods,
		.assign_methods = al_filter_assign_methods,
		.check_paths = al_filter_check_paths,
		.assign_paths = al_filter_assign_paths,
		.check_tables = al_filter_check_tables,
		.assign_tables = al_filter_assign_tables,
		.check_payload_exclude = al_exclude_check,
		.assign_payload_exclude = al_exclude_assign,
		.check_signing_key = al_keys_check_signing_key,
		.assign_signing_key = al_keys_assign_signing_key,
	};

	al_store_init();
	al_keylog_init();
	al_purge_init();
	al_batch_init();
	al_publish_init();
	al_tracking_init();
	al_watch_init();
	/* Last: it may set variables, and the hooks need what is above. */
	al_guc_init(&hooks);
	al_keys_defined();
	if (process_shared_preload_libraries_in_progress)
	{
		al_worker_register();
		al_evict_init();
	}
}
