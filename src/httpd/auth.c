/*
 * src/httpd/auth.c
 *
 * Bearer tokens and client certificates.
 *
 * Tokens live in a file of their own, never on a command line, where every
 * process of the host could read them.  SIGHUP reads it again, so that a
 * token can be withdrawn without a restart; a file that cannot be read then
 * leaves the old tokens in force.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "auth.h"
#include "uri.h"

#define MIN_TOKEN 16
#define MAX_TOKEN 512

typedef struct Token
{
	char		secret[MAX_TOKEN];
	size_t		len;
	AlIdentity	identity;
} Token;

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static Token *tokens;
static size_t ntokens;

static bool
copy_field(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

/* token [user-name [user-id [workspace]]], blanks between. */
static bool
parse_line(Token *token, const char *line)
{
	static const char blanks[] = " \t\r\n";
	char	   *fields[] = {
		token->secret,
		token->identity.user_name,
		token->identity.user_id,
		token->identity.workspace
	};
	size_t		sizes[] = {MAX_TOKEN, AL_MAX_NAME, AL_MAX_NAME, AL_MAX_NAME};

	memset(token, 0, sizeof(*token));
	for (int i = 0; i < 4; i++)
	{
		size_t		len;

		line += strspn(line, blanks);
		len = strcspn(line, blanks);
		if (!copy_field(fields[i], sizes[i], line, len))
			return false;
		line += len;
	}
	token->len = strlen(token->secret);
	/* what no record could hold would leave its requests without one */
	return token->len >= MIN_TOKEN && line[strspn(line, blanks)] == '\0' &&
		al_uri_is_utf8(token->identity.user_name,
					   strlen(token->identity.user_name)) &&
		al_uri_is_utf8(token->identity.user_id,
					   strlen(token->identity.user_id)) &&
		al_uri_is_utf8(token->identity.workspace,
					   strlen(token->identity.workspace));
}

static FILE *
open_private(const char *file, char *why, size_t why_len)
{
	FILE	   *in = fopen(file, "r");
	struct stat st;

	if (in == NULL || fstat(fileno(in), &st) != 0)
	{
		snprintf(why, why_len, "could not open token file \"%s\": %s", file,
				 strerror(errno));
		if (in)
			fclose(in);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
	{
		snprintf(why, why_len,
				 "token file \"%s\" must be a regular file that only its owner can read (chmod 600)",
				 file);
		fclose(in);
		return NULL;
	}
	return in;
}

bool
al_auth_load_tokens(const char *file, char *why, size_t why_len)
{
	char		line[MAX_TOKEN + 4 * AL_MAX_NAME];
	FILE	   *in = open_private(file, why, why_len);
	Token	   *found = NULL;
	size_t		n = 0;
	int			lineno = 0;
	bool		ok = true;

	if (in == NULL)
		return false;
	while (ok && fgets(line, sizeof(line), in))
	{
		Token	   *more;

		lineno++;
		/* the rest of a line that is too long must not pass for a line */
		ok = strchr(line, '\n') || feof(in);
		if (!ok)
			break;
		if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#')
			continue;
		more = realloc(found, (n + 1) * sizeof(Token));
		ok = more != NULL;
		if (ok)
		{
			found = more;
			ok = parse_line(&found[n++], line);
		}
	}
	explicit_bzero(line, sizeof(line));
	fclose(in);
	if (!ok || n == 0)
	{
		snprintf(why, why_len,
				 "token file \"%s\", line %d: expected a token of %d to %d characters, then user name, user id and workspace",
				 file, lineno, MIN_TOKEN, MAX_TOKEN - 1);
		free(found);
		return false;
	}
	pthread_rwlock_wrlock(&lock);
	if (tokens)
		explicit_bzero(tokens, ntokens * sizeof(Token));
	free(tokens);
	tokens = found;
	ntokens = n;
	pthread_rwlock_unlock(&lock);
	return true;
}

/* Takes as long for a token that is wrong in the first byte as in the last. */
static bool
equal_secret(const Token *token, const char *given, size_t len)
{
	unsigned char differs = token->len != len;

	for (size_t i = 0; i < MAX_TOKEN; i++)
		differs |=
			(unsigned char) (token->secret[i] ^ (i < len ? given[i] : 0));
	return differs == 0;
}

/* Is the Authorization header a token of ours?  Then says whose. */
bool
al_auth_check_token(const char *authorization, AlIdentity *identity)
{
	const char *given;
	size_t		len;
	bool		found = false;

	if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
		return false;
	given = authorization + 7 + strspn(authorization + 7, " ");
	len = strlen(given);
	if (len >= MAX_TOKEN)
		return false;
	pthread_rwlock_rdlock(&lock);
	for (size_t i = 0; i < ntokens; i++)
	{
		if (equal_secret(&tokens[i], given, len))
		{
			*identity = tokens[i].identity;
			found = true;
		}
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

/* The common name of the client's certificate becomes the user's name. */
static void
name_from_certificate(gnutls_session_t session, AlIdentity *identity)
{
	unsigned int n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	gnutls_x509_crt_t crt;
	size_t		size = sizeof(identity->user_name);

	if (chain == NULL || n == 0 || gnutls_x509_crt_init(&crt) != 0)
		return;
	if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) != 0 ||
		gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0,
									  identity->user_name, &size) != 0)
		identity->user_name[0] = '\0';
	/* a name that no record can hold is no name, nor is the start of one */
	if (strlen(identity->user_name) != size ||
		!al_uri_is_utf8(identity->user_name, size))
		identity->user_name[0] = '\0';
	gnutls_x509_crt_deinit(crt);
}

/*
 * libmicrohttpd asks for a certificate; judging it is left to us.  One that
 * says what it is for must be for clients: whoever runs a server with a
 * certificate of the same CA is no user of ours for that.
 */
bool
al_auth_check_certificate(struct MHD_Connection *mhd, AlIdentity *identity)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *) GNUTLS_KP_TLS_WWW_CLIENT
	};
	gnutls_session_t session;
	unsigned int status = 0;

	if (info == NULL || info->tls_session == NULL)
		return false;
	session = (gnutls_session_t) info->tls_session;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) != 0 ||
		status != 0)
		return false;
	name_from_certificate(session, identity);
	return true;
}
