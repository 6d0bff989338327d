/*
 * src/core/buf.h
 *
 * Growable byte buffer for src/core, which cannot use StringInfo: the
 * programs and the unit tests link it without a server.
 *
 * A zeroed AlBuf is an empty buffer.  Memory comes from malloc() and is
 * released by al_buf_free().  A failed allocation sets "failed" and makes
 * every later append a no-op, so that a writer may check once, at its end.
 */
#ifndef AUDIT_LOG_BUF_H
#define AUDIT_LOG_BUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct AlBuf
{
	char	   *data;			/* not NUL-terminated; NULL while empty */
	size_t		len;			/* bytes used */
	size_t		cap;			/* bytes allocated */
	bool		failed;			/* an allocation failed; data is incomplete */
} AlBuf;

extern bool al_buf_grow(AlBuf *buf, size_t more);
extern void al_buf_append(AlBuf *buf, const void *bytes, size_t len);
extern void al_buf_append_char(AlBuf *buf, char c);
extern void al_buf_append_str(AlBuf *buf, const char *str);
extern void al_buf_reset(AlBuf *buf);
extern void al_buf_free(AlBuf *buf);

/*
 * Makes room for more bytes and returns where they go, or NULL.  The caller
 * writes there and adds to len itself; the room lasts until the next append.
 */
static inline char *
al_buf_reserve(AlBuf *buf, size_t more)
{
	if ((buf->failed || more > buf->cap - buf->len) && !al_buf_grow(buf, more))
		return NULL;
	return buf->data + buf->len;
}

#endif							/* AUDIT_LOG_BUF_H */
