-- The first topic: the others find the extension in the database.
CREATE EXTENSION audit_log CASCADE;
SELECT extname, nspname, extversion
  FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
  WHERE extname = 'audit_log';
