/*
 * src/httpd/handle.c
 *
 * The way of a request: the thread that libmicrohttpd has for its connection
 * reads it, takes a database connection for one statement, which makes the
 * answer and the record, gives it back, and sends the answer.  So a slow
 * client has no database connection, a slow statement holds up nobody else,
 * and no request is handed from one thread to another.
 *
 * What libmicrohttpd cannot read never gets as far as al_handle_request(); see
 * refuse.c.
 */
#include <string.h>

#include "clock.h"
#include "counters.h"
#include "handle.h"
#include "later.h"
#include "peer.h"
#include "pool.h"
#include "refuse.h"
#include "respond.h"
#include "routes.h"
#include "site.h"
#include "syntax.h"
#include "work.h"

/* A body may be so much longer than the limit before it is cut off. */
#define PATIENCE 16

static const AlConfig *config;

void
al_handle_init(const AlConfig *with)
{
	config = with;
}

/* Called once the request line is there; the result is the request's state. */
void *
al_handle_begin(void *cls, const char *target, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	AlConnection *connection = info ? info->socket_context : NULL;
	AlRequest  *request;

	(void) cls;
	if (al_connection_is_refused(connection))
		return NULL;
	request = al_request_make(mhd, connection, target);
	al_refuse_watch(connection);
	if (request == NULL)
		return NULL;
	al_connection_set_request(connection, request);
	atomic_fetch_add(&al_counters.requests, 1);
	al_request_enter(request, &al_counters.reading);
	return request;
}

static void
end_request(AlRequest *request)
{
	atomic_fetch_sub(request->stage, 1);
	al_connection_set_request(request->connection, NULL);
	al_request_release(request);
}

void
al_handle_end(void *cls, struct MHD_Connection *mhd, void **state,
			  enum MHD_RequestTerminationCode how)
{
	AlRequest  *request = *state;

	(void) cls;
	(void) mhd;
	(void) how;
	*state = NULL;
	if (request)
		end_request(request);
}

/*
 * A connection begins or ends, with whatever libmicrohttpd forgot on it: it
 * does not end a request that it refused while it read the first line.
 */
void
al_handle_connection(void *cls, struct MHD_Connection *mhd, void **state,
					 enum MHD_ConnectionNotificationCode what)
{
	(void) cls;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		al_connection_open(mhd, state);
	else
	{
		if (al_connection_request(*state))
			end_request(al_connection_request(*state));
		al_connection_close(*state);
	}
}

static AlMethod
method_of(const char *name)
{
	static const struct
	{
		const char *name;
		AlMethod	method;
	}			methods[] = {
		{"GET", AL_GET},
		{"HEAD", AL_HEAD},
		{"POST", AL_POST},
		{"PUT", AL_PUT},
		{"PATCH", AL_PATCH},
		{"DELETE", AL_DELETE},
		{"OPTIONS", AL_OPTIONS}
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].method;
	return AL_OTHER;
}

static char *
copy_header(AlRequest *request, const char *name)
{
	const char *value =
		MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);

	return value ? al_uri_printable(value) : NULL;
}

static enum MHD_Result
send_answer(AlRequest *request)
{
	al_connection_set_deadline(request->connection, true);
	al_request_enter(request, &al_counters.sending);
	return al_respond_send(request);
}

/* Answers now and leaves the record for later. */
static enum MHD_Result
send_detached(AlRequest *request)
{
	request->detached = true;
	request->answered = al_clock_now();
	if (!al_later_submit(request))
		atomic_fetch_add(&al_counters.unrecorded, 1);
	return send_answer(request);
}

static enum MHD_Result
look_at_headers(AlRequest *request, const char *method, const char *version)
{
	AlFault		fault = al_syntax_check(config, request->mhd, method,
										request->target, version);

	request->seen = true;
	request->method = method_of(method);
	strncpy(request->method_name, method, sizeof(request->method_name) - 1);
	al_peer_find(config, request->mhd, request->peer);
	request->user_agent = copy_header(request, "User-Agent");
	request->content_type = copy_header(request, "Content-Type");
	if (request->method & (AL_POST | AL_PUT | AL_PATCH | AL_OTHER))
		al_connection_acknowledge(request->connection);
	if (fault.status == 0)
		return MHD_YES;
	/* Not a byte of its body is read, nor waited for. */
	al_respond_error(request, fault.status, fault.message);
	/* a bad first line never became a request, and so has no record */
	return fault.first_line ? send_answer(request) : send_detached(request);
}

/*
 * Past the limit a body without declared length is read on, unkept, because
 * most clients listen only when they have said all; but not for ever.
 */
static enum MHD_Result
take_body(AlRequest *request, const char *upload, size_t *upload_len)
{
	request->has_body = true;
	request->received += *upload_len;
	if (request->received > config->max_body)
	{
		request->too_large = true;
		al_buf_free(&request->body);
		if (request->received / PATIENCE > config->max_body + 65536)
		{
			al_refuse(request, 413, "Request body too large");
			return MHD_NO;
		}
	}
	else
		al_buf_append(&request->body, upload, *upload_len);
	*upload_len = 0;
	return MHD_YES;
}

static bool
is_allowed(AlRequest *request)
{
	if (config->tls_client_ca &&
		al_auth_check_certificate(request->mhd, &request->identity))
		return true;
	if (config->token_file &&
		al_auth_check_token(MHD_lookup_connection_value(request->mhd,
														MHD_HEADER_KIND,
														"Authorization"),
							&request->identity))
		return true;
	return config->tls_client_ca == NULL && config->token_file == NULL;
}

static void
choose_answer(AlRequest *request)
{
	bool		allowed = is_allowed(request);

	if (request->identity.workspace[0] == '\0' && config->workspace)
		strncpy(request->identity.workspace, config->workspace,
				AL_MAX_NAME - 1);
	if (!al_site_is_ours(config, request->mhd))
		al_respond_error(request, 403,
						 "This host name or origin is not served");
	else if (!allowed && !al_routes_is_public(request))
		al_respond_error(request, 401, "Unauthorized");
	else if (request->too_large)
		al_respond_error(request, 413, "Request body too large");
	else if (request->body.failed)
		al_respond_error(request, 503, "Out of memory");
	else
		al_routes_choose(request);
}

/*
 * Runs the request's statement and sends what comes of it.  Meanwhile the
 * client is silent for good reason: its deadline rests, and libmicrohttpd
 * counts its timeout from the answer on.
 */
static enum MHD_Result
send_from_database(AlRequest *request)
{
	AlDatabase *db;

	al_connection_set_deadline(request->connection, false);
	db = al_pool_take(config->queue_timeout);
	if (db)
	{
		al_work_execute(db, request);
		al_pool_give(db);
	}
	if (db == NULL)
	{
		al_respond_error(request, 503,
						 "All database connections are busy; try again");
		request->work = AL_WORK_RECORD;
		return send_detached(request);
	}
	return send_answer(request);
}

enum MHD_Result
al_handle_request(void *cls, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **state)
{
	AlRequest  *request = *state;

	(void) cls;
	(void) mhd;
	(void) url;
	if (request == NULL || al_connection_is_refused(request->connection))
		return MHD_NO;
	if (!request->seen)
		return look_at_headers(request, method, version);
	if (*upload_len != 0)
		return take_body(request, upload, upload_len);

	al_request_enter(request, &al_counters.handling);
	choose_answer(request);
	return request->detached ? send_detached(request) :
		send_from_database(request);
}
