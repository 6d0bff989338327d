/*
 * src/httpd/connection.c
 *
 * The connections of clients, each with its deadline.
 *
 * libmicrohttpd's timeout counts silence, so a client that sends one byte at
 * a time could hold a connection for ever.  Each connection therefore also
 * has a deadline for a whole request to arrive, or a whole answer to leave;
 * al_connection_cut_slow() shuts down those that missed it.
 */
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "connection.h"
#include "counters.h"

#define LINGER 1000000			/* microseconds */

struct AlConnection
{
	AlConnection *next;
	AlConnection **link;		/* what points to this one */
	struct MHD_Connection *mhd;
	struct AlRequest *request;	/* what is read or answered; NULL: nothing */
	int			fd;
	atomic_llong deadline;		/* monotonic microseconds; 0 = none */
	bool		refused;
	char		method[32];		/* of what is read, if it is known */
};

static const AlConfig *config;
static atomic_bool draining;

/* All connections; "lock" is for the list, not for what is in it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static AlConnection *connections;

void
al_connection_init(const AlConfig *with)
{
	config = with;
}

/* Its socket, or -1 if it is not known. */
int
al_connection_socket(const AlConnection *connection)
{
	return connection ? connection->fd : -1;
}

/* Begins, or stops, the time for a request to arrive or an answer to leave. */
void
al_connection_set_deadline(AlConnection *connection, bool on)
{
	int64_t		timeout = (int64_t) config->request_timeout * 1000000;

	if (connection)
		atomic_store(&connection->deadline, on ? al_clock_now() + timeout : 0);
}

/*
 * Past libmicrohttpd, which lets nobody answer while it reads.  It finds the
 * connection closed to its own words afterwards.
 */
static void
say_last(AlConnection *connection, const char *bytes, size_t len)
{
	const union MHD_ConnectionInfo *info = config->tls_cert ?
		MHD_get_connection_info(connection->mhd,
								MHD_CONNECTION_INFO_GNUTLS_SESSION) : NULL;

	if (config->tls_cert == NULL)
		(void) send(connection->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (info && info->tls_session)
	{
		gnutls_session_t session = (gnutls_session_t) info->tls_session;

		(void) gnutls_record_send(session, bytes, len);
		(void) gnutls_bye(session, GNUTLS_SHUT_WR);
	}
	shutdown(connection->fd, SHUT_WR);
}

/*
 * Says it, and reads for a moment what the client still sends: were the
 * connection closed on that, the client's system would throw the answer away.
 */
void
al_connection_say_last(AlConnection *connection, const char *bytes, size_t len)
{
	int64_t		end = al_clock_now() + LINGER;
	int64_t		left;
	char		dropped[16384];

	if (connection == NULL || connection->fd < 0)
		return;
	connection->refused = true;
	say_last(connection, bytes, len);
	while ((left = end - al_clock_now()) > 0)
	{
		struct pollfd fd = {connection->fd, POLLIN, 0};

		if (poll(&fd, 1, (int) (left / 1000) + 1) > 0 &&
			recv(connection->fd, dropped, sizeof(dropped), MSG_DONTWAIT) <= 0)
			break;
	}
}

/* What a request is told that never became one, and so has no id. */
void
al_connection_refuse(AlConnection *connection, AlFault fault, bool linger)
{
	char		answer[512];
	int			len;

	len = snprintf(answer, sizeof(answer),
				   "HTTP/1.1 %u %s\r\n"
				   "Connection: close\r\n"
				   "Content-Type: application/json; charset=utf-8\r\n"
				   "Content-Length: %zu\r\n\r\n"
				   "{\"message\":\"%s\"}",
				   fault.status, MHD_get_reason_phrase_for(fault.status),
				   strlen(fault.message) + strlen("{\"message\":\"\"}"),
				   fault.message);
	connection->refused = true;
	atomic_fetch_add(&al_counters.answers[fault.status / 100 % 6], 1);
	atomic_fetch_add(&al_counters.bytes,
					 strlen(fault.message) + strlen("{\"message\":\"\"}"));
	if (linger)
		al_connection_say_last(connection, answer, (size_t) len);
	else
		say_last(connection, answer, (size_t) len);
}

/*
 * Looks at the first line of the first request before libmicrohttpd reads it,
 * which drops a connection without a word when there is no blank in it, and
 * never tells us of a method before it likes the rest.
 */
static void
look_at_first_line(AlConnection *connection)
{
	char		line[1024];
	ssize_t		n = recv(connection->fd, line, sizeof(line),
						 MSG_PEEK | MSG_DONTWAIT);
	AlFault		fault = al_syntax_first_line(line, n > 0 ? (size_t) n : 0,
											 connection->method,
											 sizeof(connection->method));

	if (fault.status == 0)
		return;
	al_connection_refuse(connection, fault, false);
	/* the library finds nothing, and the client no fault with the end */
	shutdown(connection->fd, SHUT_RD);
	for (int i = 0; i < 64 && n > 0; i++)
		n = recv(connection->fd, line, sizeof(line), MSG_DONTWAIT);
}

/* The method of the request that is read, "-" when it is not known. */
const char *
al_connection_method(const AlConnection *connection)
{
	return connection && connection->method[0] ? connection->method : "-";
}

/* Was it told so?  Then nothing that it sends is a request. */
bool
al_connection_is_refused(const AlConnection *connection)
{
	return connection && connection->refused;
}

/* What is read or answered on it, NULL for nothing. */
struct AlRequest *
al_connection_request(const AlConnection *connection)
{
	return connection ? connection->request : NULL;
}

/* A request begins; with NULL, it is over. */
void
al_connection_set_request(AlConnection *connection, struct AlRequest *request)
{
	if (connection == NULL)
		return;
	connection->request = request;
	if (request)
		return;
	connection->method[0] = '\0';
	/* the next one has its own time */
	al_connection_set_deadline(connection, true);
}

void
al_connection_open(struct MHD_Connection *mhd, void **state)
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
	connection->mhd = mhd;
	al_connection_set_deadline(connection, true);
	pthread_mutex_lock(&lock);
	connection->next = connections;
	connection->link = &connections;
	if (connections)
		connections->link = &connection->next;
	connections = connection;
	pthread_mutex_unlock(&lock);
	if (config->tls_cert == NULL)
		look_at_first_line(connection);
}

/* libmicrohttpd calls it before it closes the socket. */
void
al_connection_close(AlConnection *connection)
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

/* Shuts down the connections that missed their deadline. */
void
al_connection_cut_slow(void)
{
	int64_t		now = al_clock_now();

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
al_connection_drain(void)
{
	atomic_store(&draining, true);
}

bool
al_connection_is_draining(void)
{
	return atomic_load(&draining);
}

/*
 * Acknowledges what has arrived.  A client that sends header and body apart
 * waits with the body until the header is acknowledged, which the system puts
 * off for 40 ms.
 */
void
al_connection_acknowledge(const AlConnection *connection)
{
	int			on = 1;

	if (connection)
		(void) setsockopt(connection->fd, IPPROTO_TCP, TCP_QUICKACK, &on,
						  sizeof(on));
}
