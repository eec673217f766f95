ALTER TABLE service_accounts ADD COLUMN vendor TEXT CHECK (json_valid(vendor));
ALTER TABLE api_keys ADD COLUMN vendor TEXT CHECK (json_valid(vendor));
ALTER TABLE assertions ADD COLUMN key_name_free INTEGER CONSTRAINT key_name_free CHECK (key_name_free IS NULL);
CREATE INDEX api_keys_named ON api_keys (service_account_id, name, expires_at) WHERE revoked_at IS NULL AND deleted_at IS NULL AND service_account_id IS NOT NULL;
