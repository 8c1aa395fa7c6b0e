-- A key that is being rotated: until previous_until, the secret before is good as well.
ALTER TABLE api_keys ADD COLUMN previous_hash TEXT;
ALTER TABLE api_keys ADD COLUMN previous_until BIGINT;
-- Where a key is bound to: names of the configuration.
ALTER TABLE api_keys ADD COLUMN account TEXT;
ALTER TABLE api_keys ADD COLUMN org TEXT;
ALTER TABLE api_keys ADD COLUMN last_used_at BIGINT;

-- Certificates whose key may sign for the caller. Public, so kept as they are.
CREATE TABLE certificates (
    key_id      TEXT   NOT NULL,
    fingerprint TEXT   NOT NULL, -- SHA-256 of the certificate
    certificate TEXT   NOT NULL, -- PEM
    expires_at  BIGINT NOT NULL, -- its own end
    created_at  BIGINT NOT NULL,
    revoked_at  BIGINT,
    PRIMARY KEY (key_id, fingerprint)
);

-- Assertions that may not come a second time; a row leaves when its assertion has expired anyway.
CREATE TABLE assertions (
    id         TEXT PRIMARY KEY, -- SHA-256 of the caller and the assertion's own id
    expires_at BIGINT NOT NULL
);
CREATE INDEX assertions_expired ON assertions (expires_at);

-- What was done with keys, each entry sealed with the one before. Append only.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY, -- 1, 2, 3, …: a gap shows
    at      BIGINT NOT NULL, -- milliseconds since 1970
    actor   TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    subject TEXT   NOT NULL, -- what it was done to, such as the id of a key
    detail  TEXT   NOT NULL, -- JSON object
    hash    TEXT   NOT NULL  -- SHA-256 of the hash before and all of the above
);
-- Changes only: of uses there is one a minute.
CREATE INDEX audit_changes ON audit (subject, seq) WHERE action NOT IN ('key_used', 'sign_in_failed');
