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

#include "catalog/pg_authid.h"
#include "common/ip.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "context.h"
#include "guc.h"

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

/* The address of the connection's other end, or NULL on a Unix socket. */
static const char *
peer_address(void)
{
	static char host[NI_MAXHOST];
	static bool known = false;

	/* It cannot change while the process lives. */
	if (!known)
	{
		char	   *zone;

		host[0] = '\0';
		if (MyProcPort != NULL &&
			(MyProcPort->raddr.addr.ss_family == AF_INET ||
			 MyProcPort->raddr.addr.ss_family == AF_INET6) &&
			pg_getnameinfo_all(&MyProcPort->raddr.addr,
							   MyProcPort->raddr.salen,
							   host, sizeof(host), NULL, 0,
							   NI_NUMERICHOST | NI_NUMERICSERV) != 0)
			host[0] = '\0';
		zone = strchr(host, '%');
		if (zone)
			*zone = '\0';
		known = true;
	}
	return host;
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

	context->occurred_at = GetCurrentTimestamp();
	context->expire = al_guc_record_ttl == 0 ? DT_NOEND :
		context->occurred_at + (TimestampTz) al_guc_record_ttl * USECS_PER_SEC;
}
