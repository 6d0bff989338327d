/*
 * src/httpd/routes.h
 *
 * Which path leads where.
 */
#ifndef AUDIT_LOG_ROUTES_H
#define AUDIT_LOG_ROUTES_H

#include "request.h"

extern void al_routes_init(const AlConfig *config);
extern bool al_routes_is_public(const AlRequest *request);
extern void al_routes_choose(AlRequest *request);

#endif							/* AUDIT_LOG_ROUTES_H */
