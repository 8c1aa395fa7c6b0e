DROP INDEX inbox_dead;
DROP INDEX outbox_dead;
