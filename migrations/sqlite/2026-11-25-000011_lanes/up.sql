-- Who sends to an org now. Others look on until the hold ends, so that no two calls meet on the same records.
CREATE TABLE lanes (
    org        TEXT PRIMARY KEY,
    holder     TEXT   NOT NULL, -- a process
    held_until BIGINT NOT NULL  -- milliseconds since 1970
);

-- What keeps records from being sent, one row for each cause, while it lasts.
CREATE TABLE stops (
    org          TEXT    NOT NULL,
    sobject      TEXT    NOT NULL, -- the object whose records wait; empty: all of the org's
    since        BIGINT  NOT NULL, -- milliseconds since 1970
    next_try     BIGINT  NOT NULL, -- milliseconds since 1970
    needs_person BOOLEAN NOT NULL, -- it does not pass by itself
    reason       TEXT    NOT NULL,
    PRIMARY KEY (org, sobject)
);

-- Each object has a queue of its own: one that must wait is not read past again and again.
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (org, sobject, due_at, id) WHERE state IN ('pending', 'leased');
