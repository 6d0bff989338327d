/*
 * src/backend/utf8.c
 *
 * The database's text as UTF-8, which src/core and PCRE2 take, and back.
 *
 * The server's own functions throw where there is no such form.  A record must
 * not be lost for that, so these say so instead.  A SQL_ASCII database holds
 * whatever bytes there are; those that are UTF-8 are taken as that.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"

#include "utf8.h"

/* Bytes that are converted at a time; the results may be four times as large. */
#define CHUNK (16 * 1024 * 1024)

static bool
is_ascii(const char *text, int len)
{
	for (int i = 0; i < len; i++)
		if (IS_HIGHBIT_SET(text[i]))
			return false;
	return true;
}

static char *
convert(const char *text, int len, int from, int to)
{
	Oid			proc;
	char	   *result;
	Size		used = 0;
	int			done = 0;

	if (!IsTransactionState())
		return NULL;
	proc = FindDefaultConversionProc(from, to);
	if (!OidIsValid(proc))
		return NULL;
	result = palloc_extended((Size) len * MAX_CONVERSION_GROWTH + 1,
							 MCXT_ALLOC_HUGE);
	while (done < len)
	{
		int			size = Min(len - done, CHUNK);
		int			step;

		step = pg_do_encoding_conversion_buf(proc, from, to,
											 (unsigned char *) unconstify(char *, text) + done,
											 size,
											 (unsigned char *) result + used,
											 (size + 1) * MAX_CONVERSION_GROWTH + 1,
											 true);
		if (step <= 0)
		{
			pfree(result);
			return NULL;
		}
		done += step;
		used += strlen(result + used);
	}
	result[used] = '\0';
	return result;
}

/*
 * Text of the database, which may be the result itself, as UTF-8, or NULL if
 * it has no such form, or cannot be converted outside a transaction.
 */
char *
al_utf8_from_text(const char *text, int len)
{
	int			encoding = GetDatabaseEncoding();

	if (encoding == PG_SQL_ASCII)
		return pg_verify_mbstr(PG_UTF8, text, len, true) ?
			unconstify(char *, text) : NULL;
	if (encoding == PG_UTF8 || is_ascii(text, len))
		return unconstify(char *, text);
	return convert(text, len, encoding, PG_UTF8);
}

/*
 * The other way round.  The bytes need not be UTF-8, nor end in a zero; NULL
 * if they are not or text cannot hold them.
 */
char *
al_utf8_to_text(const char *utf8, int len)
{
	int			encoding = GetDatabaseEncoding();

	if (memchr(utf8, '\0', len) != NULL ||
		!pg_verify_mbstr(PG_UTF8, utf8, len, true))
		return NULL;
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII ||
		is_ascii(utf8, len))
		return pnstrdup(utf8, len);
	return convert(utf8, len, PG_UTF8, encoding);
}
