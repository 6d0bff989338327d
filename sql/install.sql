-- The first topic: the others find the extension in the database.
CREATE EXTENSION audit_log CASCADE;
SELECT extname, nspname, extversion
  FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
  WHERE extname = 'audit_log';
-- Whoever looks around with \d+, \df+ and \dv+ is told what is what.
SELECT p.oid::regprocedure AS without_comment FROM pg_proc p
  WHERE pronamespace = 'audit'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
    AND 'internal'::regtype <> ALL (proargtypes) ORDER BY 1;
SELECT c.oid::regclass AS without_comment, a.attname FROM pg_class c LEFT JOIN pg_attribute a
    ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
  WHERE relnamespace = 'audit'::regnamespace AND relkind IN ('r', 'v', 'S')
    AND (obj_description(c.oid, 'pg_class') IS NULL OR relkind <> 'S' AND col_description(c.oid, attnum) IS NULL)
  ORDER BY 1, 2;
