-- Bodies are packed by the program from here on (a first byte says how); the column takes bytes as it is. What was stored
-- before is given the first byte of plain text.
UPDATE events SET payload = CAST(x'00' || CAST(payload AS BLOB) AS BLOB);

-- The mapped events by the object they are about, to tell why its record looks as it does. Written when an event leaves the
-- inbox and not by an index on events: the ids are random, and whoever sent the event waits for each page they touch.
CREATE TABLE event_objects (
    object_id TEXT   NOT NULL,
    seq       BIGINT NOT NULL,
    PRIMARY KEY (object_id, seq)
) WITHOUT ROWID;
INSERT INTO event_objects (object_id, seq)
SELECT object_id, seq FROM events
WHERE object_id IS NOT NULL AND seq NOT IN (SELECT seq FROM inbox);
