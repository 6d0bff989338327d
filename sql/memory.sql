-- The buffers of a statement's records do not grow with its rows.
CREATE TABLE measured (id int PRIMARY KEY, t text);
SELECT audit.enable('measured');

-- A trigger that comes after ours and looks at what the library holds.  Only
-- at every 101st row, which falls on every part of a batch of any size.
CREATE TABLE seen (rows int, bytes bigint);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen SELECT tg_argv[0]::int, sum(total_bytes)
		FROM pg_backend_memory_contexts WHERE name LIKE 'audit_log%';
	RETURN NULL;
END
$$;

CREATE PROCEDURE measure(n int) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER zz_look AFTER INSERT OR UPDATE ON measured FOR EACH ROW
		WHEN (new.id %% 101 = 0) EXECUTE FUNCTION look(%s)', n);
	INSERT INTO measured SELECT i, repeat('x', i % 500) FROM generate_series(1, n) AS i;
	UPDATE measured SET t = t || 'y';
	DELETE FROM measured;
	DROP TRIGGER zz_look ON measured;
END
$$;
CALL measure(3000);
CALL measure(30000);

SELECT count(*) > 500 AS looked,
	min(bytes) > 0 AS held_something,
	max(bytes) FILTER (WHERE rows = 30000) <= max(bytes) FILTER (WHERE rows = 3000) AS constant,
	max(bytes) < 1048576 AS little
FROM seen;

-- Rows of many sizes: a batch is written when it is large, too.
TRUNCATE seen;
CREATE TRIGGER zz_look AFTER INSERT ON measured FOR EACH ROW EXECUTE FUNCTION look(0);
INSERT INTO measured SELECT i, repeat('x', 200000) FROM generate_series(1, 100) AS i;
SELECT count(*) = 100 AS looked, max(bytes) < 4 * 1048576 AS little FROM seen;

DROP TABLE measured, seen;
DROP FUNCTION look();
DROP PROCEDURE measure(int);
