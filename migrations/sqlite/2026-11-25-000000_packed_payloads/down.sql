-- Packed bodies cannot be unpacked in SQL.
DROP TABLE event_objects;
