import type { RefusedVerdict } from './verdict.ts';

/** The word of an answer that refuses. */
export type RefusalCode =
  | 'missing_credential'
  | 'multiple_credentials'
  | 'invalid_credential'
  | 'insufficient_scope'
  | 'ip_denied'
  | 'rate_limited'
  | 'usage_exceeded'
  | 'unavailable';

/** Why a request was not let through. */
export interface Refusal {
  readonly code: RefusalCode;
  /** The status of the answer. */
  readonly status: number;
  /** For your own logs; the answer does not tell it. The verdict's code, or what kept a verdict from being had. */
  readonly reason: string;
  /** What Mintmark said, where it said something. */
  readonly verdict: RefusedVerdict | null;
  /** The scopes that were asked for, where the key lacks one of them. */
  readonly scopes: readonly string[];
  /** Seconds after which to come back, where that may help. */
  readonly retryAfter: number | null;
}

interface Written {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** The error of RFC 6750 §3.1, where the credential is at fault. */
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope';
  /** Whether the answer says how the credential is to be sent. */
  readonly isChallenge?: true;
}

/** How each is answered. The answer to a key that is no good is one and the same, whatever is wrong with it. */
const WRITTEN: Readonly<Record<RefusalCode, Written>> = {
  missing_credential: {
    status: 401,
    title: 'An API key is required',
    detail: 'The request carries no API key.',
    isChallenge: true,
  },
  multiple_credentials: {
    status: 400,
    title: 'More than one API key',
    detail: 'Send exactly one API key, in one header.',
    error: 'invalid_request',
    isChallenge: true,
  },
  invalid_credential: {
    status: 401,
    title: 'The API key is not valid',
    detail: 'The API key is malformed, unknown, expired, disabled or revoked, or not for here.',
    error: 'invalid_token',
    isChallenge: true,
  },
  insufficient_scope: {
    status: 403,
    title: 'The API key may not do this',
    detail: 'The request needs scopes that the API key does not have.',
    error: 'insufficient_scope',
    isChallenge: true,
  },
  ip_denied: {
    status: 403,
    title: 'The API key may not be used from here',
    detail: 'The API key is not for this address.',
  },
  rate_limited: { status: 429, title: 'Too many requests', detail: 'Wait a little, then try again.' },
  usage_exceeded: { status: 429, title: 'The API key is used up', detail: 'The API key has no uses left.' },
  unavailable: {
    status: 503,
    title: 'Not available',
    detail: 'API keys cannot be verified now. Try again.',
  },
};

/** What each verdict but the valid one is answered with. */
const REFUSED_VERDICTS: Readonly<Record<RefusedVerdict['code'], RefusalCode>> = {
  MALFORMED: 'invalid_credential',
  NOT_FOUND: 'invalid_credential',
  REVOKED: 'invalid_credential',
  ACCOUNT_DISABLED: 'invalid_credential',
  DISABLED: 'invalid_credential',
  EXPIRED: 'invalid_credential',
  WRONG_ENVIRONMENT: 'invalid_credential',
  IP_DENIED: 'ip_denied',
  INSUFFICIENT_SCOPE: 'insufficient_scope',
  RATE_LIMITED: 'rate_limited',
  USAGE_EXCEEDED: 'usage_exceeded',
};

/** Seconds after which to come back, where Mintmark does not say. */
const RETRY_AFTER: Readonly<Partial<Record<RefusalCode, number>>> = { rate_limited: 10, unavailable: 5 };

/** The refusal that a verdict means. A code that is not known here is one of a newer Mintmark, and a no all the same. */
export function refusalByVerdict(verdict: RefusedVerdict, asked: readonly string[]): Refusal {
  const { code } = verdict;
  const known = Object.hasOwn(REFUSED_VERDICTS, code) ? REFUSED_VERDICTS[code] : 'invalid_credential';
  return refusalOf(known, code, { verdict, scopes: known === 'insufficient_scope' ? asked : [] });
}

export function refusalOf(
  code: RefusalCode,
  reason: string,
  { verdict = null, scopes = [], retryAfter = RETRY_AFTER[code] ?? null }: Partial<Refusal> = {},
): Refusal {
  return { code, status: WRITTEN[code].status, reason, verdict, scopes, retryAfter };
}

/** The answer to it: RFC 9457, with the challenge of RFC 6750 §3 where the credential is at fault. */
export function refusalResponse(refusal: Refusal, scheme: ChallengeScheme, realm: string): Response {
  const { code, retryAfter } = refusal;
  const { status, title, detail, isChallenge } = WRITTEN[code];
  const headers = new Headers({ 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' });
  if (isChallenge === true) headers.set('WWW-Authenticate', challengeOf(refusal, scheme, realm));
  if (retryAfter !== null) headers.set('Retry-After', String(retryAfter));
  const problem = { type: `urn:mintmark:problem:${code}`, title, status, detail, code };
  return new Response(JSON.stringify(problem), { status, headers });
}

/** How the answer says that a key is to be sent. The last, for a header of its own, is registered nowhere. */
export type ChallengeScheme = 'Bearer' | 'Basic' | 'ApiKey';

/** What may stand between quotes in a header, and in a scope (RFC 6749, appendix A.4). */
const UNQUOTABLE = /[^\x20-\x7e]|["\\]/g;
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

function challengeOf({ code, scopes }: Refusal, scheme: ChallengeScheme, realm: string): string {
  const { error } = WRITTEN[code];
  const parameters = [`realm="${realm.replaceAll(UNQUOTABLE, '')}"`];
  // Of these parameters RFC 7617 gives Basic the realm alone.
  if (scheme !== 'Basic' && error !== undefined) parameters.push(`error="${error}"`);
  const asked = scopes.filter((scope) => SCOPE_TOKEN.test(scope));
  if (scheme !== 'Basic' && asked.length > 0) parameters.push(`scope="${asked.join(' ')}"`);
  return `${scheme} ${parameters.join(', ')}`;
}
