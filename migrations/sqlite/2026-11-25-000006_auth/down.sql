DROP TABLE audit;
DROP TABLE assertions;
DROP TABLE certificates;
ALTER TABLE api_keys DROP COLUMN previous_hash;
ALTER TABLE api_keys DROP COLUMN previous_until;
ALTER TABLE api_keys DROP COLUMN account;
ALTER TABLE api_keys DROP COLUMN org;
ALTER TABLE api_keys DROP COLUMN last_used_at;
