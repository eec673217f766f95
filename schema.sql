-- The whole schema, as it stands after every migration. A test holds the two equal.
--
-- Times are integers of epoch milliseconds. Ids are text that sorts by creation: org_…, sa_…, key_…, evt_….
-- A principal is `root`, `system`, an account's id or a user's id. A revision counts a row's changes; a change names
-- the revision that it was judged by, and is refused whole if the row has moved on. Rows are never removed: a deleted
-- one keeps its audit trail, and lets a dead key be told from one that never was.

-- A tenant. All that one organization has is invisible to every other.
CREATE TABLE organizations (
  id TEXT NOT NULL PRIMARY KEY,             -- org_…
  slug TEXT NOT NULL,                       -- a readable name, for headers and bindings; unique among the living
  name TEXT NOT NULL,                       -- for people
  key_prefix TEXT NOT NULL,                 -- the brand that new keys begin with
  personal_key_permissions TEXT NOT NULL CHECK (json_valid(personal_key_permissions)), -- a list of scopes: the ceiling of keys of people
  max_live_keys INTEGER,                    -- how many keys may live at once; null: any number
  max_key_lifetime TEXT,                    -- a duration such as 90d; null: keys need not expire
  created_at INTEGER NOT NULL,              -- when it was made
  created_by TEXT NOT NULL,                 -- by which principal
  updated_at INTEGER NOT NULL,              -- when it last changed
  updated_by TEXT NOT NULL,                 -- by which principal
  deleted_at INTEGER,                       -- set: nothing of it can be used or seen
  revision INTEGER NOT NULL                 -- counts its changes, from 1
) STRICT, WITHOUT ROWID;

-- A slug is taken by the living only.
CREATE UNIQUE INDEX organizations_slug ON organizations (slug) WHERE deleted_at IS NULL;
-- The living, newest first.
CREATE INDEX organizations_list ON organizations (id) WHERE deleted_at IS NULL;

-- Who owns the keys that no person owns: a deployment, a job, another service.
CREATE TABLE service_accounts (
  id TEXT NOT NULL PRIMARY KEY,             -- sa_…
  organization_id TEXT NOT NULL REFERENCES organizations (id), -- whose it is
  name TEXT NOT NULL,                       -- for people; unique among the organization's living accounts
  description TEXT,                         -- for people
  permissions TEXT NOT NULL CHECK (json_valid(permissions)), -- a list of scopes
  role TEXT CHECK (role IN ('admin', 'member', 'reader')),   -- adds a bundle of management scopes
  metadata TEXT NOT NULL CHECK (json_valid(metadata)),       -- the application's own JSON object
  created_at INTEGER NOT NULL,              -- when it was made
  created_by TEXT NOT NULL,                 -- by which principal
  updated_at INTEGER NOT NULL,              -- when it last changed
  updated_by TEXT NOT NULL,                 -- by which principal; of a deleted one: who deleted it
  disabled_at INTEGER,                      -- set: its keys are refused for as long
  deleted_at INTEGER,                       -- set: its keys are revoked for good
  revision INTEGER NOT NULL,                -- counts its changes, from 1
  vendor TEXT CHECK (json_valid(vendor))    -- what other systems' wire formats keep of it, by their names; null: nothing
) STRICT, WITHOUT ROWID;

-- A name is taken by the living only.
CREATE UNIQUE INDEX service_accounts_name ON service_accounts (organization_id, name) WHERE deleted_at IS NULL;
-- An organization's accounts, newest first.
CREATE INDEX service_accounts_list ON service_accounts (organization_id, id) WHERE deleted_at IS NULL;

-- A key, without its secret.
CREATE TABLE api_keys (
  id TEXT NOT NULL PRIMARY KEY,             -- key_…
  organization_id TEXT NOT NULL REFERENCES organizations (id), -- whose it is
  service_account_id TEXT REFERENCES service_accounts (id),    -- the account that owns it, or null
  user_id TEXT,                             -- else the person who does, by the application's own identifier
  name TEXT NOT NULL,                       -- for people
  folded_name TEXT NOT NULL,                -- the name in upper case, to search by
  description TEXT,                         -- for people
  environment TEXT NOT NULL CHECK (environment IN ('live', 'test')), -- what it is for; part of its secret
  digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64), -- SHA-256 of the secret, in hexadecimal
  start TEXT NOT NULL,                      -- brand, environment and first four random characters
  fingerprint TEXT NOT NULL,                -- last four characters
  scopes TEXT CHECK (json_valid(scopes)),   -- a list of scopes; null: the key follows its account
  metadata TEXT NOT NULL CHECK (json_valid(metadata)), -- the application's own JSON object
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),  -- 0: refused for as long
  created_at INTEGER NOT NULL,              -- when it was minted
  created_by TEXT NOT NULL,                 -- by which principal
  updated_at INTEGER NOT NULL,              -- when it last changed
  updated_by TEXT NOT NULL,                 -- by which principal
  expires_at INTEGER,                       -- refused from then on; null: never
  revoked_at INTEGER,                       -- set: refused for good; a deleted account revokes its keys without a write to them
  revoked_by TEXT,                          -- by which principal
  revocation_reason TEXT,                   -- what they said
  rotated_from TEXT,                        -- the key that this one succeeds
  rotated_to TEXT,                          -- the key that succeeds this one
  supersedes TEXT,                          -- set: the key that ends when this one is first used
  deleted_at INTEGER,                       -- set: out of the lists
  revision INTEGER NOT NULL,                -- counts its changes, from 1
  vendor TEXT CHECK (json_valid(vendor)),   -- what other systems' wire formats keep of it, by their names; null: nothing
  CHECK ((service_account_id IS NULL) <> (user_id IS NULL))
) STRICT, WITHOUT ROWID;

-- The keys of an organization, of an account and of a person, newest first.
CREATE INDEX api_keys_list ON api_keys (organization_id, id) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_of_account ON api_keys (organization_id, service_account_id, id) WHERE deleted_at IS NULL AND service_account_id IS NOT NULL;
CREATE INDEX api_keys_of_user ON api_keys (organization_id, user_id, id) WHERE deleted_at IS NULL AND user_id IS NOT NULL;

-- Whether a live key of an account has a name, for wire formats in which names are taken.
CREATE INDEX api_keys_named ON api_keys (service_account_id, name, expires_at) WHERE revoked_at IS NULL AND deleted_at IS NULL AND service_account_id IS NOT NULL;

-- A key has one successor.
CREATE UNIQUE INDEX api_keys_successor ON api_keys (rotated_from) WHERE rotated_from IS NOT NULL;
-- What may count against an organization's limit: keys that are neither revoked nor deleted, by when they end.
CREATE INDEX api_keys_live ON api_keys (organization_id, expires_at) WHERE revoked_at IS NULL AND deleted_at IS NULL;

-- The latest valid use of each key that has one. Best effort, and apart from the keys: a use is no change to a key.
CREATE TABLE key_usage (
  key_id TEXT NOT NULL PRIMARY KEY,         -- which key
  last_used_at INTEGER NOT NULL,            -- when
  last_used_ip TEXT,                        -- from which address, if known
  last_used_user_agent TEXT                 -- with which client, if known
) STRICT, WITHOUT ROWID;

-- Access tokens that were ended ahead of their time. A token is a row here only then, until it would have ended by itself.
CREATE TABLE revoked_tokens (
  id TEXT NOT NULL PRIMARY KEY,             -- the token's jti: its key's id, a dot, and 16 random characters
  key_id TEXT NOT NULL,                     -- the key that it was got with
  expires_at INTEGER NOT NULL               -- when it would have ended
) STRICT, WITHOUT ROWID;

-- A key's, which are part of its record.
CREATE INDEX revoked_tokens_of_key ON revoked_tokens (key_id);
-- Those that may be forgotten.
CREATE INDEX revoked_tokens_ended ON revoked_tokens (expires_at);

-- Who did what, written in the same transaction as what was done.
CREATE TABLE audit_events (
  id TEXT NOT NULL PRIMARY KEY,             -- evt_…, made by the writer, so that a repeated batch is recognised
  organization_id TEXT NOT NULL REFERENCES organizations (id) DEFERRABLE INITIALLY DEFERRED, -- where; an event is written before what it tells of
  at INTEGER NOT NULL,                      -- when
  action TEXT NOT NULL,                     -- what, such as api_key.revoked
  actor_type TEXT NOT NULL CHECK (actor_type IN ('root', 'service_account', 'user', 'system')), -- what kind of principal did it
  actor_id TEXT NOT NULL,                   -- which principal
  credential_id TEXT,                       -- the key or the token that was presented; null for root
  target_type TEXT NOT NULL,                -- what kind of thing it was done to
  target_id TEXT NOT NULL,                  -- which
  request_id TEXT NOT NULL,                 -- the request's X-Request-Id
  ip TEXT,                                  -- the request's address, if known
  user_agent TEXT,                          -- the request's User-Agent, if any
  changes TEXT NOT NULL CHECK (json_valid(changes)) -- {field: {from, to}}, never a secret
) STRICT, WITHOUT ROWID;

-- An organization's trail, newest first: whole, by who did it, and by what it was done to.
CREATE INDEX audit_events_list ON audit_events (organization_id, id);
CREATE INDEX audit_events_of_actor ON audit_events (organization_id, actor_id, id);
CREATE INDEX audit_events_of_target ON audit_events (organization_id, target_id, id);

-- One row for each change to an organization, an account or a key, in the order of commits. A cached record says
-- how far along this table it was read. The newest row always stays.
CREATE TABLE changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,    -- never given twice, even after old rows are pruned
  subject TEXT NOT NULL,                    -- the id of what changed
  at INTEGER NOT NULL                       -- when
) STRICT;

-- Never holds a row. Inserting into it is how a batch says what must be true: the constraint that fails aborts the
-- whole transaction, and its name says why.
CREATE TABLE assertions (
  caller_live INTEGER CONSTRAINT caller_live CHECK (caller_live IS NULL),                -- the caller may still call
  target_unchanged INTEGER CONSTRAINT target_unchanged CHECK (target_unchanged IS NULL), -- what was judged is as it was
  quota_left INTEGER CONSTRAINT quota_left CHECK (quota_left IS NULL),                   -- the organization may have another key
  key_name_free INTEGER CONSTRAINT key_name_free CHECK (key_name_free IS NULL)           -- no live key of the account has the name
) STRICT;

-- The organization that always exists.
INSERT INTO organizations (id, slug, name, key_prefix, personal_key_permissions, created_at, created_by, updated_at, updated_by, revision)
VALUES ('org_000000000000000000000000', 'default', 'Default', 'mk', '[]', 0, 'system', 0, 'system', 1);

-- Which life of the database this is: one row. A restore undoes changes that caches know of already, so it is followed
-- by a new name here (`npm run after-restore`), at whose sight every cache forgets what it holds.
CREATE TABLE generation (
  singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1), -- there is one row
  name TEXT NOT NULL                        -- random
) STRICT, WITHOUT ROWID;

INSERT INTO generation (singleton, name) VALUES (1, lower(hex(randomblob(16))));
