/*
 * src/httpd/request.c
 *
 * One HTTP request, made and freed; see request.h.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "counters.h"
#include "request.h"

/* Can random ids be had?  Later a request that gets none is refused. */
bool
al_request_init(void)
{
	char		probe;

	return getrandom(&probe, 1, 0) == 1;
}

/* 62 letters, each equally likely: bytes past the last multiple are thrown. */
static bool
make_id(char id[AL_REQUEST_ID_LENGTH + 1])
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char bytes[48];
	int			n = 0;

	while (n < AL_REQUEST_ID_LENGTH)
	{
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			return false;
		for (size_t i = 0; i < sizeof(bytes) && n < AL_REQUEST_ID_LENGTH; i++)
			if (bytes[i] < 248)
				id[n++] = letters[bytes[i] % 62];
	}
	id[n] = '\0';
	return true;
}

/* Gives up one of its references; the last frees it. */
void
al_request_release(AlRequest *request)
{
	if (atomic_fetch_sub(&request->references, 1) > 1)
		return;
	free(request->target);
	free(request->path);
	free(request->user_agent);
	free(request->content_type);
	free(request->segments);
	al_buf_free(&request->place);
	al_uri_free_params(&request->params);
	al_buf_free(&request->body);
	al_buf_free(&request->answer.text);
	PQclear(request->answer.result);
	free(request);
}

/* A request whose first line has arrived, or NULL. */
AlRequest *
al_request_make(struct MHD_Connection *mhd, AlConnection *connection,
				const char *target)
{
	AlRequest  *request = calloc(1, sizeof(AlRequest));

	if (request == NULL)
		return NULL;
	atomic_init(&request->references, 1);
	request->mhd = mhd;
	request->connection = connection;
	request->client = al_connection_socket(connection);
	request->started = al_clock_now();
	request->target = strdup(target);
	request->path = al_uri_printable(target);
	if (request->target == NULL || request->path == NULL ||
		!make_id(request->id))
	{
		al_request_release(request);
		return NULL;
	}
	return request;
}

/*
 * It is somewhere else now.  It is never counted nowhere in between, which
 * draining would take for the end.
 */
void
al_request_enter(AlRequest *request, atomic_long *stage)
{
	atomic_fetch_add(stage, 1);
	if (request->stage)
		atomic_fetch_sub(request->stage, 1);
	request->stage = stage;
}
