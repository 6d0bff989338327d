/*
 * test/fuzz/fuzz_canon.c
 *
 * Any bytes for the canonical forms.  The strict form of a strict form is
 * itself, and has the pipe form of what it was made from; a failure appends
 * nothing; what the writer makes of text, the parser leaves as it is.
 */
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
	al_buf_free(&pipe);
	al_buf_free(&strict);
	al_buf_free(&again);
	return 0;
}
