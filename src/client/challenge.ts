import type { Carrier } from './carriers.ts';
import { MAX_CHALLENGE_SCOPES_LENGTH } from './constants.ts';

/** The error of RFC 6750 §3.1. */
export type BearerError = 'invalid_request' | 'invalid_token' | 'insufficient_scope';

/** What may not stand between quotes in a header. */
const UNQUOTABLE = /[^\x20-\x7e]|["\\]/g;
/** RFC 6749, appendix A.4. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** The value of `WWW-Authenticate`: a challenge for each way in which a key may come. */
export function challenge(
  carriers: readonly Carrier[],
  realm: string,
  error: BearerError | undefined,
  scopes: readonly string[],
): string {
  const own = `realm="${realm.replaceAll(UNQUOTABLE, '')}"`;
  const asked = scopes.filter((scope) => SCOPE_TOKEN.test(scope)).join(' ');
  const isTold = asked !== '' && asked.length <= MAX_CHALLENGE_SCOPES_LENGTH;
  const bearer = [
    own,
    ...(error === undefined ? [] : [`error="${error}"`]),
    ...(isTold ? [`scope="${asked}"`] : []),
  ].join(', ');
  const challenges = carriers.map((carrier) => {
    // Of these parameters RFC 7617 gives Basic the realm alone.
    if (carrier === 'basic') return `Basic ${own}`;
    // For a header of its own no scheme is registered.
    return `${carrier === 'bearer' ? 'Bearer' : 'ApiKey'} ${bearer}`;
  });
  return [...new Set(challenges)].join(', ');
}
