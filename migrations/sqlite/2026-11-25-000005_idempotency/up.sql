-- What callers asked to be done at Stripe, one row for each idempotency key, made before Stripe is asked; and what became
-- of it.
CREATE TABLE claims (
    id              INTEGER PRIMARY KEY,
    account         TEXT    NOT NULL,
    idempotency_key TEXT    NOT NULL,
    action          TEXT    NOT NULL, -- the operationId, createCustomer
    caller          TEXT    NOT NULL, -- who asked first
    hash            TEXT    NOT NULL, -- SHA-256 of the request: the same key must come with the same
    request         TEXT,             -- to ask again with; gone when the outcome is known
    state           TEXT    NOT NULL, -- leased, pending (outcome unknown), done, refused (the key is free again)
    lease           TEXT    NOT NULL, -- who holds it; a late worker with another name changes nothing
    attempts        INTEGER NOT NULL,
    due_at          BIGINT  NOT NULL, -- milliseconds since 1970; of a leased row: when the lease ends
    answer          TEXT,             -- what a repeated call is answered, without secrets
    problem         TEXT,             -- why it failed, or, while pending, why it is not known yet
    created_at      BIGINT  NOT NULL, -- when this request was first asked for
    sent_at         BIGINT  NOT NULL, -- when Stripe was last asked
    settled_at      BIGINT,
    UNIQUE (idempotency_key, account)
);
CREATE INDEX claims_due ON claims (due_at) WHERE state IN ('pending', 'leased');

-- Work that outlasted its caller's patience: what to tell who asks for it.
CREATE TABLE operations (
    id         TEXT PRIMARY KEY,
    account    TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    caller     TEXT   NOT NULL,
    items      TEXT   NOT NULL, -- JSON list: the key of each item's claim, or what was wrong with the item
    created_at BIGINT NOT NULL
);
