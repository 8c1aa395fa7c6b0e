DROP TABLE operations;
DROP TABLE claims;
