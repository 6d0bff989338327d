/*
 * src/httpd/metrics.c
 *
 * What the frontend says about itself: /status in Kong's form, /metrics for
 * Prometheus.
 */
#include <stdio.h>

#include "counters.h"
#include "metrics.h"
#include "respond.h"

static void
append_metric(AlBuf *out, const char *name, const char *type, const char *what,
			  double value)
{
	char		line[512];

	snprintf(line, sizeof(line),
			 "# HELP audit_log_httpd_%s %s\n"
			 "# TYPE audit_log_httpd_%s %s\n"
			 "audit_log_httpd_%s %.17g\n",
			 name, what, name, type, name, value);
	al_buf_append_str(out, line);
}

static void
append_answers(AlBuf *out)
{
	char		line[128];

	al_buf_append_str(out,
					  "# HELP audit_log_httpd_responses_total Answers by class of status.\n"
					  "# TYPE audit_log_httpd_responses_total counter\n");
	for (int i = 2; i < 6; i++)
	{
		snprintf(line, sizeof(line),
				 "audit_log_httpd_responses_total{code=\"%dxx\"} %lu\n", i,
				 atomic_load(&al_counters.answers[i]));
		al_buf_append_str(out, line);
	}
}

/* Answered at once: it is asked for most when the database does not answer. */
void
al_metrics_answer(AlRequest *request)
{
	AlCounters *c = &al_counters;
	AlBuf	   *out = &request->answer.text;

	append_metric(out, "connections_accepted_total", "counter",
				  "Connections ever accepted.", (double) c->accepted);
	append_metric(out, "connections_active", "gauge", "Connections open now.",
				  (double) c->active);
	append_metric(out, "connections_cut_total", "counter",
				  "Connections cut because a request or answer took too long.",
				  (double) c->cut);
	append_metric(out, "requests_abandoned_total", "counter",
				  "Reads ended because their client went away.",
				  (double) c->abandoned);
	append_metric(out, "requests_total", "counter", "Requests ever begun.",
				  (double) c->requests);
	append_metric(out, "requests_reading", "gauge",
				  "Requests that are arriving.", (double) c->reading);
	append_metric(out, "requests_handling", "gauge",
				  "Requests whose answer is being made.",
				  (double) c->handling);
	append_metric(out, "requests_sending", "gauge",
				  "Requests whose answer is being sent.",
				  (double) c->sending);
	append_metric(out, "records_due", "gauge",
				  "Records still to be written of answers already given.",
				  (double) c->due);
	append_answers(out);
	append_metric(out, "response_seconds_total", "counter",
				  "Time from request line to answer, summed.",
				  (double) c->microseconds / 1e6);
	append_metric(out, "response_bytes_total", "counter",
				  "Bytes of answers' bodies.", (double) c->bytes);
	append_metric(out, "unrecorded_total", "counter",
				  "Answers whose request record could not be written.",
				  (double) c->unrecorded);
	append_metric(out, "database_connections", "gauge",
				  "Database connections that work.", (double) c->databases);
	append_metric(out, "database_connects_total", "counter",
				  "Database connections ever made.", (double) c->reconnects);
	al_respond_text(request, 200, "text/plain; version=0.0.4; charset=utf-8");
	request->detached = true;
}

/* Kong's keys; a connection is reading, writing, or waiting for a request. */
void
al_metrics_status(AlRequest *request, bool reachable)
{
	AlCounters *c = &al_counters;
	char		text[512];
	long		active = atomic_load(&c->active);
	long		reading = atomic_load(&c->reading);
	long		writing = atomic_load(&c->handling) + atomic_load(&c->sending);
	long		waiting = active - reading - writing;
	unsigned long accepted = atomic_load(&c->accepted);

	snprintf(text, sizeof(text),
			 "{\"database\":{\"reachable\":%s},"
			 "\"server\":{\"connections_accepted\":%lu,"
			 "\"connections_active\":%ld,\"connections_handled\":%lu,"
			 "\"connections_reading\":%ld,\"connections_waiting\":%ld,"
			 "\"connections_writing\":%ld,\"total_requests\":%lu}}",
			 reachable ? "true" : "false", accepted, active, accepted, reading,
			 waiting > 0 ? waiting : 0, writing, atomic_load(&c->requests));
	al_buf_append_str(&request->answer.text, text);
	al_respond_text(request, 200, "application/json; charset=utf-8");
}
