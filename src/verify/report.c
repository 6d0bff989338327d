/*
 * src/verify/report.c
 *
 * What the program tells.  Findings go to standard output, one a line, for
 * other programs to read; all else goes to standard error.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

#define DETAIL_MAX 512
#define PROGRESS_EVERY 0.3		/* seconds */

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

void
al_report_begin(AlReport *report)
{
	report->progress = !report->quiet && isatty(STDERR_FILENO);
	report->began = report->said = seconds_now();
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void
clear_progress(AlReport *report)
{
	if (report->shown)
		fputs("\r\033[K", stderr);
	report->shown = false;
}

void
al_report_end(AlReport *report)
{
	clear_progress(report);
}

/* The other party chose some of the text: nothing of it may act. */
static void
print_json(const char *text)
{
	putchar('"');
	for (; *text; text++)
	{
		unsigned char c = (unsigned char) *text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7F)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
print_plain(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char) *text < 0x20 || *text == 0x7F ? ' ' : *text);
}

void
al_report_finding(AlReport *report, const char *kind, int64_t leaf,
				  const char *id, const char *format,...)
{
	char		detail[DETAIL_MAX];
	va_list		args;

	va_start(args, format);
	(void) vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	clear_progress(report);
	report->findings++;
	if (report->json)
	{
		printf("{\"kind\":\"%s\",\"leaf\":", kind);
		if (leaf >= 0)
			printf("%" PRId64, leaf);
		else
			fputs("null", stdout);
		fputs(",\"id\":", stdout);
		if (id)
			print_json(id);
		else
			fputs("null", stdout);
		fputs(",\"detail\":", stdout);
		print_json(detail);
		fputs("}\n", stdout);
		return;
	}
	printf("%s\t", kind);
	if (leaf >= 0)
		printf("%" PRId64, leaf);
	else
		putchar('-');
	printf("\t%s\t", id ? id : "-");
	print_plain(detail);
	putchar('\n');
}

void
al_report_progress(AlReport *report, const char *what, uint64_t done,
				   uint64_t total)
{
	double		now;

	if (!report->progress)
		return;
	now = seconds_now();
	if (now - report->said < PROGRESS_EVERY)
		return;
	report->said = now;
	report->shown = true;
	if (total > 0)
		fprintf(stderr,
				"\r\033[K%s: %" PRIu64 " of %" PRIu64 " (%.0f %%), %.0f/s",
				what, done, total, 100.0 * (double) done / (double) total,
				(double) done / (now - report->began));
	else
		fprintf(stderr, "\r\033[K%s: %" PRIu64 ", %.0f/s", what, done,
				(double) done / (now - report->began));
	fflush(stderr);
}

void
al_report_say(AlReport *report, const char *format,...)
{
	va_list		args;

	if (report->quiet)
		return;
	clear_progress(report);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}
