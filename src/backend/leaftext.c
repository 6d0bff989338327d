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
 *
 * This runs for every record that is sealed or verified, and records that are
 * stored next to each other are mostly of one statement: they differ in id,
 * key and content, and share who did it, when, where and how.  What they
 * share is printed once and copied as long as the stored bytes stay the same;
 * these columns are not even taken out of the row.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "core/canon.h"

#include "compat.h"
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
	bool		own;			/* a record's own, not its statement's */
} DataColumn;

/* In canonical order. */
static const DataColumn object_data[] =
{
	{"application_name", AL_OBJECT_APPLICATION_NAME, COLUMN_TEXT},
	{"client_ip", AL_OBJECT_CLIENT_IP, COLUMN_TEXT},
	{"dao_name", AL_OBJECT_DAO_NAME, COLUMN_TEXT},
	{"db_role", AL_OBJECT_DB_ROLE, COLUMN_TEXT},
	{"db_user", AL_OBJECT_DB_USER, COLUMN_TEXT},
	{"entity", AL_OBJECT_ENTITY, COLUMN_TEXT, true},
	{"entity_key", AL_OBJECT_ENTITY_KEY, COLUMN_TEXT, true},
	{"key_id", AL_OBJECT_KEY_ID, COLUMN_TEXT},
	{"old_values", AL_OBJECT_OLD_VALUES, COLUMN_TEXT, true},
	{"operation", AL_OBJECT_OPERATION, COLUMN_TEXT},
	{"partition_name", AL_OBJECT_PARTITION_NAME, COLUMN_TEXT},
	{"rbac_user_id", AL_OBJECT_RBAC_USER_ID, COLUMN_TEXT},
	{"rbac_user_name", AL_OBJECT_RBAC_USER_NAME, COLUMN_TEXT},
	{"removed_from_entity", AL_OBJECT_REMOVED, COLUMN_TEXT},
	{"request_id", AL_OBJECT_REQUEST_ID, COLUMN_TEXT, true},
	{"request_source", AL_OBJECT_REQUEST_SOURCE, COLUMN_TEXT},
	{"schema_name", AL_OBJECT_SCHEMA_NAME, COLUMN_TEXT},
	{"signature", AL_OBJECT_SIGNATURE, COLUMN_TEXT, true},
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

/* What was printed last: the records of a statement differ in the id alone. */
static struct
{
	bool		known;
	AlStream	stream;
	TimestampTz occurred_at;
	uint64		txid;
	AlBuf		text;
	Size		id;				/* where it is in text */
}			meta;

static void
print_meta(AlStream stream, TimestampTz occurred_at, uint64 txid)
{
	AlCanonJcs	jcs;
	AlError		err = {{0}};
	char		id[AL_UUID_TEXT_LEN] = {0};
	char		time[AL_ISOTIME_SIZE];
	char		number[MAXINT8LEN + 1];
	int			len = print_time(time, occurred_at);

	meta.known = false;
	al_buf_reset(&meta.text);
	al_canon_jcs_begin(&jcs, &meta.text);
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_FORMAT, "1", 1);
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_ID, id, AL_UUID_TEXT_LEN);
	meta.id = meta.text.len - 1 - AL_UUID_TEXT_LEN;
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_OCCURRED_AT, time, len);
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_STREAM,
						   formats[stream].name,
						   strlen(formats[stream].name));
	len = pg_ulltoa_n(txid, number);
	al_canon_jcs_put_plain(&jcs, &meta_layout, META_TXID, number, len);
	al_glue_check(al_canon_jcs_end(&jcs, &err), &err);
	meta.stream = stream;
	meta.occurred_at = occurred_at;
	meta.txid = txid;
	meta.known = true;
}

static void
put_meta(AlStream stream, TupleTableSlot *slot, AlBuf *out)
{
	TimestampTz occurred_at = DatumGetTimestampTz(column(slot, formats[stream].occurred_at));
	uint64		txid = DatumGetUInt64(column(slot, al_tables[stream].txid));
	char	   *at;

	if (!meta.known || meta.txid != txid || meta.stream != stream ||
		meta.occurred_at != occurred_at)
		print_meta(stream, occurred_at, txid);
	at = al_buf_reserve(out, meta.text.len);
	if (at == NULL)
		al_glue_no_memory();
	memcpy(at, meta.text.data, meta.text.len);
	al_ids_print(at + meta.id,
				 DatumGetUUIDP(column(slot, al_tables[stream].id)));
	out->len += meta.text.len;
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

/* Puts the members first <= member < end of data. */
static void
put_members(AlCanonJcs *jcs, AlStream stream, TupleTableSlot *slot, int first,
			int end)
{
	const DataColumn *data = formats[stream].data;
	const AlCanonLayout *layout = &data_layout[stream];

	for (int i = first; i < end; i++)
	{
		int			nulls = i;

		while (i < end && column_is_null(slot, data[i].column))
			i++;
		if (i > nulls)
			al_canon_jcs_put_nulls(jcs, layout, nulls, i - nulls);
		if (i < end)
			put_column(jcs, layout, i, data[i].kind,
					   column(slot, data[i].column));
	}
}

/* ---------------------------------------------------------- shared columns */

/*
 * What objects share is stored in one run, FIRST_SHARED to LAST_SHARED, right
 * behind the salt, whose place therefore tells where it begins.
 */
#define FIRST_SHARED AL_OBJECT_OPERATION
#define LAST_SHARED AL_OBJECT_KEY_ID

StaticAssertDecl(FIRST_SHARED == AL_OBJECT_SALT + 1 &&
				 LAST_SHARED < AL_OBJECT_COLUMNS && AL_OBJECT_COLUMNS == 24,
				 "shared columns are found by the salt, and 24 null bits");

typedef struct Shared
{
	bool		known;
	uint32		present;		/* a bit for each column that is not null, also
								 * of those that are not shared */
	Size		offset;			/* of the first byte behind an aligned one */
	AlBuf		stored;			/* the bytes of the row */
	AlBuf		members;		/* as they are printed, with all nulls */
	int			nown;			/* members that are to be put among them, */
	int			own[lengthof(object_data)]; /* which, */
	Size		before[lengthof(object_data)];	/* and behind how much */
} Shared;

static Shared shared;

/* The columns of a row that are not null, a bit each */
static uint32
present_columns(HeapTuple row)
{
	const bits8 *bits = row->t_data->t_bits;

	if (!HeapTupleHasNulls(row))
		return ((uint32) 1 << AL_OBJECT_COLUMNS) - 1;
	return (uint32) bits[0] | (uint32) bits[1] << 8 | (uint32) bits[2] << 16;
}

static const char *
end_of(Datum varlena)
{
	return DatumGetPointer(varlena) + VARSIZE_ANY(DatumGetPointer(varlena));
}

static Size
offset_of(const char *place)
{
	return place - (const char *) INTALIGN_DOWN(place);
}

/*
 * The row in a slot, if it is stored as what follows expects; then the columns
 * up to the salt are fetched.
 */
static HeapTuple
stored_row(TupleTableSlot *slot)
{
	HeapTuple	row = TTS_IS_BUFFERTUPLE(slot) || TTS_IS_HEAPTUPLE(slot) ?
		((HeapTupleTableSlot *) slot)->tuple : NULL;

	if (row == NULL ||
		HeapTupleHeaderGetNatts(row->t_data) < AL_OBJECT_COLUMNS)
		return NULL;
	slot_getsomeattrs(slot, AL_OBJECT_SALT);
	return column_is_null(slot, AL_OBJECT_SALT) ? NULL : row;
}

/*
 * Fetches the columns behind the shared ones.  The slot still takes them for
 * not fetched, so who asks it for them gets them from it.
 */
static void
fetch_behind_shared(TupleTableSlot *slot, const char *at, uint32 present)
{
	for (int i = LAST_SHARED; i < AL_OBJECT_COLUMNS; i++)
	{
		slot->tts_isnull[i] = (present >> i & 1) == 0;
		if (slot->tts_isnull[i])
			continue;
		if (!VARATT_NOT_PAD_BYTE(at))
			at = (const char *) INTALIGN(at);
		slot->tts_values[i] = PointerGetDatum(at);
		at += VARSIZE_ANY(at);
	}
}

/* Whether a row shares its columns with what was kept; fetches the others. */
static bool
is_shared(TupleTableSlot *slot, HeapTuple row)
{
	const char *start = end_of(column(slot, AL_OBJECT_SALT));
	const char *end = (const char *) row->t_data + row->t_len;
	uint32		present = present_columns(row);

	if (!shared.known ||
		present != shared.present ||
		offset_of(start) != shared.offset ||
		end - start < shared.stored.len ||
		memcmp(start, shared.stored.data, shared.stored.len) != 0)
		return false;
	fetch_behind_shared(slot, start + shared.stored.len, present);
	return true;
}

static void
print_shared(TupleTableSlot *slot)
{
	AlCanonJcs	jcs;

	shared.known = false;
	shared.nown = 0;
	al_buf_reset(&shared.members);
	al_canon_jcs_begin(&jcs, &shared.members);
	for (int i = 0; i < lengthof(object_data); i++)
	{
		if (object_data[i].own && !column_is_null(slot, object_data[i].column))
		{
			shared.own[shared.nown] = i;
			shared.before[shared.nown++] = shared.members.len;
		}
		else
			put_members(&jcs, AL_OBJECTS, slot, i, i + 1);
	}
	if (shared.members.failed)
		al_glue_no_memory();
}

/* Keeps the bytes of the columns that were printed. */
static void
keep_shared(TupleTableSlot *slot, HeapTuple row)
{
	const char *start = end_of(column(slot, AL_OBJECT_SALT));
	const char *end = start;

	for (AttrNumber i = FIRST_SHARED; i <= LAST_SHARED; i++)
	{
		if (column_is_null(slot, i))
			continue;
		/* What is stored elsewhere can change without these bytes. */
		if (VARATT_IS_EXTERNAL(DatumGetPointer(column(slot, i))))
			return;
		end = end_of(column(slot, i));
	}
	shared.present = present_columns(row);
	shared.offset = offset_of(start);
	al_buf_reset(&shared.stored);
	al_buf_append(&shared.stored, start, end - start);
	shared.known = !shared.stored.failed;
}

static void
put_object(AlCanonJcs *jcs, TupleTableSlot *slot)
{
	HeapTuple	row = stored_row(slot);
	Size		done = 0;

	if (row == NULL || !is_shared(slot, row))
	{
		slot_getsomeattrs(slot, AL_OBJECT_COLUMNS);
		print_shared(slot);
		if (row)
			keep_shared(slot, row);
	}
	for (int i = 0; i < shared.nown; i++)
	{
		int			member = shared.own[i];

		al_canon_jcs_put_printed(jcs, shared.members.data + done,
								 shared.before[i] - done);
		put_column(jcs, &data_layout[AL_OBJECTS], member,
				   object_data[member].kind,
				   column(slot, object_data[member].column));
		done = shared.before[i];
	}
	al_canon_jcs_put_printed(jcs, shared.members.data + done,
							 shared.members.len - done);
}

/* ----------------------------------------------------------------- records */

static void
put_data(AlStream stream, TupleTableSlot *slot, AlBuf *out)
{
	AlCanonJcs	jcs;
	AlError		err;

	err.reason[0] = '\0';		/* all of it would be zeroed for each row */
	al_canon_jcs_begin(&jcs, out);
	if (stream == AL_OBJECTS)
		put_object(&jcs, slot);
	else
	{
		slot_getsomeattrs(slot, al_tables[stream].columns);
		put_members(&jcs, stream, slot, 0, formats[stream].ndata);
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
	slot_getsomeattrs(slot, formats[stream].occurred_at);
	put_meta(stream, slot, meta);
	put_data(stream, slot, data);
}
