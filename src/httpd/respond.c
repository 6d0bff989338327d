/*
 * src/httpd/respond.c
 *
 * Answers.
 *
 * Bodies of good answers are made in SQL and sent from libpq's own buffer,
 * without a copy.  Only errors are worded here, because most of them must
 * also work while there is no database.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "counters.h"
#include "diag.h"
#include "respond.h"

/*
 * SQLSTATE -> status, first match wins; the pattern is a prefix.  A message
 * of NULL shows the server's own; the others must not tell a client what is
 * inside the database.
 */
typedef struct AlFailure
{
	const char *sqlstate;
	unsigned int status;
	AlCode		code;
	const char *name;
	const char *message;
} AlFailure;

static const AlFailure failures[] = {
	{"23505", 409, AL_CODE_UNIQUE, "unique constraint violation", NULL},
	{"23P01", 409, AL_CODE_UNIQUE, "exclusion constraint violation", NULL},
	{"23503", 400, AL_CODE_FOREIGN_KEY, "foreign key violation", NULL},
	{"23", 400, AL_CODE_SCHEMA, "schema violation", NULL},
	{"22", 400, AL_CODE_SCHEMA, "schema violation", NULL},
	{"428C9", 400, AL_CODE_SCHEMA, "schema violation", NULL},
	{"42804", 400, AL_CODE_SCHEMA, "schema violation", NULL},
	{"P0001", 400, AL_CODE_SCHEMA, "schema violation", NULL},
	{"42501", 403, AL_CODE_NONE, NULL,
	"The database role of this service may not do that"},
	{"42P01", 404, AL_CODE_NONE, NULL, "Not found"},
	{"40001", 503, AL_CODE_NONE, NULL,
	"Too many concurrent changes; try again"},
	{"40P01", 503, AL_CODE_NONE, NULL,
	"Too many concurrent changes; try again"},
	{"55P03", 503, AL_CODE_NONE, NULL, "A lock could not be had; try again"},
	{"57014", 504, AL_CODE_NONE, NULL, "The statement took too long"},
	{"25006", 503, AL_CODE_NONE, NULL, "The database is read-only"},
	{"08", 503, AL_CODE_NONE, NULL, "The database is not available"},
	{"53", 503, AL_CODE_NONE, NULL, "The database is short of resources"},
	{"57P", 503, AL_CODE_NONE, NULL, "The database is not available"},
	{"", 500, AL_CODE_NONE, NULL, "An unexpected error occurred"}
};

static const AlConfig *config;

void
al_respond_init(const AlConfig *with)
{
	config = with;
}

static void
append_json_string(AlBuf *out, const char *text)
{
	char		escape[8];

	al_buf_append_char(out, '"');
	for (const unsigned char *s = (const unsigned char *) text; *s; s++)
	{
		if (*s == '"' || *s == '\\')
			al_buf_append_char(out, '\\');
		if (*s < 0x20)
		{
			snprintf(escape, sizeof(escape), "\\u%04x", *s);
			al_buf_append_str(out, escape);
		}
		else
			al_buf_append_char(out, (char) *s);
	}
	al_buf_append_char(out, '"');
}

/* Makes answer.text the answer. */
void
al_respond_text(AlRequest *request, unsigned int status, const char *type)
{
	AlAnswer   *answer = &request->answer;

	answer->status = answer->text.failed ? 500 : status;
	answer->body = answer->text.failed ? NULL : answer->text.data;
	answer->len = answer->text.failed ? 0 : answer->text.len;
	answer->type = type;
}

static void
set_error(AlRequest *request, unsigned int status, AlCode code,
		  const char *name, const char *message)
{
	AlBuf	   *text = &request->answer.text;
	char		number[32];

	al_buf_reset(text);
	al_buf_append_char(text, '{');
	if (code != AL_CODE_NONE)
	{
		snprintf(number, sizeof(number), "\"code\":%d,\"name\":", (int) code);
		al_buf_append_str(text, number);
		append_json_string(text, name);
		al_buf_append_char(text, ',');
	}
	al_buf_append_str(text, "\"message\":");
	append_json_string(text, message);
	al_buf_append_char(text, '}');
	al_respond_text(request, status, "application/json; charset=utf-8");
}

void
al_respond_error(AlRequest *request, unsigned int status, const char *message)
{
	set_error(request, status, AL_CODE_NONE, NULL, message);
}

void
al_respond_allow(AlRequest *request, unsigned int methods)
{
	if (methods & AL_GET)
		methods |= AL_HEAD;
	request->answer.allow = methods | AL_OPTIONS;
	if (request->method == AL_OPTIONS)
		request->answer.status = 204;
	else
		al_respond_error(request, 405, "Method not allowed");
}

static const char *
field(const PGresult *result, int which)
{
	const char *text = result ? PQresultErrorField(result, which) : NULL;

	return text ? text : "";
}

/* Will the same statement probably succeed when it is run again? */
bool
al_respond_is_transient(const PGresult *result)
{
	const char *sqlstate = field(result, PG_DIAG_SQLSTATE);

	return strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0;
}

/* Is the request about that stream, for which the filter is read at all? */
static bool
is_about(const AlRequest *request, const char *stream)
{
	const char *asked = al_uri_param(&request->params, "stream");

	if (request->work == AL_WORK_HISTOGRAM)
		return strcmp(asked ? asked : "objects", stream) == 0;
	return (request->work == AL_WORK_LIST_OBJECTS) ==
		(strcmp(stream, "objects") == 0);
}

/*
 * A list took too long: what of it no index serves, and what helps.  The walk
 * ends at a full page, so it is values that are rare which make it long.
 */
static void
explain_slow_list(const AlRequest *request, char *message, size_t size)
{
	static const struct
	{
		const char *name;
		const char *stream;		/* NULL: both */
	}			walked[] = {
		{"dao_name", "objects"}, {"operation", "objects"},
		{"method", "requests"}, {"status", "requests"},
		{"hide", "requests"}, {"rbac_user_name", NULL}, {"workspace", NULL}
	};
	const char *count = al_uri_param(&request->params, "count");
	bool		counts = request->work != AL_WORK_HISTOGRAM &&
		(count == NULL || strcmp(count, "exact") == 0);
	char		list[128] = "";

	for (size_t i = 0; i < sizeof(walked) / sizeof(walked[0]); i++)
		if (al_uri_param(&request->params, walked[i].name) &&
			(walked[i].stream == NULL || is_about(request, walked[i].stream)))
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
					 list[0] ? ", " : "", walked[i].name);
	snprintf(message, size,
			 "The statement took too long%s%s; narrow it with after and before%s%s",
			 list[0] ? ": no index serves " : "", list,
			 counts ? ", or ask for count=none" : "",
			 list[0] ? ", or have an index added" : "");
}

/* The answer to a statement that failed; NULL: the database is away. */
void
al_respond_failure(AlRequest *request, const PGresult *result)
{
	const char *sqlstate = result ? field(result, PG_DIAG_SQLSTATE) : "08006";
	const char *primary = field(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = field(result, PG_DIAG_MESSAGE_DETAIL);
	const AlFailure *failure = failures;
	char		message[1024];
	size_t		len;

	while (strncmp(sqlstate, failure->sqlstate, strlen(failure->sqlstate)) != 0)
		failure++;
	snprintf(message, sizeof(message), "%s%s%s",
			 failure->message ? failure->message : primary,
			 failure->message || detail[0] == '\0' ? "" : ": ",
			 failure->message ? "" : detail);
	if (failure->status == 504 && (request->work == AL_WORK_LIST_OBJECTS ||
								   request->work == AL_WORK_LIST_REQUESTS ||
								   request->work == AL_WORK_HISTOGRAM))
		explain_slow_list(request, message, sizeof(message));
	/* a cut in the middle of a character would not be JSON */
	len = strlen(message);
	while (len > 0 && !al_uri_is_utf8(message, len))
		message[--len] = '\0';
	if (result && failure->status != 409 && failure->status != 400)
		al_diag("request %s: %s: %s", request->id, sqlstate, primary);
	set_error(request, failure->status, failure->code, failure->name, message);
}

/* Bytes come from the server as text. */
static void
unescape_data(AlAnswer *answer, const char *text)
{
	size_t		len;
	unsigned char *bytes = PQunescapeBytea((const unsigned char *) text, &len);

	if (bytes)
		al_buf_append(&answer->text, bytes, len);
	else
		answer->text.failed = true;
	PQfreemem(bytes);
}

/*
 * The answer that a statement made: its columns are status and body, or data
 * when it is no text.
 */
void
al_respond_result(AlRequest *request, PGresult *result)
{
	AlAnswer   *answer = &request->answer;
	int			data = PQfnumber(result, "data");

	answer->result = result;
	answer->status = (unsigned int) atoi(PQgetvalue(result, 0, 0));
	answer->type = "application/json; charset=utf-8";
	if (!PQgetisnull(result, 0, 1))
	{
		answer->body = PQgetvalue(result, 0, 1);
		answer->len = (size_t) PQgetlength(result, 0, 1);
	}
	else if (data >= 0 && !PQgetisnull(result, 0, data))
	{
		unescape_data(answer, PQgetvalue(result, 0, data));
		al_respond_text(request, answer->status, answer->type);
	}
}

/* Text of the client's between blanks or quotes: neither may be in it. */
static const char *
log_field(AlBuf *field, const char *text)
{
	static const char hidden[] = " \"\\";
	char		escape[8];

	al_buf_reset(field);
	for (const unsigned char *s = (const unsigned char *) text; *s; s++)
	{
		if (*s > 0x20 && *s < 0x7f && strchr(hidden, *s) == NULL)
		{
			al_buf_append_char(field, (char) *s);
			continue;
		}
		snprintf(escape, sizeof(escape), "%%%02X", *s);
		al_buf_append_str(field, escape);
	}
	al_buf_append_char(field, '\0');
	return field->failed ? "?" : field->data;
}

/* One line a request, with nothing in it that a client could forge. */
static void
write_access_log(const AlRequest *request, size_t len, int64_t duration)
{
	const char *user = request->identity.user_name;
	AlBuf		fields[3] = {0};
	char		when[32];
	time_t		now = time(NULL);
	struct tm	tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	printf("%s %s \"%s %s\" %u %zu %.3f %s %s\n", when, request->peer,
		   log_field(&fields[0], request->method_name),
		   log_field(&fields[1], request->path), request->answer.status,
		   len, (double) duration / 1000, request->id,
		   user[0] ? log_field(&fields[2], user) : "-");
	for (int i = 0; i < 3; i++)
		al_buf_free(&fields[i]);
}

static void
add_allow(struct MHD_Response *response, unsigned int methods)
{
	static const char *const names[] = {
		"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"
	};
	char		list[64] = "";

	for (int i = 0; i < 7; i++)
	{
		if ((methods & (1U << i)) == 0)
			continue;
		if (list[0])
			strcat(list, ", ");
		strcat(list, names[i]);
	}
	MHD_add_response_header(response, "Allow", list);
}

static void
add_headers(struct MHD_Response *response, const AlRequest *request)
{
	const AlAnswer *answer = &request->answer;

	MHD_add_response_header(response, config->id_header, request->id);
	MHD_add_response_header(response, "Server", "audit_log_httpd");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (answer->type && answer->body)
		MHD_add_response_header(response, "Content-Type", answer->type);
	if (answer->policy)
	{
		MHD_add_response_header(response, "Content-Security-Policy",
								answer->policy);
		MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	}
	if (answer->allow)
		add_allow(response, answer->allow);
	if (answer->status == 401)
		MHD_add_response_header(response, "WWW-Authenticate",
								"Bearer realm=\"audit_log\"");
	if (answer->status == 503)
		MHD_add_response_header(response, "Retry-After", "1");
	if (al_connection_is_draining() || answer->status == 499)
		MHD_add_response_header(response, "Connection", "close");
}

static void
account_for(const AlRequest *request, size_t len)
{
	int64_t		duration = al_clock_now() - request->started;

	atomic_fetch_add(&al_counters.answers[request->answer.status / 100 % 6], 1);
	atomic_fetch_add(&al_counters.microseconds, (unsigned long) duration);
	atomic_fetch_add(&al_counters.bytes, len);
	if (config->access_log)
		write_access_log(request, len, duration);
}

/*
 * Sends an error past libmicrohttpd, which is still reading the request, as
 * the last words on its connection.
 */
void
al_respond_send_last(AlRequest *request)
{
	const AlAnswer *answer = &request->answer;
	bool		head = request->method == AL_HEAD ||
		strcmp(request->method_name, "HEAD") == 0;
	char		number[64];
	AlBuf		text = {0};

	snprintf(number, sizeof(number), "HTTP/1.1 %u ", answer->status);
	al_buf_append_str(&text, number);
	al_buf_append_str(&text, MHD_get_reason_phrase_for(answer->status));
	al_buf_append_str(&text, "\r\nConnection: close\r\n");
	al_buf_append_str(&text, config->id_header);
	al_buf_append_str(&text, ": ");
	al_buf_append_str(&text, request->id);
	al_buf_append_str(&text, "\r\nServer: audit_log_httpd\r\n"
					  "Cache-Control: no-store\r\n"
					  "X-Content-Type-Options: nosniff\r\nContent-Type: ");
	al_buf_append_str(&text, answer->type);
	snprintf(number, sizeof(number), "\r\nContent-Length: %zu\r\n\r\n",
			 answer->len);
	al_buf_append_str(&text, number);
	if (!head)
		al_buf_append(&text, answer->body, answer->len);
	account_for(request, head ? 0 : answer->len);
	if (!text.failed)
		al_connection_say_last(request->connection, text.data, text.len);
	al_buf_free(&text);
}

/*
 * Queues the answer.  The body stays where it is: it lives as long as the
 * request, which ends after its last byte was sent.
 */
enum MHD_Result
al_respond_send(AlRequest *request)
{
	AlAnswer   *answer = &request->answer;
	struct MHD_Response *response;
	enum MHD_Result sent;

	response = MHD_create_response_from_buffer(answer->len,
											   (void *) answer->body,
											   MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
		return MHD_NO;
	add_headers(response, request);
	sent = MHD_queue_response(request->mhd, answer->status, response);
	MHD_destroy_response(response);

	account_for(request, request->method == AL_HEAD ? 0 : answer->len);
	return sent;
}
