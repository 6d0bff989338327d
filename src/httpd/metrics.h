/*
 * src/httpd/metrics.h
 *
 * What the frontend says about itself.
 */
#ifndef AUDIT_LOG_METRICS_H
#define AUDIT_LOG_METRICS_H

#include "request.h"

extern void al_metrics_answer(AlRequest *request);
extern void al_metrics_status(AlRequest *request, bool reachable);

#endif							/* AUDIT_LOG_METRICS_H */
