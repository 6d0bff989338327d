/*
 * src/httpd/config.c
 *
 * The command line.  Every limit is a flag with a default; the database is
 * chosen by libpq's own environment variables, so that no password ever
 * stands on a command line.
 *
 * A mistake ends the program with a sentence on stderr and status 2, before
 * a socket is opened.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "uri.h"

/* First segments of our own paths: no table may hide them. */
static const char *const reserved[] = {
	"audit", "checkpoint", "favicon.ico", "live", "metrics", "ready",
	"status", "tile"
};

/* Schemas whose tables are never served as entities. */
static const char *const forbidden[] = {
	"audit.", "information_schema.", "pg_catalog.", "pg_toast."
};

enum
{
	OPT_LISTEN = 256,
	OPT_POOL_SIZE,
	OPT_MAX_CONNECTIONS,
	OPT_MAX_PER_ADDRESS,
	OPT_MAX_BODY,
	OPT_MAX_HEADER,
	OPT_IDLE_TIMEOUT,
	OPT_REQUEST_TIMEOUT,
	OPT_QUEUE_TIMEOUT,
	OPT_STATEMENT_TIMEOUT,
	OPT_CONNECT_TIMEOUT,
	OPT_DRAIN_TIMEOUT,
	OPT_DURABLE_READS,
	OPT_NO_ACCESS_LOG,
	OPT_ID_HEADER,
	OPT_WORKSPACE,
	OPT_TOKEN_FILE,
	OPT_TLS_CERT,
	OPT_TLS_KEY,
	OPT_TLS_CLIENT_CA,
	OPT_EXPOSE,
	OPT_HOST,
	OPT_TRUSTED_PROXY,
	OPT_HELP,
	OPT_VERSION
};

static const struct option options[] = {
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"pool-size", required_argument, NULL, OPT_POOL_SIZE},
	{"max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS},
	{"max-connections-per-address", required_argument, NULL,
	OPT_MAX_PER_ADDRESS},
	{"max-body", required_argument, NULL, OPT_MAX_BODY},
	{"max-header", required_argument, NULL, OPT_MAX_HEADER},
	{"idle-timeout", required_argument, NULL, OPT_IDLE_TIMEOUT},
	{"request-timeout", required_argument, NULL, OPT_REQUEST_TIMEOUT},
	{"queue-timeout", required_argument, NULL, OPT_QUEUE_TIMEOUT},
	{"statement-timeout", required_argument, NULL, OPT_STATEMENT_TIMEOUT},
	{"connect-timeout", required_argument, NULL, OPT_CONNECT_TIMEOUT},
	{"drain-timeout", required_argument, NULL, OPT_DRAIN_TIMEOUT},
	{"durable-reads", no_argument, NULL, OPT_DURABLE_READS},
	{"no-access-log", no_argument, NULL, OPT_NO_ACCESS_LOG},
	{"request-id-header", required_argument, NULL, OPT_ID_HEADER},
	{"workspace", required_argument, NULL, OPT_WORKSPACE},
	{"token-file", required_argument, NULL, OPT_TOKEN_FILE},
	{"tls-cert", required_argument, NULL, OPT_TLS_CERT},
	{"tls-key", required_argument, NULL, OPT_TLS_KEY},
	{"tls-client-ca", required_argument, NULL, OPT_TLS_CLIENT_CA},
	{"expose", required_argument, NULL, OPT_EXPOSE},
	{"host", required_argument, NULL, OPT_HOST},
	{"trusted-proxy", required_argument, NULL, OPT_TRUSTED_PROXY},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0}
};

static const char help[] =
"audit_log_httpd serves the audit trail of a PostgreSQL database.\n"
"\n"
"Usage: audit_log_httpd [OPTION]...\n"
"\n"
"The database is chosen by PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSFILE\n"
"and libpq's other environment variables.\n"
"\n"
"Where and for whom:\n"
"  --listen=ADDRESS:PORT          default 127.0.0.1:8001; port 0 picks one\n"
"  --host=NAME                    further host name to answer to\n"
"  --token-file=FILE              lines: token [user-name [user-id [workspace]]]\n"
"  --tls-cert=FILE --tls-key=FILE serve HTTPS\n"
"  --tls-client-ca=FILE           require client certificates signed by it\n"
"  --trusted-proxy=ADDRESS[/BITS] whose X-Forwarded-For is believed\n"
"  --expose=SCHEMA.TABLE[=PATH]   serve a table as /PATH (default its name)\n"
"  --request-id-header=NAME       default X-Kong-Admin-Request-ID\n"
"  --workspace=NAME               recorded when the token names none\n"
"\n"
"Limits:\n"
"  --pool-size=N                  database connections, default 8\n"
"  --max-connections=N            default 2048\n"
"  --max-connections-per-address=N  default 0, no limit\n"
"  --max-body=BYTES               default 1048576\n"
"  --max-header=BYTES             default 16384\n"
"  --idle-timeout=SECONDS         default 30\n"
"  --request-timeout=SECONDS      default 60\n"
"  --queue-timeout=MS             for a database connection, default 5000\n"
"  --statement-timeout=MS         default 10000\n"
"  --connect-timeout=SECONDS      default 3\n"
"  --drain-timeout=SECONDS        default 5; then a stop cancels statements\n"
"\n"
"Records and logs:\n"
"  --durable-reads                records of reads wait for the disk too\n"
"  --no-access-log                no line on stdout for each request\n"
"\n"
"  --help, --version\n"
"\n"
"Example:\n"
"  PGDATABASE=shop PGUSER=web audit_log_httpd --expose=public.consumers\n"
"The role must be in audit_log_api. / serves a page, /audit/objects and\n"
"/audit/requests the records.\n";

static void fail(const char *format,...)
			__attribute__((noreturn, format(printf, 1, 2)));

static void
fail(const char *format,...)
{
	va_list		args;

	fputs("audit_log_httpd: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static char *
copy(const char *text)
{
	char	   *result = strdup(text);

	if (result == NULL)
		fail("out of memory");
	return result;
}

static int
number(const char *flag, const char *text, int min, int max)
{
	char	   *end;
	long		value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min ||
		value > max)
		fail("--%s must be a whole number between %d and %d", flag, min, max);
	return (int) value;
}

/* Any address as 16 bytes; IPv4 in its mapped form. */
bool
al_config_parse_address(const char *text, unsigned char address[16])
{
	static const unsigned char mapped[12] = {[10] = 0xff,[11] = 0xff};

	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	memcpy(address, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, address + 12) == 1;
}

static void
add_proxy(AlConfig *config, const char *text)
{
	AlNetwork  *network;
	char	   *address = copy(text);
	char	   *slash = strchr(address, '/');
	bool		v4 = strchr(address, ':') == NULL;

	if (config->nproxies == AL_MAX_PROXIES)
		fail("--trusted-proxy: at most %d are possible", AL_MAX_PROXIES);
	network = &config->proxies[config->nproxies++];
	network->bits = 128;
	if (slash)
	{
		*slash = '\0';
		network->bits = number("trusted-proxy: the prefix length", slash + 1,
							   0, v4 ? 32 : 128) +
			(v4 ? 96 : 0);
	}
	if (!al_config_parse_address(address, network->address))
		fail("--trusted-proxy: \"%s\" is not an address", address);
	free(address);
}

/* Is this peer a proxy whose forwarding headers are believed? */
bool
al_config_trusts(const AlConfig *config, const char *address)
{
	unsigned char bytes[16];

	if (config->nproxies == 0 || !al_config_parse_address(address, bytes))
		return false;
	for (int i = 0; i < config->nproxies; i++)
	{
		const AlNetwork *network = &config->proxies[i];
		int			whole = network->bits / 8;
		int			rest = network->bits % 8;
		unsigned char mask = (unsigned char) (0xff00 >> rest);

		if (memcmp(bytes, network->address, (size_t) whole) != 0)
			continue;
		if (rest == 0 ||
			((bytes[whole] ^ network->address[whole]) & mask) == 0)
			return true;
	}
	return false;
}

static void
add_exposed(AlConfig *config, const char *text)
{
	AlExposed  *exposed;
	char	   *table = copy(text);
	char	   *equals = strrchr(table, '=');
	char	   *dot;

	if (config->nexposed == AL_MAX_EXPOSED)
		fail("--expose: at most %d tables are possible", AL_MAX_EXPOSED);
	if (equals)
		*equals = '\0';
	dot = strchr(table, '.');
	if (dot == NULL || dot == table || dot[1] == '\0')
		fail("--expose must name a table with its schema, as in public.consumers");
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (strncasecmp(table + (table[0] == '"'), forbidden[i],
						strlen(forbidden[i]) - 1) == 0 &&
			strchr(".\"", table[(table[0] == '"') + strlen(forbidden[i]) - 1]))
			fail("--expose: tables of schema %.*s are never exposed",
				 (int) strlen(forbidden[i]) - 1, forbidden[i]);

	exposed = &config->exposed[config->nexposed];
	exposed->table = table;
	exposed->path = copy(equals ? equals + 1 : dot + 1);
	if (exposed->path[0] == '\0' || strpbrk(exposed->path, "/?#%\""))
		fail("--expose: \"%s\" cannot be a path; give one as in public.\"Odd/name\"=odd",
			 exposed->path);
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(exposed->path, reserved[i]) == 0)
			fail("--expose: /%s is a path of ours; give another, as in %s=my_%s",
				 reserved[i], table, reserved[i]);
	if (al_config_table(config, exposed->path))
		fail("--expose: two tables want /%s", exposed->path);
	config->nexposed++;
}

/* The table exposed under a path segment, or NULL. */
const char *
al_config_table(const AlConfig *config, const char *path)
{
	for (int i = 0; i < config->nexposed; i++)
		if (strcmp(config->exposed[i].path, path) == 0)
			return config->exposed[i].table;
	return NULL;
}

static bool
is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;

		return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
	}
	if (address->sa_family == AF_INET6)
	{
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	}
	return false;
}

static void
set_listen(AlConfig *config, const char *text)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
	};
	struct addrinfo *found;
	char	   *host = copy(text);
	char	   *colon = strrchr(host, ':');
	char	   *name = host;

	if (colon == NULL)
		fail("--listen must be ADDRESS:PORT, as in 127.0.0.1:8001");
	*colon = '\0';
	if (name[0] == '[' && colon > name + 1 && colon[-1] == ']')
	{
		name++;
		colon[-1] = '\0';
	}
	(void) number("listen: the port", colon + 1, 0, 65535);
	if (name[0] == '\0' ||
		getaddrinfo(strcmp(name, "localhost") == 0 ? "127.0.0.1" : name,
					colon + 1, &hints, &found) != 0)
		fail("--listen: \"%s\" is not a numeric address", name);
	memcpy(&config->listen, found->ai_addr, found->ai_addrlen);
	config->listen_len = found->ai_addrlen;
	free(config->listen_text);
	config->listen_text = copy(text);
	config->loopback = is_loopback(found->ai_addr);
	freeaddrinfo(found);
	free(host);
}

static void
add_host(AlConfig *config, const char *name)
{
	if (config->nhosts == AL_MAX_HOSTS)
		fail("--host: at most %d names are possible", AL_MAX_HOSTS);
	if (name[0] == '\0' || strpbrk(name, ":/@ "))
		fail("--host must be a name alone, as in audit.example.com");
	config->hosts[config->nhosts++] = copy(name);
}

static void
set_id_header(AlConfig *config, const char *name)
{
	/* headers of answers, ours and libmicrohttpd's */
	static const char *const taken[] = {
		"Allow", "Cache-Control", "Connection", "Content-Length",
		"Content-Security-Policy", "Content-Type", "Date", "Referrer-Policy",
		"Retry-After", "Server", "Transfer-Encoding", "WWW-Authenticate",
		"X-Content-Type-Options"
	};

	if (name[0] == '\0' || strspn(name, "abcdefghijklmnopqrstuvwxyz"
								  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
								  "0123456789-_") != strlen(name))
		fail("--request-id-header must be a header name");
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcasecmp(name, taken[i]) == 0)
			fail("--request-id-header: %s has another meaning", taken[i]);
	config->id_header = copy(name);
}

/* It is part of every record, so one that no record can hold is no name. */
static void
set_workspace(AlConfig *config, const char *name)
{
	if (strlen(name) >= AL_MAX_NAME || !al_uri_is_utf8(name, strlen(name)))
		fail("--workspace must be UTF-8, of at most %d bytes", AL_MAX_NAME - 1);
	config->workspace = copy(name);
}

/* Flags with a number; false when the flag is not one of them. */
static bool
set_limit(AlConfig *c, int option, const char *flag, const char *value)
{
	switch (option)
	{
		case OPT_POOL_SIZE:
			c->pool_size = number(flag, value, 1, 256);
			return true;
		case OPT_MAX_CONNECTIONS:
			c->max_connections = number(flag, value, 1, 1000000);
			return true;
		case OPT_MAX_PER_ADDRESS:
			c->max_per_address = number(flag, value, 0, 1000000);
			return true;
		case OPT_MAX_BODY:
			c->max_body = (size_t) number(flag, value, 0, 256 * 1024 * 1024);
			return true;
		case OPT_MAX_HEADER:
			c->max_header = (size_t) number(flag, value, 2048, 1024 * 1024);
			return true;
		case OPT_IDLE_TIMEOUT:
			c->idle_timeout = number(flag, value, 1, 3600);
			return true;
		case OPT_REQUEST_TIMEOUT:
			c->request_timeout = number(flag, value, 1, 3600);
			return true;
		case OPT_QUEUE_TIMEOUT:
			c->queue_timeout = number(flag, value, 1, INT_MAX);
			return true;
		case OPT_STATEMENT_TIMEOUT:
			c->statement_timeout = number(flag, value, 0, INT_MAX);
			return true;
		case OPT_CONNECT_TIMEOUT:
			c->connect_timeout = number(flag, value, 2, 600);
			return true;
		case OPT_DRAIN_TIMEOUT:
			c->drain_timeout = number(flag, value, 0, 3600);
			return true;
		default:
			return false;
	}
}

static void
set_option(AlConfig *config, int option, const char *flag, const char *value)
{
	if (set_limit(config, option, flag, value))
		return;
	switch (option)
	{
		case OPT_LISTEN:
			set_listen(config, value);
			break;
		case OPT_DURABLE_READS:
			config->durable_reads = true;
			break;
		case OPT_NO_ACCESS_LOG:
			config->access_log = false;
			break;
		case OPT_ID_HEADER:
			set_id_header(config, value);
			break;
		case OPT_WORKSPACE:
			set_workspace(config, value);
			break;
		case OPT_TOKEN_FILE:
			config->token_file = copy(value);
			break;
		case OPT_TLS_CERT:
			config->tls_cert = copy(value);
			break;
		case OPT_TLS_KEY:
			config->tls_key = copy(value);
			break;
		case OPT_TLS_CLIENT_CA:
			config->tls_client_ca = copy(value);
			break;
		case OPT_EXPOSE:
			add_exposed(config, value);
			break;
		case OPT_HOST:
			add_host(config, value);
			break;
		case OPT_TRUSTED_PROXY:
			add_proxy(config, value);
			break;
		case OPT_HELP:
			fputs(help, stdout);
			exit(0);
		case OPT_VERSION:
			puts("audit_log_httpd " AL_HTTPD_VERSION);
			exit(0);
		default:
			fputs("Try \"audit_log_httpd --help\".\n", stderr);
			exit(2);
	}
}

static void
check_together(const AlConfig *config)
{
	if ((config->tls_cert == NULL) != (config->tls_key == NULL))
		fail("--tls-cert and --tls-key go together");
	if (config->tls_client_ca && config->tls_cert == NULL)
		fail("--tls-client-ca needs --tls-cert and --tls-key");
	if (!config->loopback && config->token_file == NULL &&
		config->tls_client_ca == NULL)
		fail("listening beyond this host needs --token-file or --tls-client-ca");
	/* the proxy that is trusted is the one that does TLS, then */
	if (!config->loopback && config->tls_cert == NULL && config->nproxies == 0)
		fail("listening beyond this host needs --tls-cert and --tls-key, or a proxy that does TLS, named by --trusted-proxy");
}

void
al_config_parse(AlConfig *config, int argc, char **argv)
{
	int			option;
	int			which = 0;

	memset(config, 0, sizeof(*config));
	set_listen(config, "127.0.0.1:8001");
	config->pool_size = 8;
	config->max_connections = 2048;
	config->max_body = 1024 * 1024;
	config->max_header = 16 * 1024;
	config->idle_timeout = 30;
	config->request_timeout = 60;
	config->queue_timeout = 5000;
	config->statement_timeout = 10000;
	config->connect_timeout = 3;
	config->drain_timeout = 5;
	config->access_log = true;
	config->id_header = copy("X-Kong-Admin-Request-ID");

	while ((option = getopt_long(argc, argv, "", options, &which)) != -1)
		set_option(config, option, options[which].name, optarg);
	if (optind < argc)
		fail("unexpected argument \"%s\"", argv[optind]);
	check_together(config);
}
