/*
 * src/httpd/peer.c
 *
 * The address of a client: of its connection, or what trusted proxies say.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "../core/buf.h"
#include "peer.h"

static void
find_address(struct MHD_Connection *mhd, char peer[INET6_ADDRSTRLEN])
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info ? info->client_addr : NULL;

	if (address && address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *) address)->sin_addr,
				  peer, INET6_ADDRSTRLEN);
	else if (address && address->sa_family == AF_INET6)
	{
		const struct in6_addr *v6 =
			&((const struct sockaddr_in6 *) address)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(v6))
			inet_ntop(AF_INET, v6->s6_addr + 12, peer,
					  INET6_ADDRSTRLEN);
		else
			inet_ntop(AF_INET6, v6, peer, INET6_ADDRSTRLEN);
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
believe_forwarded(const AlConfig *config, struct MHD_Connection *mhd,
				  char peer[INET6_ADDRSTRLEN])
{
	AlBuf		list = {0};
	char	   *end;

	if (!al_config_trusts(config, peer))
		return;
	MHD_get_connection_values(mhd, MHD_HEADER_KIND, collect_forwarded,
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
		if (strlen(start) >= INET6_ADDRSTRLEN ||
			!al_config_parse_address(start, bytes))
			break;
		strcpy(peer, start);
		if (!al_config_trusts(config, peer))
			break;
	}
	al_buf_free(&list);
}

void
al_peer_find(const AlConfig *config, struct MHD_Connection *mhd,
			 char peer[INET6_ADDRSTRLEN])
{
	find_address(mhd, peer);
	believe_forwarded(config, mhd, peer);
}
