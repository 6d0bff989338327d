/*
 * src/backend/glue.c
 *
 * Between src/core and the server: the one reports what went wrong and takes
 * memory from malloc(), the other raises errors and has memory contexts.
 */
#include "postgres.h"

#include "core/base64.h"

#include "compat.h"
#include "glue.h"

/* Memory that src/core asked for, or that malloc() is to give, is not there. */
void
al_glue_no_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory")));
}

/* Turns what src/core reports of the ledger into an error; err may be NULL. */
void
al_glue_check(AlStatus status, const AlError *err)
{
	if (status == AL_OK)
		return;
	if (status == AL_NO_MEMORY)
		al_glue_no_memory();
	ereport(ERROR,
			(errcode(status == AL_FAILED ? ERRCODE_EXTERNAL_ROUTINE_EXCEPTION :
					 ERRCODE_DATA_CORRUPTED),
			 errmsg("ledger: %s", err && err->reason[0] ? err->reason :
					"could not compute a digest")));
}

/* The text that src/core has made, or its error; the buffer is freed. */
char *
al_glue_text(AlStatus status, const AlError *err, AlBuf *buf)
{
	char	   *text = NULL;

	if (status == AL_OK && buf->failed)
		status = AL_NO_MEMORY;
	if (status == AL_OK)
		text = palloc_extended(buf->len + 1,
							   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (text)
	{
		if (buf->len > 0)
			memcpy(text, buf->data, buf->len);
		text[buf->len] = '\0';
	}
	al_buf_free(buf);
	if (status == AL_OK && text == NULL)
		status = AL_NO_MEMORY;
	al_glue_check(status, err);
	return text;
}

/* Bytes as a bytea in the current memory context. */
bytea *
al_glue_bytes(const void *bytes, Size len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return result;
}

/* Bytes in base64, on one line, in the current memory context. */
char *
al_glue_base64(const void *bytes, Size len)
{
	char	   *text = palloc(AL_BASE64_ENCODED_LEN(len) + 1);

	text[al_base64_encode_to(bytes, len, text)] = '\0';
	return text;
}
