/*
 * src/httpd/work.c
 *
 * What the database does for a request: one SQL statement that makes the
 * answer and writes the request's record, in one round trip and transaction.
 *
 * So a change and the record of the request that made it are there together
 * or not at all.  When the statement fails, its record is written by a
 * statement of its own, with the status that the client gets.
 *
 * A connection that breaks under a statement leaves its outcome unknown.
 * Reads are run again.  A change is not: its record, which shares its
 * transaction, tells whether it was made, once the process that had it is no
 * more.
 *
 * A read ends when its client goes away, and everything but records when we
 * are told to stop and the time for it is over.  Such a statement failed as
 * any other does: nothing of it stays, and its record is written alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "counters.h"
#include "diag.h"
#include "metrics.h"
#include "respond.h"
#include "work.h"

#define MAX_ATTEMPTS 4

/* The arguments of audit.api_log() but the status; see add_log_args(). */
#define LOG_ARGS "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12"

/* A function that makes an answer, and the record with the status it chose. */
#define ANSWER(call)                                                          \
	"SELECT a.status, a.body, audit.api_log(" LOG_ARGS                        \
	", a.status) FROM audit." call " a"

/* The same where the answer, unless it is an error, is bytes. */
#define BYTES(call)                                                           \
	"SELECT a.status, a.body, a.data, audit.api_log(" LOG_ARGS                \
	", a.status) FROM audit." call " a"

/*
 * The statement of a kind of work.  After the arguments of the record come
 * the table, the key, the named parameters of the query string and the
 * address of the next page without its offset, each where the flag is set.
 */
typedef struct Call
{
	const char *sql;
	bool		table;
	bool		key;
	const char *const *params;	/* ends with NULL */
	bool		self;
	const char *type;			/* of a good answer; NULL: JSON */
} Call;

static const char *const objects_params[] = {
	"size", "offset", "before", "after", "count", "request_id",
	"rbac_user_name", "workspace", "dao_name", "entity_key", "operation", NULL
};
static const char *const requests_params[] = {
	"size", "offset", "before", "after", "count", "request_id",
	"rbac_user_name", "workspace", "method", "status", "hide", NULL
};
static const char *const histogram_params[] = {
	"stream", "before", "after", "buckets", "request_id",
	"rbac_user_name", "workspace", "dao_name", "entity_key", "operation",
	"method", "status", "hide", NULL
};
static const char *const entities_params[] = {"size", "offset", NULL};
static const char *const verify_params[] = {"ids", NULL};
static const char *const export_params[] = {"from", "size", NULL};

static const char plain_text[] = "text/plain; charset=utf-8";

static const Call calls[] = {
	[AL_WORK_RECORD] = {
		.sql = "SELECT audit.api_log(" LOG_ARGS ", $13)"
	},
	[AL_WORK_OUTCOME] = {
		.sql = "SELECT audit.api_outcome($1)"
	},
	[AL_WORK_LIST_OBJECTS] = {
		.sql = ANSWER("api_list('objects', $13, $14, $15, $16, $17, $18, "
					  "$19, $20, $21, $22, $23, NULL, NULL, NULL, $24)"),
		.params = objects_params,
		.self = true
	},
	[AL_WORK_LIST_REQUESTS] = {
		.sql = ANSWER("api_list('requests', $13, $14, $15, $16, $17, $18, "
					  "$19, $20, NULL, NULL, NULL, $21, $22, $23, $24)"),
		.params = requests_params,
		.self = true
	},
	[AL_WORK_ONE_OBJECT] = {
		.sql = ANSWER("api_object($13)"),
		.key = true
	},
	[AL_WORK_ONE_REQUEST] = {
		.sql = ANSWER("api_request($13)"),
		.key = true
	},
	[AL_WORK_HISTOGRAM] = {
		.sql = ANSWER("api_histogram($13, $14, $15, $16, $17, $18, $19, "
					  "$20, $21, $22, $23, $24, $25)"),
		.params = histogram_params
	},
	[AL_WORK_LEDGER] = {
		.sql = ANSWER("api_status()")
	},
	[AL_WORK_VERIFY] = {
		.sql = ANSWER("api_verify($13)"),
		.params = verify_params
	},
	[AL_WORK_EXPORT] = {
		.sql = ANSWER("api_export($13, $14)"),
		.params = export_params
	},
	[AL_WORK_CHECKPOINT] = {
		.sql = BYTES("api_checkpoint()"),
		.type = plain_text
	},
	[AL_WORK_PROOF] = {
		.sql = BYTES("api_proof($13)"),
		.key = true,
		.type = plain_text
	},
	[AL_WORK_TILE] = {
		.sql = BYTES("api_tile($13)"),
		.key = true,
		.type = "application/octet-stream"
	},
	[AL_WORK_READ_ENTITY] = {
		.sql = ANSWER("api_read($13, $14, $15, $16, $17)"),
		.table = true,
		.key = true,
		.params = entities_params,
		.self = true
	},
	[AL_WORK_WRITE_ENTITY] = {
		.sql = "SELECT a.status, a.body FROM audit.api_write("
		LOG_ARGS ", $13, $14, $15, $16, $17) a"
	}
};

/* A record wants to be written, whoever still listens. */
static const AlPurpose for_the_record = {
	.client = -1,
	.record = true
};

static const AlConfig *config;

/* Texts that arguments point to, as long as one statement runs. */
typedef struct Scratch
{
	AlArgs		args;
	char		waited[32];
	AlBuf		self;
	AlBuf		names;
	AlBuf		values;
} Scratch;

void
al_work_init(const AlConfig *with)
{
	config = with;
}

static PGresult *
run_call(AlDatabase *db, AlWork work, const AlArgs *args, AlPurpose purpose,
		 AlLoss *loss)
{
	AlStatement statement = {work, calls[work].sql};

	return al_database_run(db, &statement, args, purpose, loss);
}

static const char *
or_null(const char *text)
{
	return text && text[0] ? text : NULL;
}

/*
 * What is recorded of the request.  A retried statement looks first whether
 * its record is there already.
 */
static void
add_log_args(Scratch *scratch, const AlRequest *request, bool durable,
			 bool retried)
{
	AlArgs	   *args = &scratch->args;
	const AlIdentity *who = &request->identity;
	int64_t		end = request->answered ? request->answered : al_clock_now();

	args->n = 0;
	snprintf(scratch->waited, sizeof(scratch->waited), "%.3f",
			 (double) (end - request->started) / 1000);
	al_database_arg(args, request->id);
	al_database_arg(args, request->method_name);
	al_database_arg(args, request->path);
	if (request->body.len > 0)
		al_database_arg_bytes(args, request->body.data, request->body.len);
	else
		al_database_arg(args, NULL);
	al_database_arg(args, or_null(request->peer));
	al_database_arg(args, or_null(request->user_agent));
	al_database_arg(args, scratch->waited);
	al_database_arg(args, or_null(who->workspace));
	al_database_arg(args, or_null(who->user_id));
	al_database_arg(args, or_null(who->user_name));
	al_database_arg(args, durable ? "t" : "f");
	al_database_arg(args, retried ? "t" : "f");
}

/*
 * Adds the parameters of these names as arguments, and to the address of the
 * next page; "offset" is the one that the next page replaces.
 */
static void
add_params(Scratch *scratch, const AlRequest *request,
		   const char *const *names)
{
	al_buf_append(&scratch->self, request->path, strcspn(request->path, "?"));
	al_buf_append_char(&scratch->self, '?');
	for (; *names; names++)
	{
		const char *value = al_uri_param(&request->params, *names);

		al_database_arg(&scratch->args, value);
		if (value == NULL || strcmp(*names, "offset") == 0)
			continue;
		al_buf_append_str(&scratch->self, *names);
		al_buf_append_char(&scratch->self, '=');
		al_uri_encode(&scratch->self, value);
		al_buf_append_char(&scratch->self, '&');
	}
	al_buf_append_char(&scratch->self, '\0');
}

/* One element of a text[] literal. */
static void
append_element(AlBuf *array, const char *text)
{
	al_buf_append_str(array, array->len ? ",\"" : "{\"");
	for (; *text; text++)
	{
		if (*text == '"' || *text == '\\')
			al_buf_append_char(array, '\\');
		al_buf_append_char(array, *text);
	}
	al_buf_append_char(array, '"');
}

static void
add_write_args(Scratch *scratch, AlRequest *request)
{
	AlArgs	   *args = &scratch->args;

	al_database_arg(args, request->table);
	al_database_arg(args, request->key);
	if (!request->is_form)
	{
		/* text arguments end at a NUL, which is not part of the payload */
		al_buf_append_char(&request->body, '\0');
		if (!request->body.failed)
			request->body.len--;
		al_database_arg(args, request->body.data);
		al_database_arg(args, NULL);
		al_database_arg(args, NULL);
		return;
	}
	for (int i = 0; i < request->params.n; i++)
	{
		append_element(&scratch->names, request->params.items[i].name);
		append_element(&scratch->values, request->params.items[i].value);
	}
	al_buf_append(&scratch->names, request->params.n ? "}" : "{}",
				  request->params.n ? 2 : 3);
	al_buf_append(&scratch->values, request->params.n ? "}" : "{}",
				  request->params.n ? 2 : 3);
	al_database_arg(args, NULL);
	al_database_arg(args, scratch->names.data);
	al_database_arg(args, scratch->values.data);
}

/* Adds the arguments of the work itself. */
static void
add_work_args(Scratch *scratch, AlRequest *request)
{
	const Call *call = &calls[request->work];

	if (request->work == AL_WORK_WRITE_ENTITY)
	{
		add_write_args(scratch, request);
		return;
	}
	if (call->table)
		al_database_arg(&scratch->args, request->table);
	if (call->key)
		al_database_arg(&scratch->args, request->key);
	if (call->params)
		add_params(scratch, request, call->params);
	if (call->self)
		al_database_arg(&scratch->args, scratch->self.data);
}

/* Is everything there?  A text that is cut short must not pass for a value. */
static bool
is_complete(const Scratch *scratch, const AlRequest *request)
{
	return !scratch->self.failed && !scratch->names.failed &&
		!scratch->values.failed && !request->body.failed;
}

static void
free_scratch(Scratch *scratch)
{
	al_buf_free(&scratch->self);
	al_buf_free(&scratch->names);
	al_buf_free(&scratch->values);
}

static bool
succeeded(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
}

/* Writes the record alone; says whether it, or its being ignored, is sure. */
static bool
write_record(AlDatabase *db, const AlRequest *request, unsigned int status,
			 bool retried)
{
	bool		ok = false;

	for (int attempt = 0; attempt < 2 && !ok; attempt++)
	{
		Scratch		scratch = {0};
		char		number[16];
		PGresult   *result;
		AlLoss		loss;

		add_log_args(&scratch, request, config->durable_reads,
					 retried || attempt > 0);
		snprintf(number, sizeof(number), "%u", status);
		al_database_arg(&scratch.args, number);
		result = run_call(db, AL_WORK_RECORD, &scratch.args, for_the_record,
						  &loss);
		ok = result != NULL && succeeded(result);
		if (result != NULL && !ok)
			al_diag("request %s has no record: %s", request->id,
					PQresultErrorMessage(result));
		else if (loss == AL_LOSS_STOP)
			al_diag("request %s has no record: there was no time left for it",
					request->id);
		PQclear(result);
		if (loss != AL_LOSS_UNKNOWN)
			break;
	}
	if (!ok)
		atomic_fetch_add(&al_counters.unrecorded, 1);
	return ok;
}

/* The connection broke under a change: was it made? */
static void
find_outcome(AlDatabase *db, AlRequest *request)
{
	AlArgs		args = {0};
	AlLoss		loss;
	PGresult   *result = NULL;
	char		message[160];

	al_database_arg(&args, request->id);
	if (al_database_reconnect(db) && al_database_is_settled(db))
		result = run_call(db, AL_WORK_OUTCOME, &args, for_the_record, &loss);
	if (result == NULL || !succeeded(result))
	{
		snprintf(message, sizeof(message),
				 "The database went away; whether the change was made tells the record of request %s, if there is one",
				 request->id);
		al_respond_error(request, 503, message);
		atomic_fetch_add(&al_counters.unrecorded, 1);
	}
	else if (!PQgetisnull(result, 0, 0))
	{
		al_respond_error(request, 200,
						 "The change was made, but its answer was lost with the database connection");
		request->answer.status = (unsigned int) atoi(PQgetvalue(result, 0, 0));
	}
	else
	{
		al_respond_failure(request, NULL);
		write_record(db, request, request->answer.status, true);
	}
	PQclear(result);
}

/* Words the answer to a statement that gave no good result. */
static void
answer_failure(AlRequest *request, const PGresult *result, AlLoss loss)
{
	if (loss == AL_LOSS_GONE)
	{
		al_respond_error(request, 499,
						 "The client closed its connection before the answer was ready");
		atomic_fetch_add(&al_counters.abandoned, 1);
	}
	else if (loss == AL_LOSS_STOP)
		al_respond_error(request, 503, "The service is being stopped");
	else if (loss == AL_LOSS_UNFIT)
		al_respond_error(request, 503,
						 "The extension in the database does not fit this service");
	else
		al_respond_failure(request, result);
}

static PGresult *
run_work(AlDatabase *db, AlRequest *request, bool retried, AlLoss *loss)
{
	bool		writes = request->work == AL_WORK_WRITE_ENTITY;
	AlPurpose	purpose = {.client = writes ? -1 : request->client};
	Scratch		scratch = {0};
	PGresult   *result = NULL;

	add_log_args(&scratch, request, writes || config->durable_reads, retried);
	add_work_args(&scratch, request);
	if (is_complete(&scratch, request))
		result = run_call(db, request->work, &scratch.args, purpose, loss);
	else
	{
		al_diag("request %s: out of memory", request->id);
		*loss = AL_LOSS_AWAY;
	}
	free_scratch(&scratch);
	return result;
}

/* Runs the statement that makes the answer. */
static void
make_answer(AlDatabase *db, AlRequest *request)
{
	bool		writes = request->work == AL_WORK_WRITE_ENTITY;
	bool		retried = false;

	for (int attempt = 1;; attempt++)
	{
		AlLoss		loss;
		PGresult   *result = run_work(db, request, retried, &loss);

		if (result != NULL && succeeded(result))
		{
			al_respond_result(request, result);
			if (calls[request->work].type && request->answer.status == 200)
				request->answer.type = calls[request->work].type;
			return;
		}
		if (loss == AL_LOSS_UNKNOWN && writes)
		{
			find_outcome(db, request);
			return;
		}
		if (attempt < MAX_ATTEMPTS &&
			(loss == AL_LOSS_UNKNOWN || al_respond_is_transient(result)))
		{
			retried = retried || loss == AL_LOSS_UNKNOWN;
			PQclear(result);
			continue;
		}
		answer_failure(request, result, loss);
		PQclear(result);
		write_record(db, request, request->answer.status, retried);
		return;
	}
}

void
al_work_execute(AlDatabase *db, AlRequest *request)
{
	bool		recorded;

	switch (request->work)
	{
		case AL_WORK_RECORD:
			write_record(db, request, request->answer.status, false);
			break;
		case AL_WORK_STATUS:
			recorded = write_record(db, request, 200, false);
			al_metrics_status(request, recorded);
			break;
		case AL_WORK_READY:
			if (write_record(db, request, 200, false))
			{
				al_buf_append_str(&request->answer.text, "{\"ready\":true}");
				al_respond_text(request, 200,
								"application/json; charset=utf-8");
			}
			else
				al_respond_error(request, 503,
								 "The database is not available, or takes no records");
			break;
		default:
			make_answer(db, request);
	}
}
