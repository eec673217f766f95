import type { Context } from 'hono';

import { credentialIn, type CredentialHeaders } from '../contract/credential.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { AppEnv } from './env.ts';

/** No headers beside those of a format. */
export const NO_CARRIERS: CredentialHeaders = {};

const CONTRACT_HEADERS: CredentialHeaders = { Authorization: ['bearer', 'basic'], 'X-API-Key': ['bare'] };

/** RFC 9110 §9.2.1. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The one credential of a request, in the contract's headers unless others are said, or in one that is configured beside them. */
export function readCredential<Env extends AppEnv>(
  c: Context<Env>,
  carriers: CredentialHeaders = CONTRACT_HEADERS,
): Result<string> {
  const more = c.get('moreCarriers');
  const isAmbient =
    more !== NO_CARRIERS && Object.keys(more).some((name) => c.req.header(name) !== undefined);
  if (isAmbient && !SAFE_METHODS.has(c.req.method) && isFromElsewhere(c.req.raw))
    return refuse({ kind: 'invalid_credential', reason: 'sent by a page of another site' });
  return credentialOf(c.req.raw.headers, more === NO_CARRIERS ? carriers : { ...carriers, ...more });
}

/** The same in the contract's headers alone. */
export function readKey(headers: Headers): Result<string> {
  return credentialOf(headers, CONTRACT_HEADERS);
}

/**
 * Whether a page of another origin had a browser send it. A header that whoever stands before the Worker makes of a cookie
 * comes with what such a page sends as well.
 */
function isFromElsewhere({ headers, url }: Request): boolean {
  const site = headers.get('Sec-Fetch-Site');
  if (site !== null) return site !== 'same-origin' && site !== 'none';
  const origin = headers.get('Origin');
  return origin !== null && origin !== new URL(url).origin;
}

function credentialOf(headers: Headers, carriers: CredentialHeaders): Result<string> {
  const read = credentialIn(headers, carriers);
  if ('credential' in read) return accept(read.credential);
  return read.fault === 'invalid_credential'
    ? refuse({ kind: read.fault, reason: 'MALFORMED' })
    : refuse({ kind: read.fault });
}
