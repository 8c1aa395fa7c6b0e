-- Of a row: what made its newest state, and what last arrived. Arrivals leave no other trace; there are too many of them.
ALTER TABLE outbox ADD COLUMN mapping_version    TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN salesforce_id      TEXT;   -- the record's own id, known once it arrived
ALTER TABLE outbox ADD COLUMN delivered_at       BIGINT; -- milliseconds since 1970
ALTER TABLE outbox ADD COLUMN delivered_event_id TEXT;   -- last event of the state that arrived
ALTER TABLE outbox ADD COLUMN delivered_call     TEXT;   -- the call that carried it

-- What went wrong with a row, and what people did about it. Append only.
CREATE TABLE attempts (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    outbox_id       BIGINT  NOT NULL,
    at              BIGINT  NOT NULL, -- milliseconds since 1970
    call_id         TEXT    NOT NULL,
    attempt         INTEGER NOT NULL,
    outcome         TEXT    NOT NULL, -- retry, wait_for_parent, dead, replayed, discarded
    code            TEXT    NOT NULL, -- Salesforce's, or ours
    message         TEXT    NOT NULL,
    sent            TEXT,             -- the fields as they were sent, when the row was given up
    mapping_version TEXT    NOT NULL
);
CREATE INDEX attempts_of_row ON attempts (outbox_id, id);
