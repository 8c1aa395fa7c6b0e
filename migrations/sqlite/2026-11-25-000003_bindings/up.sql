-- Which Stripe account and which org each name in the configuration stands for, as found at the first connect. When another
-- one answers, it is written beside, and nothing moves until a person confirms it.
CREATE TABLE bindings (
    party      TEXT   NOT NULL, -- stripe, salesforce
    name       TEXT   NOT NULL, -- in the configuration
    identity   TEXT   NOT NULL, -- acct_…, 00D…
    kind       TEXT   NOT NULL, -- test, live; sandbox, production
    key_hash   TEXT   NOT NULL, -- of the Stripe key that found it; empty for an org
    bound_at   BIGINT NOT NULL, -- milliseconds since 1970
    other      TEXT,            -- the identity that answers now,
    other_kind TEXT,            -- what it is,
    other_at   BIGINT,          -- and since when
    PRIMARY KEY (party, name)
);

-- Events that cannot be mapped without an object that is to be read. No row of `fetches` knows more than one of them.
CREATE TABLE waiting_events (
    event_seq BIGINT NOT NULL PRIMARY KEY,
    account   TEXT   NOT NULL,
    object    TEXT   NOT NULL,
    object_id TEXT   NOT NULL
);
CREATE INDEX waiting_events_by_object ON waiting_events (account, object, object_id);
ALTER TABLE fetches DROP COLUMN event_seq;
-- About when the object was made, in Stripe's seconds: what was made together is listed together.
ALTER TABLE fetches ADD COLUMN around BIGINT;
-- The org in whose outbox it is missing; once it is there, it need not be read. Empty: it is read in any case.
ALTER TABLE fetches ADD COLUMN missing_in TEXT;

-- What there is to say of an event beside what it became: read again and why, left out and why.
CREATE TABLE event_notes (
    event_seq BIGINT NOT NULL,
    note      TEXT   NOT NULL,
    PRIMARY KEY (event_seq, note)
);

-- How much was read of Stripe, and for how many charges: Stripe allows so many reads for each.
CREATE TABLE stripe_usage (
    account TEXT   NOT NULL,
    day     BIGINT NOT NULL, -- days since 1970
    reads   BIGINT NOT NULL,
    charges BIGINT NOT NULL,
    PRIMARY KEY (account, day)
);
