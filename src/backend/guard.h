/*
 * src/backend/guard.h
 *
 * Settings of the session that change how values are printed, set aside and
 * put back around a row.
 */
#ifndef AUDIT_LOG_GUARD_H
#define AUDIT_LOG_GUARD_H

/*
 * How much of the session must be set aside while a value is printed.
 * Ordered: a row needs what its most demanding column needs.
 */
typedef enum AlGuard
{
	AL_GUARD_NONE,				/* the text depends on no setting */
	AL_GUARD_STYLE,				/* date, interval, float, bytea styles, zone */
	AL_GUARD_FULL				/* search_path and locale too */
} AlGuard;

/*
 * What was set aside.  Between the two calls nothing may return; an error must
 * reach al_guard_leave() through PG_FINALLY().
 */
typedef struct AlGuardState
{
	AlGuard		guard;
	int			date_style;
	int			date_order;
	int			interval_style;
	int			float_digits;
	int			bytea_output;
	bool		quote_identifiers;
	struct pg_tz *timezone;
	int			nest_level;
} AlGuardState;

extern void al_guard_enter(AlGuardState *state, AlGuard guard);
extern void al_guard_leave(AlGuardState *state);

#endif							/* AUDIT_LOG_GUARD_H */
