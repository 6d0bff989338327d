/*
 * test/fuzz/fuzz_json.c
 *
 * Any bytes for the tokenizer: it reads nothing outside of them, its tokens
 * lie in order and apart, containers balance, and all text that it decodes
 * is text when put between quotes again.
 */
#include "core/json.h"
#include "fuzz.h"

static void
check_string(const char *json, const AlJsonToken *token)
{
	AlBuf		text = {0};
	AlBuf		quoted = {0};
	AlJsonReader reader;
	AlJsonToken again;
	AlError		err;
	AlStatus	status = al_json_decode(json, token, true, &text, &err);
	AlStatus	strict = al_json_decode(json, token, false, &quoted, &err);
	size_t		i;

	FUZZ_CHECK(status == AL_OK || status == AL_INVALID);
	FUZZ_CHECK(strict == AL_OK || strict == AL_INVALID ||
			   strict == AL_UNSUPPORTED);
	FUZZ_CHECK(strict != AL_OK || status == AL_OK);
	FUZZ_CHECK(token->escaped || strict == AL_OK);
	FUZZ_CHECK(text.len <= token->end - token->start - 2);
	if (status == AL_OK)
	{
		FUZZ_CHECK((strict == AL_OK) ==
				   (text.len == 0 || !memchr(text.data, 0, text.len)));
		al_buf_reset(&quoted);
		al_buf_append_char(&quoted, '"');
		for (i = 0; i < text.len; i++)
		{
			if (al_json_is_plain(text.data[i]))
				al_buf_append_char(&quoted, text.data[i]);
		}
		al_buf_append_char(&quoted, '"');
		al_json_start(&reader, quoted.data, quoted.len);
		FUZZ_CHECK(al_json_next(&reader, &again, &err) == AL_OK);
		FUZZ_CHECK(again.kind == AL_JSON_STRING && again.end == quoted.len);
		al_json_free(&reader);
	}
	al_buf_free(&text);
	al_buf_free(&quoted);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *json = (const char *) data;
	AlJsonReader reader;
	AlJsonToken token;
	AlError		err = {""};
	size_t		end = 0;
	size_t		depth = 0;
	AlStatus	status;

	al_json_start(&reader, json, size);
	while ((status = al_json_next(&reader, &token, &err)) == AL_OK &&
		   token.kind != AL_JSON_END)
	{
		FUZZ_CHECK(token.start >= end && token.end > token.start &&
				   token.end <= size);
		end = token.end;
		depth += token.kind == AL_JSON_OBJECT_START ||
			token.kind == AL_JSON_ARRAY_START;
		depth -= token.kind == AL_JSON_OBJECT_END ||
			token.kind == AL_JSON_ARRAY_END;
		FUZZ_CHECK(depth == reader.depth);
		if (token.kind == AL_JSON_KEY || token.kind == AL_JSON_STRING)
			check_string(json, &token);
	}
	if (status == AL_OK)
		FUZZ_CHECK(depth == 0 && err.reason[0] == '\0');
	else
	{
		FUZZ_CHECK(status == AL_INVALID && err.reason[0] != '\0');
		FUZZ_CHECK(al_json_next(&reader, &token, NULL) == AL_INVALID);
	}
	al_json_free(&reader);
	return 0;
}
