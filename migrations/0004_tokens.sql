CREATE TABLE revoked_tokens (
  id TEXT NOT NULL PRIMARY KEY,
  key_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_of_key ON revoked_tokens (key_id);
CREATE INDEX revoked_tokens_ended ON revoked_tokens (expires_at);
