/*
 * src/httpd/page.h
 *
 * The page at "/".
 */
#ifndef AUDIT_LOG_PAGE_H
#define AUDIT_LOG_PAGE_H

#include "request.h"

extern void al_page_answer(AlRequest *request);

#endif							/* AUDIT_LOG_PAGE_H */
