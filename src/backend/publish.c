/*
 * src/backend/publish.c
 *
 * Publishing checkpoints: nothing leaves the server before the transaction
 * that sealed the block is durable.
 *
 * So it happens in the callback at commit, still under the sealer's lock: a
 * file outside the data directory, and a line in the server's log.  Nothing
 * can fail there any more; what goes wrong is a WARNING, and the next block
 * publishes again.  The notification is queued before and delivered at commit
 * by the server.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "checkpoint.h"
#include "checkpoint_file.h"
#include "guc.h"
#include "notetext.h"
#include "publish.h"
#include "signing.h"

#define CHANNEL "audit_ledger"
#define NOTIFY_MAX 7900			/* bytes; the server's limit is 8000 */
#define QUEUE_FULL 0.9			/* of the queue of notifications */
#define PROBLEM_SIZE 512

/* What is to be done at commit. */
typedef struct Announcement
{
	MemoryContext context;		/* all of it lives here */
	char	   *path;			/* NULL: no file */
	char	   *note;
	char	   *summary;		/* for the log */
	char	   *next_key;		/* takes the place of key; NULL: none */
	char	   *key;
} Announcement;

/* Of the transaction that goes on: its last checkpoint, or NULL. */
static Announcement *pending = NULL;

/* What kept the last checkpoint of this process from its file, or "". */
static char problem[PROBLEM_SIZE];

static void
forget(void)
{
	if (pending)
		MemoryContextDelete(pending->context);
	pending = NULL;
}

static void
publish(void)
{
	bool		written = true;

	problem[0] = '\0';
	if (pending->path &&
		!al_checkpoint_file_replace(pending->path, pending->note))
	{
		written = false;
		snprintf(problem, sizeof(problem),
				 "could not write checkpoint file \"%s\": %s", pending->path,
				 strerror(errno));
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("%s", problem),
				 errdetail("The block is sealed; the next audit.seal() writes the file."),
				 errhint("The server's user must be able to write there, and the file system must have room.")));
	}
	ereport(LOG,
			(errmsg("%s", pending->summary), errhidestmt(true)));
	if (pending->next_key && written &&
		rename(pending->next_key, pending->key) != 0)
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not rename key file \"%s\" to \"%s\": %m",
						pending->next_key, pending->key)));
}

static void
on_xact_event(XactEvent event, void *arg)
{
	if (pending == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a transaction that has sealed the ledger cannot be prepared")));
			break;
		case XACT_EVENT_COMMIT:
			publish();
			forget();
			break;
		case XACT_EVENT_ABORT:
			forget();
			break;
		default:
			break;
	}
}

/* Why the checkpoint sealed last is not in its file; NULL if it is. */
const char *
al_publish_problem(void)
{
	return problem[0] ? problem : NULL;
}

/*
 * Where a session listens and never reads, the queue fills up, and the commit
 * of whoever notifies fails.  The block matters more than the notification.
 */
static void
notify(const char *payload)
{
	if (DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage,
										   (Datum) 0)) < QUEUE_FULL)
		Async_Notify(CHANNEL, payload);
	else
		ereport(WARNING,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a checkpoint was sealed without a notification, because the queue is almost full"),
				 errhint("End the transaction of the session that listens and does not read; the log of the server names it.")));
}

void
al_publish_init(void)
{
	RegisterXactCallback(on_xact_event, NULL);
}

/*
 * Makes the checkpoint of a block, signs it if "sign", and has it published
 * when the transaction commits.
 */
void
al_publish_checkpoint(Snapshot snapshot, const AlBlock *block,
					  const AlGeneration *generation, bool sign)
{
	const char *text = al_checkpoint_text(block, generation);
	const char *path;
	StringInfoData lines;
	Announcement *announcement;
	MemoryContext context;
	MemoryContext old;
	bool		rotate = false;
	char	   *database = get_database_name(MyDatabaseId);

	initStringInfo(&lines);
	appendStringInfoString(&lines, al_checkpoint_lines(snapshot, block));
	if (sign)
		rotate = al_signing_sign(snapshot, text, block, generation, &lines);
	path = al_checkpoint_file_path(snapshot, generation);

	forget();
	context = AllocSetContextCreate(TopMemoryContext,
									"audit_log announcement",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	announcement = palloc0(sizeof(Announcement));
	announcement->context = context;
	announcement->note = psprintf("%s\n%s", text, lines.data);
	announcement->summary =
		psprintf("audit ledger of database \"%s\": %s", database, text);
	/* One line: that is what a log shipper carries away. */
	for (char *p = announcement->summary; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
	if (path)
		announcement->path = pstrdup(path);
	if (rotate)
	{
		announcement->next_key = al_signing_next_path();
		announcement->key = pstrdup(al_guc_ledger_key);
	}
	pending = announcement;
	MemoryContextSwitchTo(old);
	ForceSyncCommit();
	notify(strlen(announcement->note) < NOTIFY_MAX ?
		   al_notetext_show(announcement->note) : text);
}
