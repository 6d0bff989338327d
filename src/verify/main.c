/*
 * src/verify/main.c
 *
 * audit_log_verify: verifies the ledger of an audit log outside the server,
 * with public keys only.  See README.md.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "config.h"

#define EXIT_CLEAN 0
#define EXIT_FINDINGS 1
#define EXIT_UNVERIFIED 2

static int
verify(const AlConfig *config, AlTrust *trust, AlNotes *notes,
	   AlReport *report)
{
	AlSource	source = {0};
	AlError		err = {{0}};
	AlStatus	status;

	status = config->folder
		? al_files_open(&source, config->folder, &err)
		: al_live_open(&source, config->conninfo, config->save, &err);
	if (status == AL_OK)
		status = al_check(&source, trust, notes, report, &err);
	if (status == AL_OK && source.finish)
		status = source.finish(&source, &err);
	if (source.close)
		source.close(&source);
	if (status == AL_OK && fflush(stdout) != 0)
		status = al_status_fail(&err, AL_FAILED,
								"could not write the findings: %s",
								strerror(errno));
	if (status == AL_OK)
		return report->findings > 0 ? EXIT_FINDINGS : EXIT_CLEAN;
	al_report_end(report);
	fprintf(stderr, "audit_log_verify: could not verify: %s\n",
			err.reason[0] ? err.reason : "out of memory");
	return EXIT_UNVERIFIED;
}

int
main(int argc, char **argv)
{
	AlConfig	config = {0};
	AlTrust		trust = {0};
	AlNotes		notes = {0};
	AlReport	report = {0};
	int			result = EXIT_UNVERIFIED;

	/* A file that may not grow is an error like a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	if (al_config_read(argc, argv, &config, &trust, &notes, &report))
	{
		if (config.done)
			result = EXIT_CLEAN;
		else
		{
			al_report_begin(&report);
			result = verify(&config, &trust, &notes, &report);
		}
	}
	al_notes_free(&notes);
	al_trust_free(&trust);
	return result;
}
