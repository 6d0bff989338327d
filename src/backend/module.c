/*
 * src/backend/module.c
 *
 * Entry of the module: calls the other rooms' init, nothing more.
 */
#include "postgres.h"

#include "fmgr.h"

#include "batch.h"
#include "guc.h"
#include "keylog.h"
#include "store.h"
#include "tracking.h"
#include "watch.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	al_store_init();
	al_keylog_init();
	al_batch_init();
	al_tracking_init();
	al_watch_init();
	/* Last: it may set variables, and the hooks need what is above. */
	al_guc_init();
}
