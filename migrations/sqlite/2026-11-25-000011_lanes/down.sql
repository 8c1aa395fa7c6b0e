DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (org, due_at) WHERE state IN ('pending', 'leased');
DROP TABLE stops;
DROP TABLE lanes;
