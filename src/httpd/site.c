/*
 * src/httpd/site.c
 *
 * Keeping other web sites out of a browser's reach.
 */
#include <string.h>
#include <strings.h>

#include "site.h"

/* "name" or "[v6]", without the port. */
static size_t
host_length(const char *host)
{
	if (host[0] == '[')
		return strcspn(host, "]") + (strchr(host, ']') != NULL);
	return strcspn(host, ":");
}

static bool
host_is(const char *host, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(host, name, len) == 0;
}

/*
 * Did another site start the request?  Browsers say so.  Following a link to
 * here is no harm, unlike loading something of ours into a page of theirs.
 */
static bool
is_cross_site(struct MHD_Connection *mhd)
{
	const char *site =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Sec-Fetch-Site");
	const char *mode =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Sec-Fetch-Mode");
	const char *dest =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Sec-Fetch-Dest");

	if (site == NULL || strcmp(site, "same-origin") == 0 ||
		strcmp(site, "none") == 0)
		return false;
	return mode == NULL || strcmp(mode, "navigate") != 0 ||
		(dest && strcmp(dest, "document") != 0);
}

/*
 * Without tokens, whoever reaches the port is let in, and a browser on this
 * host reaches it on behalf of any web site.  So the Host must be a name of
 * ours (a site could point its own name at 127.0.0.1), and a request that
 * another site started, which browsers mark by Origin when it is more than a
 * GET, is refused.
 */
bool
al_site_is_ours(const AlConfig *config, struct MHD_Connection *mhd)
{
	const char *host =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Host");
	const char *origin =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Origin");
	const char *scheme = config->tls_cert ? "https://" : "http://";
	size_t		len = host ? host_length(host) : 0;
	unsigned char address[16];
	bool		known;

	if (is_cross_site(mhd))
		return false;
	if (origin && host &&
		(strncasecmp(origin, scheme, strlen(scheme)) != 0 ||
		 strcasecmp(origin + strlen(scheme), host) != 0))
	{
		/* behind a TLS proxy the browser's scheme is not ours */
		if (strncasecmp(origin, "https://", 8) != 0 ||
			strcasecmp(origin + 8, host) != 0)
			return false;
	}
	if (host == NULL || config->token_file || config->tls_client_ca)
		return true;
	known = host_is(host, len, "localhost");
	if (len > 2 && len < INET6_ADDRSTRLEN)
	{
		char		name[INET6_ADDRSTRLEN];
		size_t		bracket = host[0] == '[' && host[len - 1] == ']';

		memcpy(name, host + bracket, len - 2 * bracket);
		name[len - 2 * bracket] = '\0';
		known = known || al_config_parse_address(name, address);
	}
	for (int i = 0; i < config->nhosts; i++)
		known = known || host_is(host, len, config->hosts[i]);
	return known;
}
