/*
 * src/httpd/page.c
 *
 * The page at "/", compiled in from page.html.
 *
 * Its content security policy allows nothing but its own script and style,
 * known by a nonce of this one answer, and requests to where it came from.
 * So text of a record that found its way into the markup could not run, nor
 * send anything anywhere.
 */
#include <stdio.h>
#include <string.h>

#include "page.h"
#include "respond.h"

static const unsigned char page[] = {
#include "page_html.h"
};

#define PLACE "@NONCE@"

void
al_page_answer(AlRequest *request)
{
	AlAnswer   *answer = &request->answer;
	const char *rest = (const char *) page;
	const char *end = rest + sizeof(page);

	/* the request's own id is random and new, as a nonce must be */
	snprintf(answer->nonce, sizeof(answer->nonce),
			 "default-src 'none'; script-src 'nonce-%s'; "
			 "style-src 'nonce-%s'; connect-src 'self'; img-src data:; "
			 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			 request->id, request->id);
	answer->policy = answer->nonce;
	while (rest < end)
	{
		const char *place =
			memmem(rest, (size_t) (end - rest), PLACE, strlen(PLACE));

		al_buf_append(&answer->text, rest,
					  (size_t) ((place ? place : end) - rest));
		if (place == NULL)
			break;
		al_buf_append_str(&answer->text, request->id);
		rest = place + strlen(PLACE);
	}
	al_respond_text(request, 200, "text/html; charset=utf-8");
}
