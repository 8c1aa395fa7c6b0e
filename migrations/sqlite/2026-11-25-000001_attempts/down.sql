DROP TABLE attempts;
ALTER TABLE outbox DROP COLUMN delivered_call;
ALTER TABLE outbox DROP COLUMN delivered_event_id;
ALTER TABLE outbox DROP COLUMN delivered_at;
ALTER TABLE outbox DROP COLUMN salesforce_id;
ALTER TABLE outbox DROP COLUMN mapping_version;
