/*
 * src/verify/report.h
 *
 * What the program tells: findings, progress, the sum at the end.
 */
#ifndef AUDIT_LOG_REPORT_H
#define AUDIT_LOG_REPORT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct AlReport
{
	bool		json;
	bool		quiet;
	bool		progress;		/* standard error is a terminal */
	bool		shown;			/* a line of progress stands there */
	double		began;
	double		said;
	uint64_t	findings;
} AlReport;

extern void al_report_begin(AlReport *report);

/* leaf -1 and id NULL: the finding is not about one record. */
extern void al_report_finding(AlReport *report, const char *kind, int64_t leaf,
							  const char *id, const char *format,...)
			__attribute__((format(printf, 5, 6)));
extern void al_report_progress(AlReport *report, const char *what,
							   uint64_t done, uint64_t total);
extern void al_report_end(AlReport *report);
extern void al_report_say(AlReport *report, const char *format,...)
			__attribute__((format(printf, 2, 3)));

#endif							/* AUDIT_LOG_REPORT_H */
