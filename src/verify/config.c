/*
 * src/verify/config.c
 *
 * The command line.
 */
#include <getopt.h>
#include <stdio.h>

#include "config.h"

#define VERSION "1.0"

static const struct option options[] = {
	{"key", required_argument, NULL, 'k'},
	{"record-key", required_argument, NULL, 'r'},
	{"checkpoint", required_argument, NULL, 'c'},
	{"timestamp-ca", required_argument, NULL, 't'},
	{"files", required_argument, NULL, 'f'},
	{"save", required_argument, NULL, 's'},
	{"unsigned", no_argument, NULL, 'u'},
	{"json", no_argument, NULL, 'j'},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0}
};

static void
print_help(void)
{
	fputs("audit_log_verify verifies the ledger of an audit log from outside the server.\n"
		  "\n"
		  "Usage:\n"
		  "  audit_log_verify --key=KEY [OPTION]... [CONNINFO]\n"
		  "  audit_log_verify --key=KEY [OPTION]... --files=FOLDER\n"
		  "\n"
		  "CONNINFO is a database name, connection string or URI, as psql takes it; what it\n"
		  "does not say comes from the environment. The role must be in audit_log_reader.\n"
		  "\n"
		  "Options:\n"
		  "  -k, --key=KEY          public key of checkpoints: name+id+key as audit.rotate_key()\n"
		  "                         returned it, or a file with that or with PEM (RSA); repeatable\n"
		  "  -u, --unsigned         no key: signatures of checkpoints are not verified\n"
		  "  -r, --record-key=FILE  public key of record signatures, PEM; repeatable\n"
		  "  -c, --checkpoint=FILE  a checkpoint kept from before; repeatable\n"
		  "  -t, --timestamp-ca=FILE  certificates, PEM, of authorities whose time stamps of\n"
		  "                         checkpoints are believed; without it no stamp says when\n"
		  "  -f, --files=FOLDER     verify exported files: records.jsonl, blocks.jsonl, and\n"
		  "                         tile/ if it is there\n"
		  "  -s, --save=FOLDER      keep what is read from the database as such files\n"
		  "  -j, --json             findings as JSON, one object a line\n"
		  "  -q, --quiet            neither progress nor a summary\n"
		  "  -h, --help             this text\n"
		  "  -V, --version          the version\n"
		  "\n"
		  "Findings go to standard output, one a line: kind, leaf, id, detail, separated by\n"
		  "tabs. Exit status: 0 nothing found, 1 findings, 2 it could not be verified.\n",
		  stdout);
}

static bool
fail(const char *what, const char *value, const AlError *err)
{
	fprintf(stderr, "audit_log_verify: %s \"%s\": %s\n", what, value,
			err->reason);
	return false;
}

/* False with a message, or with config->done. */
static bool
read_option(int option, AlConfig *config, AlTrust *trust, AlNotes *notes,
			AlReport *report)
{
	AlError		err = {{0}};

	switch (option)
	{
		case 'k':
			return al_trust_add(trust, optarg, &err) == AL_OK ||
				fail("key", optarg, &err);
		case 'r':
			return al_trust_add_record_key(trust, optarg, &err) == AL_OK ||
				fail("record key", optarg, &err);
		case 'c':
			return al_notes_keep(notes, optarg, &err) == AL_OK ||
				fail("checkpoint", optarg, &err);
		case 't':
			return al_stamps_trust(&notes->stamps, optarg, &err) == AL_OK ||
				fail("certificates", optarg, &err);
		case 'f':
			config->folder = optarg;
			return true;
		case 's':
			config->save = optarg;
			return true;
		case 'u':
			config->unsigned_notes = true;
			return true;
		case 'j':
			report->json = true;
			return true;
		case 'q':
			report->quiet = true;
			return true;
		case 'h':
			print_help();
			config->done = true;
			return false;
		case 'V':
			puts("audit_log_verify " VERSION);
			config->done = true;
			return false;
		default:
			fputs("Try \"audit_log_verify --help\".\n", stderr);
			return false;
	}
}

static bool
complain(const char *message)
{
	fprintf(stderr, "audit_log_verify: %s\nTry \"audit_log_verify --help\".\n",
			message);
	return false;
}

bool
al_config_read(int argc, char **argv, AlConfig *config, AlTrust *trust,
			   AlNotes *notes, AlReport *report)
{
	int			option;

	notes->trust = trust;
	notes->report = report;
	notes->stamps.report = report;
	while ((option = getopt_long(argc, argv, "k:r:c:t:f:s:ujqhV", options,
								 NULL)) != -1)
		if (!read_option(option, config, trust, notes, report))
			return config->done;
	if (optind < argc)
		config->conninfo = argv[optind++];
	if (optind < argc)
		return complain("too many arguments");
	if (config->folder && config->conninfo)
		return complain("either a database or --files");
	if (config->folder && config->save)
		return complain("--save is for what comes from a database");
	if (config->unsigned_notes && trust->n_publics > 0)
		return complain("either --key or --unsigned");
	if (!config->unsigned_notes && trust->n_publics == 0)
		return complain("no --key was given; --unsigned verifies without one");
	return true;
}
