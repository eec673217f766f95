CREATE TABLE generation (
  singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
  name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO generation (singleton, name) VALUES (1, lower(hex(randomblob(16))));
