-- The whole schema, as it stands after every migration. A test holds the two equal.
--
-- Times are integers of epoch milliseconds. Ids are text that sorts by creation: org_…, sa_…, key_…, evt_….
-- A revision counts a row's changes; a change names the revision that it was judged by, and is refused whole if
-- the row has moved on. Rows are never removed: a deleted one keeps its audit trail, and lets a dead key be told
-- from one that never was. Columns that hold JSON are checked to be JSON.

-- A tenant. All that one organization has is invisible to every other.
CREATE TABLE organizations (
  id TEXT NOT NULL PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,                -- a readable name for headers and bindings
  name TEXT NOT NULL,
  key_prefix TEXT NOT NULL,                 -- the brand that new keys begin with
  personal_key_permissions TEXT NOT NULL CHECK (json_valid(personal_key_permissions)), -- the ceiling of keys of people: a list of scopes
  max_key_lifetime TEXT,                    -- a duration such as 90d; null: keys need not expire
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,                 -- a principal: root, system, an account's id or a user's id
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  deleted_at INTEGER,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who owns keys that no person owns: a deployment, a job, another service.
CREATE TABLE service_accounts (
  id TEXT NOT NULL PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  name TEXT NOT NULL,
  description TEXT,
  permissions TEXT NOT NULL CHECK (json_valid(permissions)), -- a list of scopes
  role TEXT CHECK (role IN ('admin', 'member', 'reader')),   -- adds a bundle of management scopes
  metadata TEXT NOT NULL CHECK (json_valid(metadata)),       -- the application's own JSON object
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  disabled_at INTEGER,                      -- set: its keys are refused for as long
  deleted_at INTEGER,                       -- set: its keys are revoked for good
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A name is taken by the living only.
CREATE UNIQUE INDEX service_accounts_name ON service_accounts (organization_id, name) WHERE deleted_at IS NULL;
-- An organization's accounts, newest first.
CREATE INDEX service_accounts_list ON service_accounts (organization_id, id) WHERE deleted_at IS NULL;

-- A key, without its secret.
CREATE TABLE api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  service_account_id TEXT REFERENCES service_accounts (id),
  user_id TEXT,                             -- the application's own name of a person
  name TEXT NOT NULL,
  description TEXT,
  environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
  digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64), -- SHA-256 of the secret, in hexadecimal
  start TEXT NOT NULL,                      -- brand, environment and first four random characters
  fingerprint TEXT NOT NULL,                -- last four characters
  scopes TEXT CHECK (json_valid(scopes)),   -- a list of scopes; null: the key follows its account
  metadata TEXT NOT NULL CHECK (json_valid(metadata)),
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  expires_at INTEGER,                       -- null: never
  revoked_at INTEGER,                       -- a deleted account revokes its keys without a write to them
  revoked_by TEXT,
  revocation_reason TEXT,
  rotated_from TEXT,                        -- the key that this one succeeds
  rotated_to TEXT,                          -- the key that succeeds this one
  deleted_at INTEGER,                       -- set: out of the lists
  revision INTEGER NOT NULL,
  CHECK ((service_account_id IS NULL) <> (user_id IS NULL))
) STRICT, WITHOUT ROWID;

-- The keys of an organization, of an account and of a person, newest first.
CREATE INDEX api_keys_list ON api_keys (organization_id, id) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_of_account ON api_keys (organization_id, service_account_id, id) WHERE deleted_at IS NULL AND service_account_id IS NOT NULL;
CREATE INDEX api_keys_of_user ON api_keys (organization_id, user_id, id) WHERE deleted_at IS NULL AND user_id IS NOT NULL;

-- The latest valid use of each key that has one. Best effort, and apart from the keys: a use is no change to a key.
CREATE TABLE key_usage (
  key_id TEXT NOT NULL PRIMARY KEY REFERENCES api_keys (id),
  last_used_at INTEGER NOT NULL,
  last_used_ip TEXT,
  last_used_user_agent TEXT
) STRICT, WITHOUT ROWID;

-- Who did what, written in the same transaction as what was done.
CREATE TABLE audit_events (
  id TEXT NOT NULL PRIMARY KEY,             -- made by the writer, so that a repeated batch is recognised
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  at INTEGER NOT NULL,
  action TEXT NOT NULL,                     -- such as api_key.revoked
  actor_type TEXT NOT NULL CHECK (actor_type IN ('root', 'service_account', 'user', 'system')),
  actor_id TEXT NOT NULL,
  credential_id TEXT,                       -- the key that was presented; null for root
  target_type TEXT NOT NULL,
  target_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  ip TEXT,
  user_agent TEXT,
  changes TEXT NOT NULL CHECK (json_valid(changes)) -- {field: {from, to}}, never a secret
) STRICT, WITHOUT ROWID;

-- One row for each change to an organization, an account or a key, in the order of commits. A cached record says
-- how far along this table it was read. AUTOINCREMENT never gives a number twice.
CREATE TABLE changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  subject TEXT NOT NULL,                    -- the id of what changed
  at INTEGER NOT NULL
) STRICT;

-- Never holds a row. Inserting into it is how a batch says what must be true: the constraint that fails aborts the
-- whole transaction, and its name says why.
CREATE TABLE assertions (
  caller_live INTEGER CONSTRAINT caller_live CHECK (caller_live IS NULL),
  target_unchanged INTEGER CONSTRAINT target_unchanged CHECK (target_unchanged IS NULL)
) STRICT;

-- The organization that always exists.
INSERT INTO organizations (id, slug, name, key_prefix, personal_key_permissions, created_at, created_by, updated_at, updated_by, revision)
VALUES ('org_000000000000000000000000', 'default', 'Default', 'mk', '[]', 0, 'system', 0, 'system', 1);
