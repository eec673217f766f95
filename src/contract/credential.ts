const VISIBLE_ASCII = /^[\x21-\x7e]+$/;
const BLANK = /\s/;
/** Repeated headers reach us joined by a comma and a space. */
const REPEATED = /, /;

/** What a header can carry without being taken apart. */
export const isVisibleAscii = (value: unknown): value is string =>
  typeof value === 'string' && VISIBLE_ASCII.test(value);

/** How a header carries a credential: by a scheme of RFC 9110 §11, or bare. */
export type Scheme = 'bearer' | 'basic' | 'bare';

/** The headers that a credential may come in, and how. */
export type CredentialHeaders = Readonly<Record<string, readonly Scheme[]>>;

/** What a request presents: one credential, or why it is none. */
export type Presented =
  | { readonly credential: string }
  | { readonly fault: 'missing_credential' | 'multiple_credentials' | 'invalid_credential' };

/**
 * The one credential of a request, out of the headers that may carry it: `Authorization: Bearer` (RFC 6750 §2.1),
 * `Authorization: Basic` as the user name (RFC 7617), or a header that is nothing else. Never the query. Two are a fault,
 * even two that are equal.
 */
export function credentialIn(headers: Pick<Headers, 'get'>, carriers: CredentialHeaders): Presented {
  let value: string | null = null;
  let schemes: readonly Scheme[] = [];
  for (const [name, taken] of Object.entries(carriers)) {
    const found = headers.get(name);
    if (found === null) continue;
    if (value !== null) return { fault: 'multiple_credentials' };
    value = found;
    schemes = taken;
  }
  if (value === null) return { fault: 'missing_credential' };
  if (schemes.includes('bare')) return checked(value);

  const blankAt = value.search(BLANK);
  const named = blankAt === -1 ? value : value.slice(0, blankAt);
  const rest = value.slice(named.length).trimStart();
  const scheme = schemes.find((known) => known === named.toLowerCase());
  if (scheme === undefined) return { fault: 'missing_credential' };
  if (scheme === 'bearer') return checked(rest);
  return REPEATED.test(rest) ? { fault: 'multiple_credentials' } : checked(basicUserName(rest));
}

function checked(text: string): Presented {
  if (REPEATED.test(text)) return { fault: 'multiple_credentials' };
  if (text === '') return { fault: 'missing_credential' };
  return isVisibleAscii(text) ? { credential: text } : { fault: 'invalid_credential' };
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
