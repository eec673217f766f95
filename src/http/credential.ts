import { accept, refuse, type Result } from '../core/refusal.ts';

/** Visible ASCII: what a header can carry without being taken apart. */
const CREDENTIAL = /^[\x21-\x7e]+$/;
/** Repeated headers reach us joined by a comma and a space. */
const REPEATED = /, /;

/**
 * The one credential of a request: `Authorization: Bearer`, `Authorization: Basic` (as the user name) or `X-API-Key`.
 * Never the query (RFC 6750 §2.3 as this service holds it). Two are refused, even two that are equal.
 */
export function readCredential(headers: Headers): Result<string> {
  const authorization = headers.get('Authorization');
  const apiKey = headers.get('X-API-Key');
  if (authorization !== null && apiKey !== null) return refuse({ kind: 'multiple_credentials' });
  if (apiKey !== null) return checked(apiKey);
  if (authorization === null) return refuse({ kind: 'missing_credential' });

  const [, scheme = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(authorization) ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return checked(rest);
    case 'basic':
      return REPEATED.test(rest) ? refuse({ kind: 'multiple_credentials' }) : checked(basicUserName(rest));
    default:
      return refuse({ kind: 'missing_credential' });
  }
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
