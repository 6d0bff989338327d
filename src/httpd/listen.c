/*
 * src/httpd/listen.c
 *
 * The socket that takes connections.  It is opened here, and not by
 * libmicrohttpd, which says less of what is wrong.
 */
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"

#define BACKLOG 1024

static void
set_options(int listener, const AlConfig *config)
{
	int			on = 1;

	(void) setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (config->listen.ss_family == AF_INET6)
		(void) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on,
						  sizeof(on));

	/*
	 * A connection is taken up when its first bytes are there, or after a
	 * second: then al_connection_open() can look at them.
	 */
	(void) setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on,
					  sizeof(on));
}

/* -1, with errno set, when it cannot be had. */
int
al_listen_open(const AlConfig *config)
{
	int			listener = socket(config->listen.ss_family,
								  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
								  0);

	if (listener < 0)
		return -1;
	set_options(listener, config);
	if (bind(listener, (const struct sockaddr *) &config->listen,
			 config->listen_len) != 0 ||
		listen(listener, BACKLOG) != 0)
	{
		close(listener);
		return -1;
	}
	return listener;
}

/* Its port, which may have been picked; 0 if it cannot be known. */
unsigned int
al_listen_port(int listener)
{
	struct sockaddr_storage address;
	socklen_t	len = sizeof(address);

	if (getsockname(listener, (struct sockaddr *) &address, &len) != 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6 ?
				 ((const struct sockaddr_in6 *) &address)->sin6_port :
				 ((const struct sockaddr_in *) &address)->sin_port);
}
