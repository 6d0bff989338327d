/*
 * src/httpd/routes.c
 *
 * Which path leads where: a request leaves here either with its answer, or
 * with the work that will make it.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "metrics.h"
#include "page.h"
#include "respond.h"
#include "routes.h"

typedef struct Route
{
	const char *path;			/* a "*" segment is the key */
	unsigned int methods;
	AlWork		work;
	void		(*answer) (AlRequest *request); /* NULL: a statement makes it */
} Route;

static void answer_live(AlRequest *request);

static const Route routes[] = {
	{"", AL_GET, AL_WORK_RECORD, al_page_answer},
	{"live", AL_GET, AL_WORK_RECORD, answer_live},
	{"metrics", AL_GET, AL_WORK_RECORD, al_metrics_answer},
	{"ready", AL_GET, AL_WORK_READY, NULL},
	{"status", AL_GET, AL_WORK_STATUS, NULL},
	{"audit/objects", AL_GET, AL_WORK_LIST_OBJECTS, NULL},
	{"audit/objects/*", AL_GET, AL_WORK_ONE_OBJECT, NULL},
	{"audit/requests", AL_GET, AL_WORK_LIST_REQUESTS, NULL},
	{"audit/requests/*", AL_GET, AL_WORK_ONE_REQUEST, NULL},
	{"audit/histogram", AL_GET, AL_WORK_HISTOGRAM, NULL},
	{"audit/status", AL_GET, AL_WORK_LEDGER, NULL},
	{"audit/verify", AL_GET, AL_WORK_VERIFY, NULL},
	{"audit/log", AL_GET, AL_WORK_EXPORT, NULL},
	{"audit/checkpoint", AL_GET, AL_WORK_CHECKPOINT, NULL},
	{"checkpoint", AL_GET, AL_WORK_CHECKPOINT, NULL},
	{"audit/proof/*", AL_GET, AL_WORK_PROOF, NULL}
};

/* The rest of the path says which; tlog-tiles wants it beside /checkpoint. */
static const Route tile = {"", AL_GET, AL_WORK_TILE, NULL};

/* An exposed table, and a row of it. */
static const Route entities = {
	"", AL_GET | AL_POST, AL_WORK_READ_ENTITY, NULL
};
static const Route entity = {
	"", AL_GET | AL_PATCH | AL_PUT | AL_DELETE, AL_WORK_READ_ENTITY, NULL
};

static const AlConfig *config;

void
al_routes_init(const AlConfig *with)
{
	config = with;
}

/* Answered at once, so that it says nothing about the database. */
static void
answer_live(AlRequest *request)
{
	al_buf_append_str(&request->answer.text, "{\"live\":true}");
	al_respond_text(request, 200, "application/json; charset=utf-8");
	request->detached = true;
}

/* The path part of the target; also of http://host/path, as proxies send. */
static const char *
path_start(const char *target)
{
	const char *authority = NULL;

	if (strncasecmp(target, "http://", 7) == 0)
		authority = target + 7;
	else if (strncasecmp(target, "https://", 8) == 0)
		authority = target + 8;
	return authority ? authority + strcspn(authority, "/?") : target;
}

/*
 * Probes have no token; nor has a browser before the page has asked for one.
 * None of the three tells anything of the database's content.
 */
bool
al_routes_is_public(const AlRequest *request)
{
	const char *path = path_start(request->target);
	size_t		len = strcspn(path, "?");

	return (len == 1 && path[0] == '/') ||
		(len == 5 && memcmp(path, "/live", 5) == 0) ||
		(len == 6 && memcmp(path, "/ready", 6) == 0);
}

/* Splits at "/" first and decodes then, so that a key may hold a slash. */
static int
split_path(AlRequest *request, char **segments, int max)
{
	const char *start = path_start(request->target);
	size_t		len = strcspn(start, "?");
	char	   *next;
	int			n = 0;

	request->segments = malloc(len + 1);
	if (request->segments == NULL)
		return -1;
	memcpy(request->segments, start, len);
	request->segments[len] = '\0';
	next = request->segments;
	if (*next == '/')
		next++;
	while (next && *next)
	{
		char	   *slash = strchr(next, '/');

		if (slash)
			*slash++ = '\0';
		if (n < max)
			segments[n] = next;
		if (!al_uri_decode(next, false))
			return -1;
		n++;
		next = slash;
	}
	return n;
}

/* Does the path fit the pattern, segment by segment? */
static bool
fits(const char *pattern, char **segments, int n, const char **key)
{
	const char *rest = pattern;

	for (int i = 0; i < n; i++)
	{
		size_t		len = strcspn(rest, "/");

		if (len == 0)
			return false;
		if (len == 1 && rest[0] == '*')
			*key = segments[i];
		else if (strlen(segments[i]) != len ||
				 memcmp(segments[i], rest, len) != 0)
			return false;
		rest += len + (rest[len] == '/');
	}
	return *rest == '\0';
}

static const Route *
find_route(AlRequest *request, char **segments, int n)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
	{
		request->key = NULL;
		if (fits(routes[i].path, segments, n, &request->key))
			return &routes[i];
	}
	if (n < 1 || n > 2)
		return NULL;
	request->table = al_config_table(config, segments[0]);
	if (request->table == NULL)
		return NULL;
	request->key = n == 2 ? segments[1] : NULL;
	return n == 2 ? &entity : &entities;
}

static bool
is_type(const AlRequest *request, const char *type)
{
	const char *given = request->content_type;
	size_t		len = strlen(type);

	return given && strncasecmp(given, type, len) == 0 &&
		strchr("; \t", given[len]) != NULL;
}

/* Reads the body of a change into form pairs, or checks that it is text. */
static void
choose_write(AlRequest *request)
{
	const char *bytes = request->body.data ? request->body.data : "";

	request->work = AL_WORK_WRITE_ENTITY;
	al_uri_free_params(&request->params);
	if (request->method == AL_DELETE)
		return;
	if (is_type(request, "application/x-www-form-urlencoded"))
	{
		request->is_form = true;
		if (!al_uri_parse_params(&request->params, bytes, request->body.len))
			al_respond_error(request, 400, "Cannot parse form body");
	}
	else if (request->content_type && !is_type(request, "application/json"))
		al_respond_error(request, 415, "The body must be JSON or a form");
	else if (!al_uri_is_utf8(bytes, request->body.len))
		al_respond_error(request, 400, "Cannot parse JSON body");
	if (request->answer.status != 0)
		request->work = AL_WORK_RECORD;
}

/*
 * Is it about no path of ours?  OPTIONS * asks what can be done here at all;
 * CONNECT names another host.
 */
static bool
is_about_server(const AlRequest *request)
{
	return (request->method == AL_OPTIONS &&
			strcmp(request->target, "*") == 0) ||
		strcmp(request->method_name, "CONNECT") == 0;
}

void
al_routes_choose(AlRequest *request)
{
	const char *query = strchr(request->target, '?');
	char	   *segments[3] = {NULL, NULL, NULL};
	int			n = split_path(request, segments, 3);
	const Route *route;

	request->work = AL_WORK_RECORD;
	if (is_about_server(request))
	{
		al_respond_allow(request, config->nexposed == 0 ? AL_GET :
						 entities.methods | entity.methods);
		return;
	}
	if (n < 0)
	{
		al_respond_error(request, 400, "The path cannot be decoded");
		return;
	}
	if (strncmp(path_start(request->target), "/tile/", 6) == 0)
	{
		/* a segment of it is never escaped, so it stays as it came */
		al_buf_append(&request->place, path_start(request->target) + 1,
					  strcspn(path_start(request->target) + 1, "?"));
		al_buf_append_char(&request->place, '\0');
		request->key = request->place.data;
		route = &tile;
	}
	else
		route = n <= 3 ? find_route(request, segments, n) : NULL;
	if (route == NULL)
	{
		al_respond_error(request, 404, "Not found");
		return;
	}
	if ((route->methods & request->method) == 0 &&
		!(request->method == AL_HEAD && (route->methods & AL_GET)))
	{
		al_respond_allow(request, route->methods);
		return;
	}
	if (query &&
		!al_uri_parse_params(&request->params, query + 1, strlen(query + 1)))
	{
		al_respond_error(request, 400, "The query string cannot be decoded");
		return;
	}
	request->work = route->work;
	if (route->answer)
		route->answer(request);
	else if (request->table && request->method != AL_GET &&
			 request->method != AL_HEAD)
		choose_write(request);
}
