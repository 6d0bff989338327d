/*
 * src/httpd/config.h
 *
 * What the command line says.  Filled in once, before any thread starts, and
 * read-only from then on.
 */
#ifndef AUDIT_LOG_CONFIG_H
#define AUDIT_LOG_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define AL_HTTPD_VERSION "1.0"	/* that of the extension it is built with */

#define AL_MAX_EXPOSED 64
#define AL_MAX_HOSTS 16
#define AL_MAX_PROXIES 32
#define AL_MAX_NAME 128			/* bytes of a user or workspace, with a NUL */

/* A table served under /{path}. */
typedef struct AlExposed
{
	char	   *path;			/* one path segment */
	char	   *table;			/* schema.table, as SQL reads it */
} AlExposed;

/* An address block, IPv4 mapped into IPv6. */
typedef struct AlNetwork
{
	unsigned char address[16];
	int			bits;			/* 0..128 */
} AlNetwork;

typedef struct AlConfig
{
	struct sockaddr_storage listen;
	socklen_t	listen_len;
	char	   *listen_text;	/* the same, as it was given */
	bool		loopback;		/* only this host can connect */

	int			pool_size;		/* database connections */
	int			max_connections;
	int			max_per_address;	/* 0 = no limit */
	size_t		max_body;		/* bytes */
	size_t		max_header;		/* bytes, request line included */
	int			idle_timeout;	/* seconds without a byte */
	int			request_timeout;	/* seconds for one request to arrive or
									 * one answer to leave */
	int			queue_timeout;	/* milliseconds, for one of the pool */
	int			statement_timeout;	/* milliseconds; 0 = none */
	int			connect_timeout;	/* seconds */
	int			drain_timeout;	/* seconds for statements to end */
	bool		durable_reads;	/* wait for the disk for records of reads */
	bool		access_log;

	char	   *id_header;		/* response header with the request id */
	char	   *workspace;		/* of requests whose token names none */
	char	   *token_file;
	char	   *tls_cert;
	char	   *tls_key;
	char	   *tls_client_ca;

	AlExposed	exposed[AL_MAX_EXPOSED];
	int			nexposed;
	char	   *hosts[AL_MAX_HOSTS];	/* further names we answer to */
	int			nhosts;
	AlNetwork	proxies[AL_MAX_PROXIES];
	int			nproxies;
} AlConfig;

extern void al_config_parse(AlConfig *config, int argc, char **argv);
extern const char *al_config_table(const AlConfig *config, const char *path);
extern bool al_config_parse_address(const char *text,
									unsigned char address[16]);
extern bool al_config_trusts(const AlConfig *config, const char *address);

#endif							/* AUDIT_LOG_CONFIG_H */
