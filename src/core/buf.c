/*
 * src/core/buf.c
 *
 * Growable byte buffer; see buf.h for the rules.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

/* Makes room for more bytes; false if there is none, now or before. */
bool
al_buf_grow(AlBuf *buf, size_t more)
{
	size_t		cap = buf->cap ? buf->cap : 256;
	char	   *data;

	if (buf->failed)
		return false;
	if (more <= buf->cap - buf->len)
		return true;
	if (more > SIZE_MAX / 2 - buf->len)
	{
		buf->failed = true;
		return false;
	}
	while (cap < buf->len + more)
		cap *= 2;
	data = realloc(buf->data, cap);
	if (data == NULL)
	{
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

void
al_buf_append(AlBuf *buf, const void *bytes, size_t len)
{
	char	   *room;

	/* There may be nothing yet that room could be made in. */
	if (len == 0)
		return;
	room = al_buf_reserve(buf, len);
	if (room == NULL)
		return;
	memcpy(room, bytes, len);
	buf->len += len;
}

void
al_buf_append_char(AlBuf *buf, char c)
{
	al_buf_append(buf, &c, 1);
}

void
al_buf_append_str(AlBuf *buf, const char *str)
{
	al_buf_append(buf, str, strlen(str));
}

/* Empties the buffer and clears its failure; keeps the memory for reuse. */
void
al_buf_reset(AlBuf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

void
al_buf_free(AlBuf *buf)
{
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}
