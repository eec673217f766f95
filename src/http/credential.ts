import { credentialIn, type CredentialHeaders } from '../contract/credential.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';

const CONTRACT_HEADERS: CredentialHeaders = { Authorization: ['bearer', 'basic'], 'X-API-Key': ['bare'] };

/** The one credential of a request, in the contract's headers unless others are said. */
export function readCredential(headers: Headers, carriers = CONTRACT_HEADERS): Result<string> {
  const read = credentialIn(headers, carriers);
  if ('credential' in read) return accept(read.credential);
  return read.fault === 'invalid_credential'
    ? refuse({ kind: read.fault, reason: 'MALFORMED' })
    : refuse({ kind: read.fault });
}
