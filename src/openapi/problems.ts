import { describe, type HttpRefusal } from '../contract/describe.ts';
import type { ProblemCode } from '../contract/problem.ts';
import type { Refusal } from '../core/refusal.ts';

/** For each code a refusal that is answered with it: its status, headers and example come from the same switch as the answers. */
const REFUSALS: Readonly<Record<ProblemCode, Refusal | HttpRefusal>> = {
  missing_credential: { kind: 'missing_credential' },
  multiple_credentials: { kind: 'multiple_credentials' },
  invalid_credential: { kind: 'invalid_credential', reason: 'REVOKED' },
  rate_limited: { kind: 'rate_limited' },
  insufficient_scope: { kind: 'insufficient_scope', needed: ['mintmark:keys:write'] },
  cannot_grant: { kind: 'cannot_grant', scopes: ['mintmark:keys:write'] },
  root_required: { kind: 'root_required' },
  invalid_request: { kind: 'invalid', faults: [{ path: 'name', message: 'is required' }] },
  invalid_json: { kind: 'invalid_json', detail: 'It is not JSON in UTF-8; look at its quotes and commas.' },
  unsupported_media_type: {
    kind: 'unsupported_media_type',
    detail: 'Send Content-Type: application/json.',
  },
  payload_too_large: { kind: 'payload_too_large' },
  request_timeout: { kind: 'request_timeout' },
  not_found: { kind: 'not_found', what: 'API key' },
  method_not_allowed: { kind: 'method_not_allowed', allowed: ['GET'] },
  name_taken: { kind: 'name_taken', what: 'service account' },
  slug_taken: { kind: 'slug_taken' },
  quota_exceeded: { kind: 'quota_exceeded', maxLiveKeys: 100 },
  default_organization: { kind: 'default_organization' },
  account_disabled: { kind: 'account_disabled' },
  key_revoked: { kind: 'key_revoked' },
  key_expired: { kind: 'key_expired' },
  key_disabled: { kind: 'key_disabled' },
  key_rotated: { kind: 'key_rotated' },
  conflict: { kind: 'conflict' },
  unavailable: { kind: 'unavailable' },
  outcome_unknown: { kind: 'outcome_unknown' },
  misconfigured: { kind: 'misconfigured', faults: [{ path: 'DB', message: 'is missing' }] },
  internal: { kind: 'internal' },
};

export const describeCode = (code: ProblemCode) => describe(REFUSALS[code]);
