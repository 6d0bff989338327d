/*
 * src/httpd/request.c
 *
 * The way of a request: the thread that libmicrohttpd has for its connection
 * reads it, takes a database connection for one statement, which makes the
 * answer and the record, gives it back, and sends the answer.  So a slow
 * client has no database connection, a slow statement holds up nobody else,
 * and no request is handed from one thread to another.
 *
 * What libmicrohttpd cannot parse (a header without a colon, headers far past
 * the limit) it refuses itself; such a thing never becomes a request and
 * leaves no record.
 *
 * libmicrohttpd's timeout counts silence, so a client that sends one byte at
 * a time could hold a connection for ever.  Each connection therefore also
 * has a deadline for a whole request to arrive, or a whole answer to leave;
 * al_request_cut_slow() shuts down those that missed it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "later.h"
#include "pool.h"
#include "request.h"
#include "respond.h"
#include "routes.h"
#include "syntax.h"
#include "work.h"

struct AlConnection
{
	AlConnection *next;
	AlConnection **link;		/* what points to this one */
	int			fd;
	atomic_llong deadline;		/* monotonic microseconds; 0 = none */
};

AlCounters	al_counters;

static const AlConfig *config;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static AlConnection *connections;
static atomic_bool draining;

int64_t
al_request_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
set_deadline(AlConnection *connection, bool on)
{
	if (connection)
		atomic_store(&connection->deadline,
					 on ? al_request_now() +
					 (int64_t) config->request_timeout * 1000000
					 : 0);
}

/*
 * libmicrohttpd drops a connection without a word when its first line has no
 * blank in it, and answers every other mistake.  So that one is answered here,
 * before the library reads it.
 */
static void
refuse_malformed(int fd)
{
	static const char answer[] =
		"HTTP/1.1 400 Bad Request\r\n"
		"Connection: close\r\n"
		"Content-Type: application/json; charset=utf-8\r\n"
		"Content-Length: 36\r\n\r\n"
		"{\"message\":\"Malformed request line\"}";
	char		line[1024];
	ssize_t		n = recv(fd, line, sizeof(line), MSG_PEEK | MSG_DONTWAIT);
	char	   *start = line;
	char	   *end;

	/* empty lines before a request are legal */
	while (n > 0 && (*start == '\r' || *start == '\n'))
	{
		start++;
		n--;
	}
	end = n > 0 ? memchr(start, '\n', (size_t) n) : NULL;
	if (end && memchr(start, ' ', (size_t) (end - start)) == NULL)
		(void) send(fd, answer, sizeof(answer) - 1,
					MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
open_connection(struct MHD_Connection *mhd, void **state)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	AlConnection *connection = calloc(1, sizeof(AlConnection));

	*state = connection;
	atomic_fetch_add(&al_counters.accepted, 1);
	atomic_fetch_add(&al_counters.active, 1);
	if (connection == NULL)
		return;
	connection->fd = info ? info->connect_fd : -1;
	set_deadline(connection, true);
	pthread_mutex_lock(&lock);
	connection->next = connections;
	connection->link = &connections;
	if (connections)
		connections->link = &connection->next;
	connections = connection;
	pthread_mutex_unlock(&lock);
	if (config->tls_cert == NULL)
		refuse_malformed(connection->fd);
}

/* libmicrohttpd calls it before it closes the socket. */
static void
close_connection(AlConnection *connection)
{
	atomic_fetch_sub(&al_counters.active, 1);
	if (connection == NULL)
		return;
	pthread_mutex_lock(&lock);
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	pthread_mutex_unlock(&lock);
	free(connection);
}

void
al_request_connection(void *cls, struct MHD_Connection *mhd, void **state,
					  enum MHD_ConnectionNotificationCode what)
{
	(void) cls;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		open_connection(mhd, state);
	else
		close_connection(*state);
}

void
al_request_cut_slow(void)
{
	int64_t		now = al_request_now();

	pthread_mutex_lock(&lock);
	for (AlConnection *c = connections; c; c = c->next)
	{
		int64_t		deadline = atomic_load(&c->deadline);

		if (deadline != 0 && deadline < now && c->fd >= 0)
		{
			shutdown(c->fd, SHUT_RDWR);
			atomic_store(&c->deadline, 0);
			atomic_fetch_add(&al_counters.cut, 1);
		}
	}
	pthread_mutex_unlock(&lock);
}

/* From now on every answer is the last on its connection. */
void
al_request_drain(void)
{
	atomic_store(&draining, true);
}

bool
al_request_is_draining(void)
{
	return atomic_load(&draining);
}

bool
al_request_init(const AlConfig *with)
{
	char		probe;

	config = with;
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

/* Never counted nowhere in between, which draining would take for the end. */
static void
enter(AlRequest *request, atomic_long *stage)
{
	atomic_fetch_add(stage, 1);
	if (request->stage)
		atomic_fetch_sub(request->stage, 1);
	request->stage = stage;
}

static void
release(AlRequest *request)
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
	al_respond_free(request);
	free(request);
}

/* Called once the request line is there; the result is the request's state. */
void *
al_request_begin(void *cls, const char *target, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	AlRequest  *request = calloc(1, sizeof(AlRequest));

	(void) cls;
	if (request == NULL)
		return NULL;
	atomic_init(&request->references, 1);
	request->mhd = mhd;
	request->connection = info ? info->socket_context : NULL;
	request->client = request->connection ? request->connection->fd : -1;
	request->started = al_request_now();
	request->target = strdup(target);
	request->path = al_uri_printable(target);
	if (request->target == NULL || request->path == NULL ||
		!make_id(request->id))
	{
		release(request);
		return NULL;
	}
	atomic_fetch_add(&al_counters.requests, 1);
	enter(request, &al_counters.reading);
	return request;
}

void
al_request_end(void *cls, struct MHD_Connection *mhd, void **state,
			   enum MHD_RequestTerminationCode how)
{
	AlRequest  *request = *state;

	(void) cls;
	(void) mhd;
	(void) how;
	if (request == NULL)
		return;
	*state = NULL;
	atomic_fetch_sub(request->stage, 1);
	/* the next request of this connection has its own time */
	set_deadline(request->connection, true);
	release(request);
}

static AlMethod
method_of(const char *name)
{
	static const struct
	{
		const char *name;
		AlMethod	method;
	}			methods[] = {{"GET", AL_GET}, {"HEAD", AL_HEAD},
	{"POST", AL_POST}, {"PUT", AL_PUT},
	{"PATCH", AL_PATCH}, {"DELETE", AL_DELETE},
	{"OPTIONS", AL_OPTIONS}};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].method;
	return AL_OTHER;
}

static void
set_peer(AlRequest *request)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
																   request->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info ? info->client_addr : NULL;

	if (address && address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *) address)->sin_addr,
				  request->peer, sizeof(request->peer));
	else if (address && address->sa_family == AF_INET6)
	{
		const struct in6_addr *v6 =
			&((const struct sockaddr_in6 *) address)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(v6))
			inet_ntop(AF_INET, v6->s6_addr + 12, request->peer,
					  sizeof(request->peer));
		else
			inet_ntop(AF_INET6, v6, request->peer, sizeof(request->peer));
	}
}

static enum MHD_Result
collect_forwarded(void *cls, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	AlBuf	   *list = cls;

	(void) kind;
	if (value && strcasecmp(name, "X-Forwarded-For") == 0)
	{
		if (list->len)
			al_buf_append_char(list, ',');
		al_buf_append_str(list, value);
	}
	return MHD_YES;
}

/*
 * Behind a trusted proxy the client is the last address in the chain that is
 * not itself a trusted proxy; what stands before it the client could have
 * written.
 */
static void
believe_forwarded(AlRequest *request)
{
	AlBuf		list = {0};
	char	   *end;

	if (!al_config_trusts(config, request->peer))
		return;
	MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, collect_forwarded,
							  &list);
	al_buf_append_char(&list, '\0');
	end = list.failed ? NULL : list.data + list.len - 1;
	while (end && end > list.data)
	{
		unsigned char bytes[16];
		char	   *start;

		*end = '\0';
		start = strrchr(list.data, ',');
		end = start ? start : list.data;
		start = start ? start + 1 : list.data;
		start += strspn(start, " \t");
		start[strcspn(start, " \t")] = '\0';
		if (strlen(start) >= sizeof(request->peer) ||
			!al_config_parse_address(start, bytes))
			break;
		strcpy(request->peer, start);
		if (!al_config_trusts(config, request->peer))
			break;
	}
	al_buf_free(&list);
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
	set_deadline(request->connection, true);
	enter(request, &al_counters.sending);
	return al_respond_send(request);
}

/* Answers now and leaves the record for later. */
static enum MHD_Result
send_detached(AlRequest *request)
{
	request->detached = true;
	request->answered = al_request_now();
	atomic_fetch_add(&request->references, 1);
	atomic_fetch_add(&al_counters.handling, 1);
	if (!al_later_submit(request))
	{
		atomic_fetch_sub(&al_counters.handling, 1);
		atomic_fetch_add(&al_counters.unrecorded, 1);
		release(request);
	}
	return send_answer(request);
}

/*
 * A client that sends header and body apart waits with the body until the
 * header is acknowledged, which the system puts off for 40 ms.
 */
static void
expect_body(AlRequest *request)
{
	int			on = 1;

	if (request->connection &&
		request->method & (AL_POST | AL_PUT | AL_PATCH | AL_OTHER))
		(void) setsockopt(request->connection->fd, IPPROTO_TCP, TCP_QUICKACK,
						  &on, sizeof(on));
}

static enum MHD_Result
look_at_headers(AlRequest *request, const char *method, const char *version)
{
	AlFault		fault = al_syntax_check(config, request->mhd, request->target,
										version);

	request->seen = true;
	request->method = method_of(method);
	strncpy(request->method_name, method, sizeof(request->method_name) - 1);
	for (char *c = request->method_name; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f)
			*c = '?';
	set_peer(request);
	believe_forwarded(request);
	request->user_agent = copy_header(request, "User-Agent");
	request->content_type = copy_header(request, "Content-Type");
	expect_body(request);
	if (fault.status == 0)
		return MHD_YES;
	/* Not a byte of its body is read, nor waited for. */
	al_respond_error(request, fault.status, fault.message);
	/* a bad first line never became a request, and so has no record */
	return fault.first_line ? send_answer(request) : send_detached(request);
}

/*
 * Past the limit a body without declared length is read on, unkept, because
 * an answer can only follow it; but not for ever.
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
		if (request->received / 16 > config->max_body + 65536)
			return MHD_NO;
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
	if (!al_auth_same_site(config, request->mhd))
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

	enter(request, &al_counters.handling);
	set_deadline(request->connection, false);
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
al_request_handle(void *cls, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **state)
{
	AlRequest  *request = *state;

	(void) cls;
	(void) url;
	if (request == NULL)
		return MHD_NO;
	if (!request->seen)
		return look_at_headers(request, method, version);
	if (*upload_len != 0)
		return take_body(request, upload, upload_len);

	choose_answer(request);
	return request->detached ? send_detached(request) :
		send_from_database(request);
}

/* Its record was left for later, and is written. */
void
al_request_recorded(AlRequest *request)
{
	atomic_fetch_sub(&al_counters.handling, 1);
	release(request);
}
