-- What Stripe told us, as received. Append only; `seq` is the order of arrival.
CREATE TABLE events (
    seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account     TEXT    NOT NULL,
    event_id    TEXT    NOT NULL,
    event_type  TEXT    NOT NULL,
    object_id   TEXT,
    created     BIGINT  NOT NULL, -- seconds since 1970, Stripe's clock
    received_at BIGINT  NOT NULL, -- milliseconds since 1970
    payload     TEXT    NOT NULL,
    UNIQUE (event_id, account)
);

-- Events not yet mapped, made in the transaction that makes the event. A row leaves in the one that merges its changes
-- into the outbox. No foreign key: PostgreSQL would lock and check each event again, which costs half the ingest rate.
CREATE TABLE inbox (
    seq        BIGINT PRIMARY KEY,
    state      TEXT NOT NULL, -- pending, dead
    last_error TEXT
);

-- One row for each Salesforce record we have something to say about: the newest state known, and whether it arrived.
CREATE TABLE outbox (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org            TEXT    NOT NULL,
    sobject        TEXT    COLLATE "C" NOT NULL, -- bytes: rows are locked in the order in which we sort them
    external_id    TEXT    COLLATE "C" NOT NULL,
    account        TEXT    NOT NULL,
    created        BIGINT  NOT NULL, -- position of the newest state: the event's second,
    progress       BIGINT  NOT NULL, -- the object's own progress within it,
    event_id       TEXT    COLLATE "C" NOT NULL, -- and the event's id, compared by bytes
    fields         TEXT    NOT NULL, -- JSON object, sent as it is
    carried        TEXT    NOT NULL, -- JSON object: of fields the newest state does not speak of, the position of the one that did
    parents        TEXT    NOT NULL, -- JSON list of the records that must exist first
    version        BIGINT  NOT NULL, -- counts the states merged in
    leased_version BIGINT  NOT NULL, -- the state that travels now, or travelled last
    state          TEXT    NOT NULL, -- pending, leased, done, dead
    lease          TEXT    NOT NULL, -- who holds it; a late worker with another name changes nothing
    attempts       INTEGER NOT NULL,
    due_at         BIGINT  NOT NULL, -- milliseconds since 1970; of a leased row: when the lease ends
    waiting_since  BIGINT,           -- first refusal for want of a parent
    last_error     TEXT,
    updated_at     BIGINT  NOT NULL,
    -- In this order: rows are looked up without their object, and a planner without statistics must not read a whole org.
    UNIQUE (external_id, org, sobject)
);
CREATE INDEX outbox_due ON outbox (org, due_at) WHERE state IN ('pending', 'leased');

-- Objects to be read from Stripe: parents never seen, ties the events cannot decide, foreign API versions.
CREATE TABLE fetches (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account    TEXT    NOT NULL,
    object     TEXT    NOT NULL,
    object_id  TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    due_at     BIGINT  NOT NULL,
    wishes     BIGINT  NOT NULL, -- how often it was asked for; one that comes during a read asks for another
    event_seq  BIGINT,           -- the event that cannot be mapped without it
    last_error TEXT,
    UNIQUE (account, object, object_id)
);
CREATE INDEX fetches_due ON fetches (due_at);

-- Keys that callers of the API hold. Only the hash of the secret part is kept.
CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    name       TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    scopes     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

-- pglz halves the ingest rate; servers built without lz4 keep it.
DO $$
BEGIN
    ALTER TABLE events ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'lz4 compression is not available here: %', SQLERRM;
END
$$;
