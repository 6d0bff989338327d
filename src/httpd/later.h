/*
 * src/httpd/later.h
 *
 * Records of requests that were answered before.
 */
#ifndef AUDIT_LOG_LATER_H
#define AUDIT_LOG_LATER_H

#include "request.h"

extern bool al_later_start(const AlConfig *config);
extern bool al_later_submit(AlRequest *request);
extern void al_later_stop(void);

#endif							/* AUDIT_LOG_LATER_H */
