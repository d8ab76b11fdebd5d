-- The schema revisions whose programs go on working on these tables: this one, and the one before it,
-- so that replicas are replaced one by one and a release can be taken back (ADR 7). A program that
-- does not know this database's revision asks here whether its own is among them.
CREATE OR REPLACE FUNCTION serves_v1() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['0003', '0004']
$$;
