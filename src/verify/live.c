/*
 * src/verify/live.c
 *
 * Leaves and blocks from a database.
 *
 * Leaves come as one COPY on one connection, so that the server and the
 * verifier work at the same time and memory holds a row; blocks and all else
 * come over a second connection that shares its snapshot.  Nothing is
 * written, and only views and functions are read that a member of
 * audit_log_reader may use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "entry.h"
#include "source.h"

/* As al_files_open() reads them. */
#define SAVED_LEAVES "records.jsonl"
#define SAVED_BLOCKS "blocks.jsonl"

#define BLOCKS_AT_ONCE 500
#define PATH_MAX_LEN 4096

typedef enum CopyOf
{
	COPY_NOTHING,
	COPY_LEAVES,
	COPY_STORED,
	COPY_SEALED,
	COPY_ENDED
} CopyOf;

typedef struct Live
{
	PGconn	   *leaves;
	PGconn	   *blocks;
	CopyOf		copy;			/* that runs on the first connection */
	char	   *row;
	PGresult   *fetched;		/* blocks */
	int			next_fetched;
	FILE	   *save_leaves;	/* NULL: nothing is saved */
	FILE	   *save_blocks;
} Live;

static AlStatus
fail_connection(AlError *err, const PGconn *connection)
{
	AlStatus	status = al_status_fail(err, AL_FAILED, "%.240s",
										PQerrorMessage(connection));

	for (char *p = err->reason; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
	return status;
}

/* What a newcomer most likely did is said with the server's message. */
static AlStatus
fail_statement(AlError *err, const PGconn *connection, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *hint = "";

	if (message == NULL || state == NULL)
		return fail_connection(err, connection);
	if (strcmp(state, "42P01") == 0 || strcmp(state, "3F000") == 0)
		hint = " (is the extension audit_log in this database?)";
	else if (strcmp(state, "42501") == 0)
		hint = " (the role must be in audit_log_reader)";
	return al_status_fail(err, AL_FAILED, "%.180s%s", message, hint);
}

static AlStatus
run(PGconn *connection, const char *statement, ExecStatusType expected,
	PGresult **result, AlError *err)
{
	PGresult   *got = PQexec(connection, statement);

	if (PQresultStatus(got) != expected)
	{
		AlStatus	status = fail_statement(err, connection, got);

		PQclear(got);
		return status;
	}
	if (result)
		*result = got;
	else
		PQclear(got);
	return AL_OK;
}

static AlStatus
connect_to(const char *conninfo, PGconn **connection, AlError *err)
{
	const char *keywords[] = {
		"dbname", "client_encoding", "fallback_application_name", NULL
	};
	const char *values[] = {conninfo, "UTF8", "audit_log_verify", NULL};

	*connection = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(*connection) != CONNECTION_OK)
		return fail_connection(err, *connection);
	return run(*connection,
			   "SET search_path = pg_catalog, pg_temp; SET statement_timeout = 0;"
			   " SET idle_in_transaction_session_timeout = 0;"
			   " BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
			   PGRES_COMMAND_OK, NULL, err);
}

/* Lets the second connection see what the first one sees. */
static AlStatus
share_snapshot(AlSource *source, Live *live, AlError *err)
{
	PGresult   *result = NULL;
	char		statement[256];
	char	   *quoted;
	AlStatus	status;

	status = run(live->leaves,
				 "SELECT pg_export_snapshot(),"
				 " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,"
				 " pg_snapshot_xmax(pg_current_snapshot()),"
				 " (SELECT b.size FROM audit.blocks b ORDER BY b.block DESC LIMIT 1)",
				 PGRES_TUPLES_OK, &result, err);
	if (status != AL_OK)
		return status;
	source->now = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
	source->next_txid = strtoull(PQgetvalue(result, 0, 2), NULL, 10);
	source->total = strtoull(PQgetvalue(result, 0, 3), NULL, 10);
	quoted = PQescapeLiteral(live->blocks, PQgetvalue(result, 0, 0),
							 strlen(PQgetvalue(result, 0, 0)));
	PQclear(result);
	if (quoted == NULL)
		return fail_connection(err, live->blocks);
	snprintf(statement, sizeof(statement), "SET TRANSACTION SNAPSHOT %s",
			 quoted);
	PQfreemem(quoted);
	status = run(live->blocks, statement, PGRES_COMMAND_OK, NULL, err);
	if (status == AL_OK)
		status = run(live->blocks,
					 "DECLARE b NO SCROLL CURSOR FOR SELECT row_to_json(b)"
					 " FROM audit.blocks b ORDER BY b.block",
					 PGRES_COMMAND_OK, NULL, err);
	return status;
}

/* ---------------------------------------------------------------- copying */

/* Takes the escapes of COPY's text format out of a row; returns its length. */
static size_t
unescape(char *row, size_t len)
{
	char	   *from = memchr(row, '\\', len);
	char	   *to = from;
	char	   *end = row + len;

	if (from == NULL)
		return len;
	while (from < end)
	{
		char	   *next;

		if (*from == '\\' && from + 1 < end)
		{
			static const char letters[] = "bfnrtv";
			static const char meanings[] = "\b\f\n\r\t\v";
			const char *letter = strchr(letters, from[1]);

			*to++ = letter ? meanings[letter - letters] : from[1];
			from += 2;
			continue;
		}
		next = memchr(from, '\\', (size_t) (end - from));
		if (next == NULL || next == from)
			next = next == from ? from + 1 : end;
		memmove(to, from, (size_t) (next - from));
		to += next - from;
		from = next;
	}
	return (size_t) (to - row);
}

/* The next row of a COPY, begun with the first call; NULL at its end. */
static AlStatus
copy_row(Live *live, CopyOf what, const char *statement, char **row,
		 size_t *len, AlError *err)
{
	PGresult   *result;
	AlStatus	status = AL_OK;
	int			got;

	*row = NULL;
	if (live->copy != what)
	{
		status = run(live->leaves, statement, PGRES_COPY_OUT, NULL, err);
		if (status != AL_OK)
			return status;
		live->copy = what;
	}
	if (live->row)
		PQfreemem(live->row);
	live->row = NULL;
	got = PQgetCopyData(live->leaves, &live->row, 0);
	if (got > 0)
	{
		*row = live->row;
		*len = (size_t) got - (live->row[got - 1] == '\n');
		return AL_OK;
	}
	result = PQgetResult(live->leaves);
	if (got < -1 || PQresultStatus(result) != PGRES_COMMAND_OK)
		status = fail_connection(err, live->leaves);
	PQclear(result);
	while ((result = PQgetResult(live->leaves)) != NULL)
		PQclear(result);
	live->copy = COPY_ENDED;
	return status;
}

static AlStatus
fail_saving(const char *name, AlError *err)
{
	return al_status_fail(err, AL_FAILED, "could not save all of \"%s\": %s",
						  name, strerror(errno));
}

static AlStatus
save_line(FILE *file, const char *name, const char *line, size_t len,
		  AlError *err)
{
	if (file && (fwrite(line, 1, len, file) != len || putc('\n', file) == EOF))
		return fail_saving(name, err);
	return AL_OK;
}

static AlStatus
next_leaf(AlSource *source, const char **line, size_t *len, AlError *err)
{
	Live	   *live = source->state;
	char	   *row;
	AlStatus	status;

	status = copy_row(live, COPY_LEAVES,
					  "COPY (SELECT row_to_json(audit.export())) TO STDOUT",
					  &row, len, err);
	*line = row;
	if (status != AL_OK || row == NULL)
		return status;
	*len = unescape(row, *len);
	return save_line(live->save_leaves, SAVED_LEAVES, row, *len, err);
}

static AlStatus
stored_next(AlSource *source, AlStored *stored, bool *end, AlError *err)
{
	char	   *row;
	size_t		len;
	char	   *txid;
	AlStatus	status;

	status = copy_row(source->state, COPY_STORED,
					  "COPY (SELECT s.id, s.txid, CASE WHEN isfinite(s.expire) THEN"
					  " (extract(epoch FROM s.expire) * 1000000)::bigint END"
					  " FROM audit.stored_records s) TO STDOUT",
					  &row, &len, err);
	*end = row == NULL;
	if (status != AL_OK || row == NULL)
		return status;
	if (len < AL_ENTRY_ID_LEN + 3 || row[AL_ENTRY_ID_LEN] != '\t')
		return al_status_fail(err, AL_INVALID, "a stored record is invalid");
	row[AL_ENTRY_ID_LEN] = row[len] = '\0';
	if (!al_entry_id_bytes(row, stored->id))
		return al_status_fail(err, AL_INVALID, "a stored id is invalid");
	stored->txid = strtoull(row + AL_ENTRY_ID_LEN + 1, &txid, 10);
	stored->expire = *txid == '\t' && txid[1] != '\\'
		? strtoll(txid + 1, NULL, 10)
		: INT64_MAX;
	return AL_OK;
}

static AlStatus
sealed_next(AlSource *source, uint8_t id[16], bool *end, AlError *err)
{
	char	   *row;
	size_t		len;
	AlStatus	status;

	status = copy_row(source->state, COPY_SEALED,
					  "COPY (SELECT l.id FROM audit.ledger_leaves l) TO STDOUT",
					  &row, &len, err);
	*end = row == NULL;
	if (status != AL_OK || row == NULL)
		return status;
	row[len] = '\0';
	if (!al_entry_id_bytes(row, id))
		return al_status_fail(err, AL_INVALID, "a sealed id is invalid");
	return AL_OK;
}

/* ------------------------------------------------------ second connection */

static AlStatus
next_block(AlSource *source, const char **line, size_t *len, AlError *err)
{
	Live	   *live = source->state;

	*line = NULL;
	if (live->fetched == NULL ||
		live->next_fetched == PQntuples(live->fetched))
	{
		char		statement[64];
		AlStatus	status;

		PQclear(live->fetched);
		live->fetched = NULL;
		live->next_fetched = 0;
		snprintf(statement, sizeof(statement), "FETCH %d FROM b",
				 BLOCKS_AT_ONCE);
		status = run(live->blocks, statement, PGRES_TUPLES_OK, &live->fetched,
					 err);
		if (status != AL_OK || PQntuples(live->fetched) == 0)
			return status;
	}
	*line = PQgetvalue(live->fetched, live->next_fetched, 0);
	*len = (size_t) PQgetlength(live->fetched, live->next_fetched, 0);
	live->next_fetched++;
	return save_line(live->save_blocks, SAVED_BLOCKS, *line, *len, err);
}

/* An error of the server is an answer here, and must not end the session. */
static AlStatus
tile(AlSource *source, const char *path, AlBuf *bytes, AlError *err)
{
	Live	   *live = source->state;
	const char *args[] = {path};
	PGresult   *result;
	AlStatus	status = run(live->blocks, "SAVEPOINT t", PGRES_COMMAND_OK,
							 NULL, err);

	if (status != AL_OK)
		return status;
	result = PQexecParams(live->blocks, "SELECT audit.tile($1)", 1, NULL, args,
						  NULL, NULL, 1);
	al_buf_reset(bytes);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		const char *message =
			PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

		status = al_status_fail(err, AL_MISMATCH, "%.240s",
								message ? message : "no answer");
	}
	else if (PQgetisnull(result, 0, 0))
		status = al_status_fail(err, AL_MISMATCH, "there is no such tile");
	else
		al_buf_append(bytes, PQgetvalue(result, 0, 0),
					  (size_t) PQgetlength(result, 0, 0));
	PQclear(result);
	if (status == AL_OK)
		return run(live->blocks, "RELEASE t", PGRES_COMMAND_OK, NULL, err);
	if (run(live->blocks, "ROLLBACK TO t", PGRES_COMMAND_OK, NULL, err) != AL_OK)
		return AL_FAILED;
	return status;
}

/* Is there a record, perhaps not sealed yet, that says so? */
static AlStatus
erased(AlSource *source, const char *id, bool *erased, AlError *err)
{
	Live	   *live = source->state;
	const char *args[] = {id};
	PGresult   *result;

	result = PQexecParams(live->blocks,
						  "SELECT FROM audit.objects o WHERE o.entity_key = $1"
						  " AND o.operation = 'ddl' AND o.schema_name = 'audit'"
						  " AND o.dao_name = 'ledger' AND o.entity ->> 'event' = 'erase'"
						  " LIMIT 1",
						  1, NULL, args, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		PQclear(result);
		return fail_connection(err, live->blocks);
	}
	*erased = PQntuples(result) > 0;
	PQclear(result);
	return AL_OK;
}

/* ----------------------------------------------------------------- saving */

static AlStatus
open_save(const char *folder, const char *name, FILE **file, AlError *err)
{
	char		path[PATH_MAX_LEN];

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
		(int) sizeof(path))
		return al_status_fail(err, AL_INVALID, "the path is too long");
	*file = fopen(path, "wb");
	if (*file == NULL)
		return al_status_fail(err, AL_FAILED, "could not write \"%.150s\": %s",
							  path, strerror(errno));
	return AL_OK;
}

static AlStatus
begin_saving(Live *live, const char *folder, AlError *err)
{
	AlStatus	status;

	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		return al_status_fail(err, AL_FAILED, "could not make \"%.150s\": %s",
							  folder, strerror(errno));
	status = open_save(folder, SAVED_LEAVES, &live->save_leaves, err);
	if (status == AL_OK)
		status = open_save(folder, SAVED_BLOCKS, &live->save_blocks, err);
	return status;
}

/* What is saved is complete and on disk, or it is told that it is not. */
static AlStatus
finish(AlSource *source, AlError *err)
{
	Live	   *live = source->state;
	FILE	   *files[] = {live->save_leaves, live->save_blocks};
	const char *names[] = {SAVED_LEAVES, SAVED_BLOCKS};

	for (int i = 0; i < 2; i++)
		if (files[i] &&
			(fflush(files[i]) != 0 || fsync(fileno(files[i])) != 0))
			return fail_saving(names[i], err);
	return AL_OK;
}

static void
close_live(AlSource *source)
{
	Live	   *live = source->state;

	if (live->row)
		PQfreemem(live->row);
	PQclear(live->fetched);
	PQfinish(live->leaves);
	PQfinish(live->blocks);
	if (live->save_leaves)
		fclose(live->save_leaves);
	if (live->save_blocks)
		fclose(live->save_blocks);
	free(live);
}

/* The source must be closed, also if this fails. */
AlStatus
al_live_open(AlSource *source, const char *conninfo, const char *save,
			 AlError *err)
{
	Live	   *live = calloc(1, sizeof(Live));
	AlStatus	status;

	if (live == NULL)
		return al_status_fail(err, AL_NO_MEMORY, "out of memory");
	source->state = live;
	source->next_leaf = next_leaf;
	source->next_block = next_block;
	source->tile = tile;
	source->stored_next = stored_next;
	source->sealed_next = sealed_next;
	source->erased = erased;
	source->finish = finish;
	source->close = close_live;
	status = connect_to(conninfo, &live->leaves, err);
	if (status == AL_OK)
		status = connect_to(conninfo, &live->blocks, err);
	if (status == AL_OK)
		status = share_snapshot(source, live, err);
	if (status == AL_OK && save)
		status = begin_saving(live, save, err);
	return status;
}
