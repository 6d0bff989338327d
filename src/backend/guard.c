/*
 * src/backend/guard.c
 *
 * Settings of the session that change how values are printed, set aside and
 * put back around a row.
 *
 * The style variables are set by plain assignment, which costs next to
 * nothing; search_path and lc_monetary by way of the settings machinery, only
 * for rows with a column that needs it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"

#include "guard.h"

static void
save_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
al_guard_enter(AlGuardState *state, AlGuard guard)
{
	state->guard = guard;
	if (guard == AL_GUARD_NONE)
		return;
	state->date_style = DateStyle;
	state->date_order = DateOrder;
	state->interval_style = IntervalStyle;
	state->float_digits = extra_float_digits;
	state->bytea_output = bytea_output;
	state->quote_identifiers = quote_all_identifiers;
	state->timezone = session_timezone;
	if (guard == AL_GUARD_FULL)
	{
		state->nest_level = NewGUCNestLevel();
		save_setting("search_path", "pg_catalog");
		save_setting("lc_monetary", "C");

		/*
		 * A function that is called may set these two for itself; what comes
		 * back when it returns is what the settings machinery knows.
		 */
		save_setting("DateStyle", "ISO, MDY");
		save_setting("TimeZone", "UTC");
	}
	DateStyle = USE_ISO_DATES;
	DateOrder = DATEORDER_MDY;
	IntervalStyle = INTSTYLE_POSTGRES;
	extra_float_digits = 1;
	bytea_output = BYTEA_OUTPUT_HEX;
	quote_all_identifiers = false;
	session_timezone = pg_tzset("UTC");
}

void
al_guard_leave(AlGuardState *state)
{
	if (state->guard == AL_GUARD_NONE)
		return;
	if (state->guard == AL_GUARD_FULL)
		AtEOXact_GUC(true, state->nest_level);
	DateStyle = state->date_style;
	DateOrder = state->date_order;
	IntervalStyle = state->interval_style;
	extra_float_digits = state->float_digits;
	bytea_output = state->bytea_output;
	quote_all_identifiers = state->quote_identifiers;
	session_timezone = state->timezone;
}
