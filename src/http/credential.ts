import type { Context } from 'hono';

import { credentialIn, type CredentialHeaders } from '../contract/credential.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { AppEnv } from './env.ts';

const CONTRACT_HEADERS: CredentialHeaders = { Authorization: ['bearer', 'basic'], 'X-API-Key': ['bare'] };

/** The one credential of a request, in the contract's headers unless others are said, or in one that is configured beside them. */
export function readCredential<Env extends AppEnv>(
  c: Context<Env>,
  carriers: CredentialHeaders = CONTRACT_HEADERS,
): Result<string> {
  return credentialOf(c.req.raw.headers, { ...carriers, ...c.get('moreCarriers') });
}

/** The same in the contract's headers alone. */
export function readKey(headers: Headers): Result<string> {
  return credentialOf(headers, CONTRACT_HEADERS);
}

function credentialOf(headers: Headers, carriers: CredentialHeaders): Result<string> {
  const read = credentialIn(headers, carriers);
  if ('credential' in read) return accept(read.credential);
  return read.fault === 'invalid_credential'
    ? refuse({ kind: read.fault, reason: 'MALFORMED' })
    : refuse({ kind: read.fault });
}
