/*
 * src/httpd/refuse.c
 *
 * Requests that are refused while they are still being read: by us, when a
 * body without declared length does not end, or by libmicrohttpd, when it
 * cannot read what comes.
 *
 * It lets nobody answer at that time, and its own answers are HTML, of which
 * we would learn when they are sent.  But it says in its log, on the thread of
 * the connection, that it is about to refuse; then we answer past it, as all
 * errors are answered, and leave a record.  A library without such messages
 * answers itself: nothing else depends on them.
 *
 * What has no readable first line is no request, and has neither id nor
 * record.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "counters.h"
#include "diag.h"
#include "later.h"
#include "peer.h"
#include "refuse.h"
#include "respond.h"

static const AlConfig *config;

/* What this thread reads from, all its life, once it knows. */
static __thread AlConnection *reading;

void
al_refuse_init(const AlConfig *with)
{
	config = with;
}

/* This thread reads from that connection. */
void
al_refuse_watch(AlConnection *connection)
{
	reading = connection;
}

/* What can be known of a request whose headers we have not seen. */
static void
look_at_client(AlRequest *request)
{
	const char *method = al_connection_method(request->connection);

	memcpy(request->method_name, method, strlen(method) + 1);
	al_peer_find(config, request->mhd, request->peer);
	if (config->workspace)
		strncpy(request->identity.workspace, config->workspace,
				AL_MAX_NAME - 1);
}

/* Answers, as the last on its connection, and leaves the record for later. */
void
al_refuse(AlRequest *request, unsigned int status, const char *message)
{
	if (!request->seen)
		look_at_client(request);
	al_buf_free(&request->body);
	al_respond_error(request, status, message);
	request->work = AL_WORK_RECORD;
	request->detached = true;
	request->answered = al_clock_now();
	if (!al_later_submit(request))
		atomic_fetch_add(&al_counters.unrecorded, 1);
	al_connection_set_deadline(request->connection, true);
	al_request_enter(request, &al_counters.sending);
	al_respond_send_last(request);
}

static const char *
reason(unsigned int status)
{
	switch (status)
	{
		case 400:
			return "Malformed request";
		case 413:
			return "Request body too large";
		case 414:
			return "Request target too long";
		case 431:
			return "Request header too large";
		case 505:
			return "HTTP version not supported";
		default:
			return "An unexpected error occurred";
	}
}

/* Answers instead of the library; false if it has to do it itself. */
static bool
answer_instead(unsigned int status)
{
	AlRequest  *request = al_connection_request(reading);

	if (request)
		al_refuse(request, status, reason(status));
	else if (reading)
	{
		AlFault		fault = {status, reason(status), true};

		al_connection_refuse(reading, fault, true);
	}
	return reading != NULL;
}

/* What the library has to say of its connections. */
void
al_refuse_listen(void *cls, const char *format, va_list args)
{
	static const char refusal[] = "Error processing request (HTTP response code is %u";
	char		line[512];

	(void) cls;
	/* once it is answered, all that follows is of our doing */
	if (al_connection_is_refused(reading))
		return;
	if (strncmp(format, refusal, sizeof(refusal) - 1) == 0)
	{
		va_list		again;
		unsigned int status;

		va_copy(again, args);
		status = va_arg(again, unsigned int);
		va_end(again);
		if (answer_instead(status))
			return;
		al_diag("what is no request was refused with %u", status);
		return;
	}
	vsnprintf(line, sizeof(line), format, args);
	al_diag("%s", line);
}
