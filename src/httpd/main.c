/*
 * src/httpd/main.c
 *
 * audit_log_httpd: starts libmicrohttpd, waits for signals, and stops in an
 * order that loses no answer: no new connections, then the requests at hand,
 * then the connections, then the records that are due, then the database.
 * Each of these steps takes a bounded time, whatever the database does.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "await.h"
#include "clock.h"
#include "connection.h"
#include "counters.h"
#include "diag.h"
#include "handle.h"
#include "later.h"
#include "listen.h"
#include "pool.h"
#include "refuse.h"
#include "respond.h"
#include "routes.h"
#include "tls.h"
#include "work.h"

/* Of a connection's memory, for the header of the answer. */
#define ROOM_FOR_ANSWER 4096

/* Of the end, in seconds. */
#define TIME_FOR_RECORDS 3

/*
 * How strict the library is.  What it would refuse when strict is refused by
 * syntax.c, in JSON.  Since 1.0 it refuses most of that at any level, and a
 * blank in the target only when strict: otherwise it redirects the client.
 */
#if MHD_VERSION >= 0x01000000
#define STRICT 1
#else
#define STRICT 0
#endif

/* Of a connection's thread; what is not used of it takes no memory. */
#define STACK (512 * 1024)

static void die(const char *what) __attribute__((noreturn));

static void
die(const char *what)
{
	fprintf(stderr, "audit_log_httpd: %s\n", what);
	exit(1);
}

/* Paths and queries are decoded by us, strictly; see uri.c. */
static size_t
leave_encoded(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void) cls;
	(void) mhd;
	return strlen(text);
}

/* Of a file that the library is given as text and does not copy. */
static char *
read_file(const char *path)
{
	static AlBuf text;
	char		part[4096];
	size_t		n;
	FILE	   *in = fopen(path, "r");

	if (in == NULL)
	{
		fprintf(stderr, "audit_log_httpd: could not open \"%s\": %s\n", path,
				strerror(errno));
		exit(1);
	}
	while ((n = fread(part, 1, sizeof(part), in)) > 0)
		al_buf_append(&text, part, n);
	al_buf_append_char(&text, '\0');
	if (ferror(in) || text.failed)
	{
		fprintf(stderr, "audit_log_httpd: could not read \"%s\": %s\n", path,
				strerror(errno));
		exit(1);
	}
	fclose(in);
	return text.data;
}

static void
raise_file_limit(const AlConfig *config)
{
	struct rlimit limit;
	rlim_t		want = (rlim_t) config->max_connections +
		(rlim_t) config->pool_size + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < want)
		fprintf(stderr,
				"audit_log_httpd: warning: the limit on open files is too low for %d connections\n",
				config->max_connections);
}

static void
add_option(struct MHD_OptionItem *options, int *n, enum MHD_OPTION option,
		   intptr_t number, void *pointer)
{
	options[*n].option = option;
	options[*n].value = number;
	options[*n].ptr_value = pointer;
	(*n)++;
}

static struct MHD_Daemon *
start_daemon(AlConfig *config, int listener)
{
	struct MHD_OptionItem options[20];
	unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD |
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC |
		MHD_USE_ERROR_LOG;
	int			n = 0;

	/* first, so that it hears what is wrong with the others */
	add_option(options, &n, MHD_OPTION_EXTERNAL_LOGGER,
			   (intptr_t) al_refuse_listen, NULL);
	add_option(options, &n, MHD_OPTION_LISTEN_SOCKET, listener, NULL);
	add_option(options, &n, MHD_OPTION_CONNECTION_LIMIT,
			   config->max_connections, NULL);
	add_option(options, &n, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
			   (intptr_t) (2 * config->max_header + ROOM_FOR_ANSWER), NULL);
	add_option(options, &n, MHD_OPTION_CONNECTION_TIMEOUT,
			   config->idle_timeout, NULL);
	add_option(options, &n, MHD_OPTION_STRICT_FOR_CLIENT, STRICT, NULL);
	add_option(options, &n, MHD_OPTION_URI_LOG_CALLBACK,
			   (intptr_t) al_handle_begin, NULL);
	add_option(options, &n, MHD_OPTION_NOTIFY_COMPLETED,
			   (intptr_t) al_handle_end, NULL);
	add_option(options, &n, MHD_OPTION_NOTIFY_CONNECTION,
			   (intptr_t) al_handle_connection, NULL);
	add_option(options, &n, MHD_OPTION_UNESCAPE_CALLBACK,
			   (intptr_t) leave_encoded, NULL);
	add_option(options, &n, MHD_OPTION_THREAD_STACK_SIZE, STACK, NULL);
	if (config->max_per_address > 0)
		add_option(options, &n, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				   config->max_per_address, NULL);
	if (config->tls_cert)
	{
		if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
			die("this libmicrohttpd has no TLS; use a proxy for it");
		flags |= MHD_USE_TLS;
		add_option(options, &n, MHD_OPTION_HTTPS_CERT_CALLBACK, 0,
				   (void *) (intptr_t) al_tls_pick);
		if (config->tls_client_ca)
			add_option(options, &n, MHD_OPTION_HTTPS_MEM_TRUST, 0,
					   read_file(config->tls_client_ca));
	}
	add_option(options, &n, MHD_OPTION_END, 0, NULL);
	return MHD_start_daemon(flags, 0, NULL, NULL, al_handle_request, NULL,
							MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static int
open_listener(const AlConfig *config)
{
	int			listener = al_listen_open(config);

	if (listener >= 0)
		return listener;
	fprintf(stderr, "audit_log_httpd: could not listen on %s: %s\n",
			config->listen_text, strerror(errno));
	exit(1);
}

static void
announce(const AlConfig *config, unsigned int port)
{
	fprintf(stderr, "audit_log_httpd: listening on %s port %u, %s\n",
			config->loopback ? "loopback" : "the network", port,
			config->tls_cert ? "TLS" : "plain HTTP");
}

/* Reads what may be replaced while we run. */
static void
load_files(const AlConfig *config, bool fatal)
{
	char		why[1024];

	if (config->token_file &&
		!al_auth_load_tokens(config->token_file, why, sizeof(why)))
	{
		if (fatal)
			die(why);
		al_diag("%s; the old tokens stay", why);
	}
	if (config->tls_cert && !al_tls_load(config, why, sizeof(why)))
	{
		if (fatal)
			die(why);
		al_diag("%s; the old certificate stays", why);
	}
}

/* Returns when told to stop. */
static void
wait_for_signals(const AlConfig *config, const sigset_t *signals)
{
	const struct timespec tick = {.tv_nsec = 250 * 1000 * 1000};

	for (;;)
	{
		int			signal = sigtimedwait(signals, NULL, &tick);

		if (signal == SIGTERM || signal == SIGINT)
			return;
		if (signal == SIGHUP)
			load_files(config, false);
		al_connection_cut_slow();
		fflush(stdout);
	}
}

/* Until one more signal says that it should be now, but not longer. */
static void
wait_at_most(int seconds)
{
	int64_t		end = al_clock_now() + (int64_t) seconds * 1000000;
	int64_t		left;
	sigset_t	signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	while ((left = end - al_clock_now()) > 0)
	{
		struct timespec when = {
			.tv_sec = left / 1000000,
			.tv_nsec = left % 1000000 * 1000
		};

		if (sigtimedwait(&signals, NULL, &when) > 0)
			return;
	}
}

/*
 * Statements get the drain timeout.  What then still runs is ended, so that
 * its client can be told and its record be written, for which there is
 * TIME_FOR_RECORDS, and no more.
 */
static void *
hurry(void *arg)
{
	const AlConfig *config = arg;

	wait_at_most(config->drain_timeout);
	al_pool_hurry(AL_STOP_WORK);
	wait_at_most(TIME_FOR_RECORDS);
	al_pool_hurry(AL_STOP_ALL);
	return NULL;
}

/* Once statements are ended, what is still arriving is not waited for. */
static bool
is_at_work(void)
{
	AlStop		stopping = al_await_stopping();

	return stopping != AL_STOP_ALL &&
		(atomic_load(&al_counters.handling) > 0 ||
		 atomic_load(&al_counters.due) > 0 ||
		 atomic_load(&al_counters.sending) > 0 ||
		 (stopping == AL_STOP_NOT && atomic_load(&al_counters.reading) > 0));
}

static void
drain(AlConfig *config, struct MHD_Daemon *daemon)
{
	const struct timespec tick = {.tv_nsec = 20 * 1000 * 1000};
	MHD_socket	listener = MHD_quiesce_daemon(daemon);
	pthread_t	thread;

	if (listener != MHD_INVALID_SOCKET)
		close(listener);
	al_connection_drain();
	if (pthread_create(&thread, NULL, hurry, config) == 0)
		pthread_detach(thread);
	else
		al_pool_hurry(AL_STOP_WORK);
	while (is_at_work())
		nanosleep(&tick, NULL);
}

int
main(int argc, char **argv)
{
	static AlConfig config;
	struct MHD_Daemon *daemon;
	sigset_t	signals;
	int			listener;

	al_config_parse(&config, argc, argv);
	setvbuf(stdout, NULL, _IOFBF, 65536);
	load_files(&config, true);
	raise_file_limit(&config);
	listener = open_listener(&config);

	/* before any thread is there, so that all inherit the mask */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	al_respond_init(&config);
	al_routes_init(&config);
	al_work_init(&config);
	al_connection_init(&config);
	al_refuse_init(&config);
	al_handle_init(&config);
	if (!al_request_init() || !al_pool_start(&config) ||
		!al_later_start(&config))
		die("could not start the threads");
	daemon = start_daemon(&config, listener);
	if (daemon == NULL)
		die("libmicrohttpd could not be started");
	announce(&config, al_listen_port(listener));
	al_pool_greet();

	wait_for_signals(&config, &signals);
	drain(&config, daemon);
	MHD_stop_daemon(daemon);
	al_later_stop();
	al_pool_stop();
	fflush(stdout);
	return 0;
}
