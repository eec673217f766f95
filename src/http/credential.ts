import { accept, refuse, type Result } from '../core/refusal.ts';

/** Visible ASCII: what a header can carry without being taken apart. */
const CREDENTIAL = /^[\x21-\x7e]+$/;
/** Repeated headers reach us joined by a comma and a space. */
const REPEATED = /, /;

/** How a header carries a credential: by a scheme of RFC 9110 §11, or bare. */
export type Scheme = 'bearer' | 'basic' | 'bare';

/** The headers that a credential may come in, and how. */
export type CredentialHeaders = Readonly<Record<string, readonly Scheme[]>>;

const CONTRACT_HEADERS: CredentialHeaders = { Authorization: ['bearer', 'basic'], 'X-API-Key': ['bare'] };

/**
 * The one credential of a request: `Authorization: Bearer`, `Authorization: Basic` (as the user name) or `X-API-Key`,
 * unless other headers are said. Never the query (RFC 6750 §2.3 as this service holds it). Two are refused, even two
 * that are equal.
 */
export function readCredential(headers: Headers, carriers = CONTRACT_HEADERS): Result<string> {
  const present = Object.entries(carriers).flatMap(([name, schemes]) => {
    const value = headers.get(name);
    return value === null ? [] : [{ value, schemes }];
  });
  const [carrier, another] = present;
  if (another !== undefined) return refuse({ kind: 'multiple_credentials' });
  if (carrier === undefined) return refuse({ kind: 'missing_credential' });
  const { value, schemes } = carrier;
  if (schemes.includes('bare')) return checked(value);

  const [, named = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(value) ?? [];
  const scheme = schemes.find((known) => known === named.toLowerCase());
  if (scheme === undefined) return refuse({ kind: 'missing_credential' });
  if (scheme === 'bearer') return checked(rest);
  return REPEATED.test(rest) ? refuse({ kind: 'multiple_credentials' }) : checked(basicUserName(rest));
}

function checked(text: string): Result<string> {
  if (REPEATED.test(text)) return refuse({ kind: 'multiple_credentials' });
  if (text === '') return refuse({ kind: 'missing_credential' });
  return CREDENTIAL.test(text) ? accept(text) : refuse({ kind: 'invalid_credential', reason: 'MALFORMED' });
}

/** The user name of RFC 7617: what stands before the first colon, or all of it. */
function basicUserName(encoded: string): string {
  try {
    const [userName = ''] = atob(encoded.trim()).split(':', 1);
    return userName;
  } catch {
    return '\0';
  }
}
