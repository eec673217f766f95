CREATE TABLE organizations (
  id TEXT NOT NULL PRIMARY KEY,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  key_prefix TEXT NOT NULL,
  personal_key_permissions TEXT NOT NULL CHECK (json_valid(personal_key_permissions)),
  max_live_keys INTEGER,
  max_key_lifetime TEXT,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  deleted_at INTEGER,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX organizations_slug ON organizations (slug) WHERE deleted_at IS NULL;
CREATE INDEX organizations_list ON organizations (id) WHERE deleted_at IS NULL;
CREATE TABLE service_accounts (
  id TEXT NOT NULL PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  name TEXT NOT NULL,
  description TEXT,
  permissions TEXT NOT NULL CHECK (json_valid(permissions)),
  role TEXT CHECK (role IN ('admin', 'member', 'reader')),
  metadata TEXT NOT NULL CHECK (json_valid(metadata)),
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  disabled_at INTEGER,
  deleted_at INTEGER,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX service_accounts_name ON service_accounts (organization_id, name) WHERE deleted_at IS NULL;
CREATE INDEX service_accounts_list ON service_accounts (organization_id, id) WHERE deleted_at IS NULL;
CREATE TABLE api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  service_account_id TEXT REFERENCES service_accounts (id),
  user_id TEXT,
  name TEXT NOT NULL,
  folded_name TEXT NOT NULL,
  description TEXT,
  environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
  digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
  start TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  scopes TEXT CHECK (json_valid(scopes)),
  metadata TEXT NOT NULL CHECK (json_valid(metadata)),
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  revoked_by TEXT,
  revocation_reason TEXT,
  rotated_from TEXT,
  rotated_to TEXT,
  supersedes TEXT,
  deleted_at INTEGER,
  revision INTEGER NOT NULL,
  CHECK ((service_account_id IS NULL) <> (user_id IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_list ON api_keys (organization_id, id) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_of_account ON api_keys (organization_id, service_account_id, id) WHERE deleted_at IS NULL AND service_account_id IS NOT NULL;
CREATE INDEX api_keys_of_user ON api_keys (organization_id, user_id, id) WHERE deleted_at IS NULL AND user_id IS NOT NULL;
CREATE UNIQUE INDEX api_keys_successor ON api_keys (rotated_from) WHERE rotated_from IS NOT NULL;
CREATE INDEX api_keys_live ON api_keys (organization_id, expires_at) WHERE revoked_at IS NULL AND deleted_at IS NULL;
CREATE TABLE key_usage (
  key_id TEXT NOT NULL PRIMARY KEY,
  last_used_at INTEGER NOT NULL,
  last_used_ip TEXT,
  last_used_user_agent TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_events (
  id TEXT NOT NULL PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id) DEFERRABLE INITIALLY DEFERRED,
  at INTEGER NOT NULL,
  action TEXT NOT NULL,
  actor_type TEXT NOT NULL CHECK (actor_type IN ('root', 'service_account', 'user', 'system')),
  actor_id TEXT NOT NULL,
  credential_id TEXT,
  target_type TEXT NOT NULL,
  target_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  ip TEXT,
  user_agent TEXT,
  changes TEXT NOT NULL CHECK (json_valid(changes))
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_events_list ON audit_events (organization_id, id);
CREATE INDEX audit_events_of_actor ON audit_events (organization_id, actor_id, id);
CREATE INDEX audit_events_of_target ON audit_events (organization_id, target_id, id);
CREATE TABLE changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  subject TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE TABLE assertions (
  caller_live INTEGER CONSTRAINT caller_live CHECK (caller_live IS NULL),
  target_unchanged INTEGER CONSTRAINT target_unchanged CHECK (target_unchanged IS NULL),
  quota_left INTEGER CONSTRAINT quota_left CHECK (quota_left IS NULL)
) STRICT;
INSERT INTO organizations (id, slug, name, key_prefix, personal_key_permissions, created_at, created_by, updated_at, updated_by, revision)
VALUES ('org_000000000000000000000000', 'default', 'Default', 'mk', '[]', 0, 'system', 0, 'system', 1);
