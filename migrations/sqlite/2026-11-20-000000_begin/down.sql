DROP TABLE api_keys;
DROP TABLE fetches;
DROP TABLE outbox;
DROP TABLE inbox;
DROP TABLE events;
