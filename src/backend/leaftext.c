/*
 * src/backend/leaftext.c
 *
 * The two texts of a stored record that its leaf is made from, format 1.
 *
 *	meta	canonical JSON (RFC 8785) of format, id, occurred_at, stream and
 *			txid: nothing personal
 *	data	canonical JSON of all other columns but expire and salt, by their
 *			names: what is stored, as text, or null
 *
 * All values are strings: RFC 8785's numbers are doubles.  Nothing depends on
 * a setting of the session; text is printed in UTF-8 whatever the database's
 * encoding is.  What has no UTF-8 form is printed all the same, or one such
 * record would keep everybody's from being sealed: as a zero character, which
 * no text holds, and its bytes in hex.  audit.record() shows it so too.  The
 * columns of format 1 are fixed: one that is added to the tables needs a new
 * format.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "core/canon.h"

#include "glue.h"
#include "ids.h"
#include "isotime.h"
#include "leaftext.h"
#include "utf8.h"

typedef enum ColumnKind
{
	COLUMN_TEXT,				/* also json */
	COLUMN_INT4,
	COLUMN_NUMERIC
} ColumnKind;

typedef struct DataColumn
{
	const char *name;
	AttrNumber	column;
	ColumnKind	kind;
} DataColumn;

/* In canonical order. */
static const DataColumn object_data[] =
{
	{"application_name", AL_OBJECT_APPLICATION_NAME, COLUMN_TEXT},
	{"client_ip", AL_OBJECT_CLIENT_IP, COLUMN_TEXT},
	{"dao_name", AL_OBJECT_DAO_NAME, COLUMN_TEXT},
	{"db_role", AL_OBJECT_DB_ROLE, COLUMN_TEXT},
	{"db_user", AL_OBJECT_DB_USER, COLUMN_TEXT},
	{"entity", AL_OBJECT_ENTITY, COLUMN_TEXT},
	{"entity_key", AL_OBJECT_ENTITY_KEY, COLUMN_TEXT},
	{"key_id", AL_OBJECT_KEY_ID, COLUMN_TEXT},
	{"old_values", AL_OBJECT_OLD_VALUES, COLUMN_TEXT},
	{"operation", AL_OBJECT_OPERATION, COLUMN_TEXT},
	{"partition_name", AL_OBJECT_PARTITION_NAME, COLUMN_TEXT},
	{"rbac_user_id", AL_OBJECT_RBAC_USER_ID, COLUMN_TEXT},
	{"rbac_user_name", AL_OBJECT_RBAC_USER_NAME, COLUMN_TEXT},
	{"removed_from_entity", AL_OBJECT_REMOVED, COLUMN_TEXT},
	{"request_id", AL_OBJECT_REQUEST_ID, COLUMN_TEXT},
	{"request_source", AL_OBJECT_REQUEST_SOURCE, COLUMN_TEXT},
	{"schema_name", AL_OBJECT_SCHEMA_NAME, COLUMN_TEXT},
	{"signature", AL_OBJECT_SIGNATURE, COLUMN_TEXT},
	{"workspace", AL_OBJECT_WORKSPACE, COLUMN_TEXT},
};

static const DataColumn request_data[] =
{
	{"client_ip", AL_REQUEST_CLIENT_IP, COLUMN_TEXT},
	{"db_user", AL_REQUEST_DB_USER, COLUMN_TEXT},
	{"duration_ms", AL_REQUEST_DURATION_MS, COLUMN_NUMERIC},
	{"key_id", AL_REQUEST_KEY_ID, COLUMN_TEXT},
	{"method", AL_REQUEST_METHOD, COLUMN_TEXT},
	{"path", AL_REQUEST_PATH, COLUMN_TEXT},
	{"payload", AL_REQUEST_PAYLOAD, COLUMN_TEXT},
	{"rbac_user_id", AL_REQUEST_RBAC_USER_ID, COLUMN_TEXT},
	{"rbac_user_name", AL_REQUEST_RBAC_USER_NAME, COLUMN_TEXT},
	{"removed_from_payload", AL_REQUEST_REMOVED, COLUMN_TEXT},
	{"request_id", AL_REQUEST_REQUEST_ID, COLUMN_TEXT},
	{"request_source", AL_REQUEST_REQUEST_SOURCE, COLUMN_TEXT},
	{"signature", AL_REQUEST_SIGNATURE, COLUMN_TEXT},
	{"status", AL_REQUEST_STATUS, COLUMN_INT4},
	{"user_agent", AL_REQUEST_USER_AGENT, COLUMN_TEXT},
	{"workspace", AL_REQUEST_WORKSPACE, COLUMN_TEXT},
};

static const struct
{
	const char *name;
	const DataColumn *data;
	int			ndata;
	AttrNumber	occurred_at;
}			formats[AL_STREAMS] =
{
	{"objects", object_data, lengthof(object_data), AL_OBJECT_OCCURRED_AT},
	{"requests", request_data, lengthof(request_data),
	AL_REQUEST_OCCURRED_AT},
};

/* ISO 8601, or PostgreSQL's word for one without end; returns the length. */
static int
print_time(char *out, TimestampTz time)
{
	if (TIMESTAMP_NOT_FINITE(time))
		return snprintf(out, AL_ISOTIME_SIZE, "%s",
						time == DT_NOEND ? "infinity" : "-infinity");
	return al_isotime_print(out, time);
}

/* A column of a slot whose attributes are all fetched. */
static inline Datum
column(TupleTableSlot *slot, AttrNumber attnum)
{
	return slot->tts_values[attnum - 1];
}

static inline bool
column_is_null(TupleTableSlot *slot, AttrNumber attnum)
{
	return slot->tts_isnull[attnum - 1];
}

/* The names of the members of meta, in canonical order. */
enum
{
	META_FORMAT, META_ID, META_OCCURRED_AT, META_STREAM, META_TXID,
	META_COUNT
};

static const char *const meta_keys[META_COUNT] =
{"format", "id", "occurred_at", "stream", "txid"};

static AlCanonLayout meta_layout;
static AlCanonLayout data_layout[AL_STREAMS];

static void
lay_out_names(void)
{
	AlError		err = {{0}};

	memset(&meta_layout, 0, sizeof(meta_layout));
	memset(data_layout, 0, sizeof(data_layout));
	for (int i = 0; i < META_COUNT; i++)
		al_glue_check(al_canon_jcs_lay_out(&meta_layout, meta_keys[i], &err),
					  &err);
	for (int s = 0; s < AL_STREAMS; s++)
		for (int i = 0; i < formats[s].ndata; i++)
			al_glue_check(al_canon_jcs_lay_out(&data_layout[s],
											   formats[s].data[i].name, &err),
						  &err);
}

static void
print_meta(AlStream stream, TupleTableSlot *slot, AlBuf *meta)
{
	/* The records of a statement have one time. */
	static TimestampTz printed;
	static char time[AL_ISOTIME_SIZE];
	static int	time_len = 0;
	AlCanonJcs	jcs;
	AlError		err;
	char		id[AL_UUID_TEXT_LEN];
	char		txid[MAXINT8LEN + 1];
	TimestampTz occurred_at = DatumGetTimestampTz(column(slot, formats[stream].occurred_at));
	int			len;

	if (time_len == 0 || occurred_at != printed)
	{
		time_len = print_time(time, occurred_at);
		printed = occurred_at;
	}
	err.reason[0] = '\0';		/* all of it would be zeroed for each row */
	al_canon_jcs_begin(&jcs, meta);
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_FORMAT, "1", 1);
	al_ids_print(id, DatumGetUUIDP(column(slot, al_tables[stream].id)));
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_ID, id, AL_UUID_TEXT_LEN);
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_OCCURRED_AT, time,
						   time_len);
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_STREAM,
						   formats[stream].name,
						   strlen(formats[stream].name));
	len = pg_ulltoa_n(DatumGetUInt64(column(slot, al_tables[stream].txid)),
					  txid);
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_TXID, txid, len);
	al_glue_check(al_canon_jcs_end(&jcs, &err), &err);
}

/*
 * The UTF-8 form of a text, or what stands for it: see the head.  The result
 * is "bytes" or new memory.
 */
static const char *
to_utf8(const char *bytes, Size *len)
{
	char	   *utf8;

	if (GetDatabaseEncoding() == PG_UTF8)
		return bytes;
	utf8 = al_utf8_from_text(bytes, *len);
	if (utf8 == NULL)
	{
		utf8 = palloc_extended(1 + 2 * *len, MCXT_ALLOC_HUGE);
		utf8[0] = '\0';
		*len = 1 + hex_encode(bytes, *len, utf8 + 1);
	}
	else if (utf8 != bytes)
		*len = strlen(utf8);
	return utf8;
}

static void
put_column(AlCanonJcs *jcs, const AlCanonLayout *layout, int member,
		   ColumnKind kind, Datum value)
{
	char		number[MAXINT8LEN + 1];
	const char *bytes = number;
	Size		len;
	text	   *t;

	switch (kind)
	{
		case COLUMN_INT4:
			len = pg_ltoa(DatumGetInt32(value), number);
			break;
		case COLUMN_NUMERIC:
			bytes = DatumGetCString(DirectFunctionCall1(numeric_out, value));
			len = strlen(bytes);
			break;
		default:
			t = DatumGetTextPP(value);
			len = VARSIZE_ANY_EXHDR(t);
			bytes = to_utf8(VARDATA_ANY(t), &len);
			break;
	}
	al_canon_jcs_put_at(jcs, layout, member, bytes, len);
}

static void
print_data(AlStream stream, TupleTableSlot *slot, AlBuf *out)
{
	const DataColumn *data = formats[stream].data;
	const AlCanonLayout *layout = &data_layout[stream];
	int			ndata = formats[stream].ndata;
	AlCanonJcs	jcs;
	AlError		err;

	err.reason[0] = '\0';		/* all of it would be zeroed for each row */
	al_canon_jcs_begin(&jcs, out);
	for (int i = 0; i < ndata; i++)
	{
		int			nulls = i;

		while (i < ndata && column_is_null(slot, data[i].column))
			i++;
		if (i > nulls)
			al_canon_jcs_put_nulls(&jcs, layout, nulls, i - nulls);
		if (i < ndata)
			put_column(&jcs, layout, i, data[i].kind,
					   column(slot, data[i].column));
	}
	al_glue_check(al_canon_jcs_end(&jcs, &err), &err);
}

/* Appends the texts of the record in a slot. */
void
al_leaftext_print(AlStream stream, TupleTableSlot *slot, AlBuf *meta,
				  AlBuf *data)
{
	if (meta_layout.count == 0)
		lay_out_names();
	slot_getsomeattrs(slot, al_tables[stream].columns);
	print_meta(stream, slot, meta);
	print_data(stream, slot, data);
}
