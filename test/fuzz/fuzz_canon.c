/*
 * test/fuzz/fuzz_canon.c
 *
 * Any bytes for the canonical forms.  The strict form of a strict form is
 * itself, and has the pipe form of what it was made from; a failure appends
 * nothing; what the writer makes of text, the parser leaves as it is.  Numbers
 * are compared with what the C library makes of them, and texts that have one
 * strict form must have one pipe form.
 */
#include <math.h>
#include <stdlib.h>

#include "core/canon.h"
#include "core/json.h"
#include "fuzz.h"

static bool
same_bytes(const AlBuf *a, const AlBuf *b)
{
	return a->len == b->len &&
		(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Whatever the bytes are, the writer makes one member of them. */
static void
check_writer(const char *bytes, size_t len)
{
	AlBuf		out = {0};
	AlBuf		again = {0};
	AlCanonJcs	jcs;
	AlStatus	status;

	al_canon_jcs_begin(&jcs, &out);
	al_canon_jcs_put(&jcs, bytes, len / 2, bytes + len / 2, len - len / 2);
	FUZZ_CHECK(al_canon_jcs_end(&jcs, NULL) == AL_OK);
	status = al_canon_strict(out.data, out.len, &again, NULL);
	FUZZ_CHECK(status == AL_OK || status == AL_INVALID);
	FUZZ_CHECK(status != AL_OK || same_bytes(&out, &again));
	al_buf_free(&out);
	al_buf_free(&again);
}

/* A number made of the bytes: most inputs would hold none otherwise. */
static void
check_number(const uint8_t *data, size_t size)
{
	static const char letters[] = "0123456789.-+eE0059";
	char		text[64];
	AlBuf		pipe = {0};
	AlBuf		strict = {0};
	size_t		len = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
	double		value;
	size_t		i;

	for (i = 0; i < len; i++)
		text[i] = letters[data[i] % (sizeof(letters) - 1)];
	text[len] = '\0';
	value = strtod(text, NULL);
	if (al_canon_pipe(text, len, &pipe, NULL) == AL_OK)
	{
		al_buf_append_char(&pipe, '\0');
		FUZZ_CHECK(strtod(pipe.data, NULL) == value);
		FUZZ_CHECK(strpbrk(pipe.data, "eE+") == NULL);
		FUZZ_CHECK(strchr(pipe.data, '.') == NULL ||
				   pipe.data[pipe.len - 2] != '0');
		FUZZ_CHECK(strcmp(pipe.data, "-0") != 0);
	}
	if (al_canon_strict(text, len, &strict, NULL) == AL_OK)
	{
		al_buf_append_char(&strict, '\0');
		FUZZ_CHECK(isfinite(value) && strtod(strict.data, NULL) == value);
		FUZZ_CHECK(strlen(strict.data) <= 25);
	}
	al_buf_free(&pipe);
	al_buf_free(&strict);
}

/* The two halves: where the strict forms agree, so must the pipe forms. */
static void
check_halves(const char *json, size_t size)
{
	const char *other = memchr(json, '\0', size);
	AlBuf		out[4] = {{0}};
	size_t		len;
	size_t		rest;
	int			i;

	if (other == NULL)
		return;
	len = (size_t) (other++ - json);
	rest = size - len - 1;
	if (al_canon_strict(json, len, &out[0], NULL) == AL_OK &&
		al_canon_strict(other, rest, &out[1], NULL) == AL_OK &&
		same_bytes(&out[0], &out[1]))
	{
		FUZZ_CHECK(al_canon_pipe(json, len, &out[2], NULL) ==
				   al_canon_pipe(other, rest, &out[3], NULL));
		FUZZ_CHECK(same_bytes(&out[2], &out[3]));
	}
	for (i = 0; i < 4; i++)
		al_buf_free(&out[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *json = (const char *) data;
	AlBuf		pipe = {0};
	AlBuf		strict = {0};
	AlBuf		again = {0};
	AlError		err = {""};
	AlStatus	pipe_status = al_canon_pipe(json, size, &pipe, &err);
	AlStatus	strict_status = al_canon_strict(json, size, &strict, &err);

	FUZZ_CHECK(pipe_status == AL_OK || pipe.len == 0);
	FUZZ_CHECK(strict_status == AL_OK || strict.len == 0);
	if (strict_status == AL_OK)
	{
		FUZZ_CHECK(pipe_status != AL_INVALID);
		FUZZ_CHECK(al_canon_strict(strict.data, strict.len, &again,
								   &err) == AL_OK);
		FUZZ_CHECK(same_bytes(&strict, &again));
		if (pipe_status == AL_OK)
		{
			al_buf_reset(&again);
			FUZZ_CHECK(al_canon_pipe(strict.data, strict.len, &again,
									 &err) == AL_OK);
			FUZZ_CHECK(same_bytes(&pipe, &again));
		}
	}
	check_writer(json, size);
	check_number(data, size);
	check_halves(json, size);
	al_buf_free(&pipe);
	al_buf_free(&strict);
	al_buf_free(&again);
	return 0;
}
