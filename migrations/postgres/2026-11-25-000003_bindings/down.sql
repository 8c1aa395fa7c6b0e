DROP TABLE stripe_usage;
DROP TABLE event_notes;
ALTER TABLE fetches DROP COLUMN missing_in;
ALTER TABLE fetches DROP COLUMN around;
ALTER TABLE fetches ADD COLUMN event_seq BIGINT;
DROP TABLE waiting_events;
DROP TABLE bindings;
