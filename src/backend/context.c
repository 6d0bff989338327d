/*
 * src/backend/context.c
 *
 * Who is changing something and for which request.
 *
 * A record carries its own context, so that it makes sense alone.  Most of it
 * is the same for all rows of a statement: it is gathered once, in the memory
 * context of the statement's batch.  Role names are kept for the process and
 * looked up again only when the role changes or pg_authid does.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "context.h"
#include "guc.h"

#define SMALL_STEP (1 * USECS_PER_SEC)	/* of the clock, backwards */

/* The name of one role, kept until pg_authid changes. */
typedef struct RoleName
{
	Oid			role;			/* InvalidOid: nothing kept */
	NameData	name;
} RoleName;

static RoleName session_role;
static RoleName current_role;

static void
forget_roles(Datum arg, int cacheid, uint32 hashvalue)
{
	session_role.role = InvalidOid;
	current_role.role = InvalidOid;
}

static const char *
role_name(RoleName *kept, Oid role)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(AUTHOID, forget_roles, (Datum) 0);
		registered = true;
	}
	if (kept->role != role)
	{
		/* A role can be dropped while its session goes on. */
		char	   *name = GetUserNameFromId(role, true);

		namestrcpy(&kept->name, name ? name : psprintf("%u", role));
		kept->role = role;
	}
	return NameStr(kept->name);
}

/* A text datum, or 0 for what is unset; the empty string means unset. */
Datum
al_context_text(const char *value)
{
	if (value == NULL || *value == '\0')
		return (Datum) 0;
	return PointerGetDatum(cstring_to_text(value));
}

/* The address of the connection's other end; empty on a Unix socket. */
static const char *
peer_address(void)
{
	static char *address = NULL;

	/* It cannot change while the process lives. */
	if (address == NULL)
	{
		LOCAL_FCINFO(fcinfo, 0);
		Datum		peer;
		const char *host = "";

		InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
		peer = inet_client_addr(fcinfo);
		if (!fcinfo->isnull)
			host = TextDatumGetCString(DirectFunctionCall1(network_host, peer));
		address = MemoryContextStrdup(TopMemoryContext, host);
	}
	return address;
}

/*
 * The time of the records of a statement that starts now.  The order of records
 * is that of their times, so a clock that is set back must not turn it round
 * for what one transaction does to a row, nor for what a session does when the
 * step is small.  After a larger one the next transaction has the time that the
 * clock shows.
 */
static TimestampTz
current_time(void)
{
	static TimestampTz last = DT_NOBEGIN;
	static LocalTransactionId transaction = InvalidLocalTransactionId;	/* that of "last" */
	TimestampTz now = GetCurrentTimestamp();

	if (now <= last && (last - now <= SMALL_STEP ||
						transaction == al_compat_lxid()))
		now = last + 1;
	last = now;
	transaction = al_compat_lxid();
	return now;
}

/*
 * Fills in the context of a statement that starts writing records now.  The
 * texts are allocated in the current memory context.
 */
void
al_context_fill(AlContext *context)
{
	Oid			session_user = GetSessionUserId();
	Oid			current_user = GetUserId();

	context->request_id = al_context_text(al_guc_request_id);
	context->rbac_user_id = al_context_text(al_guc_rbac_user_id);
	context->rbac_user_name = al_context_text(al_guc_rbac_user_name);
	context->workspace = al_context_text(al_guc_workspace);
	context->request_source = al_context_text(al_guc_request_source);
	context->client_ip = al_context_text(al_guc_client_ip);
	if (context->client_ip == (Datum) 0)
		context->client_ip = al_context_text(peer_address());
	context->application_name = al_context_text(application_name);
	context->db_user = al_context_text(role_name(&session_role, session_user));
	context->db_role = current_user == session_user ? (Datum) 0 :
		al_context_text(role_name(&current_role, current_user));

	context->occurred_at = current_time();
	context->expire = al_guc_record_ttl == 0 ? DT_NOEND :
		context->occurred_at + (TimestampTz) al_guc_record_ttl * USECS_PER_SEC;
}
