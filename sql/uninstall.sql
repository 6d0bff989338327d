-- The last topic: every other one left the extension free to go, and it leaves
-- no object of its own behind.
DROP EXTENSION audit_log;
SELECT pg_describe_object(classid, objid, objsubid)
  FROM pg_depend
  WHERE refclassid = 'pg_namespace'::regclass
    AND refobjid = to_regnamespace('audit')::oid;
SELECT evtname FROM pg_event_trigger ORDER BY evtname;
