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
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "connection.h"
#include "counters.h"

struct AlConnection
{
	AlConnection *next;
	AlConnection **link;		/* what points to this one */
	int			fd;
	atomic_llong deadline;		/* monotonic microseconds; 0 = none */
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
	al_connection_set_deadline(connection, true);
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

/* What libmicrohttpd calls when a connection begins and ends. */
void
al_connection_notify(void *cls, struct MHD_Connection *mhd, void **state,
					 enum MHD_ConnectionNotificationCode what)
{
	(void) cls;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		open_connection(mhd, state);
	else
		close_connection(*state);
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
