-- What was given up is counted and listed often and is rare; without these, each time all rows would be read.
CREATE INDEX outbox_dead ON outbox (org, updated_at, id) WHERE state = 'dead';
CREATE INDEX inbox_dead ON inbox (seq) WHERE state = 'dead';
