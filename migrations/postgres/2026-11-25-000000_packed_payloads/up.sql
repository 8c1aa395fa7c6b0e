-- Bodies are packed by the program from here on (a first byte says how); what was stored before is given the first byte of
-- plain text. EXTERNAL: packing them again would only cost time.
ALTER TABLE events ALTER COLUMN payload TYPE BYTEA USING '\x00'::bytea || convert_to(payload, 'UTF8');
ALTER TABLE events ALTER COLUMN payload SET STORAGE EXTERNAL;

-- The mapped events by the object they are about, to tell why its record looks as it does. Written when an event leaves the
-- inbox and not by an index on events: the ids are random, and whoever sent the event waits for each page they touch.
CREATE TABLE event_objects (
    object_id TEXT COLLATE "C" NOT NULL,
    seq       BIGINT NOT NULL,
    PRIMARY KEY (object_id, seq)
);
INSERT INTO event_objects (object_id, seq)
SELECT object_id, seq FROM events
WHERE object_id IS NOT NULL AND seq NOT IN (SELECT seq FROM inbox);
