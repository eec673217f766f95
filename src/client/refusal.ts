import type { Carrier } from './carriers.ts';
import { challenge, type BearerError } from './challenge.ts';
import { RATE_LIMITED_RETRY_SECONDS, UNAVAILABLE_RETRY_SECONDS } from './constants.ts';
import { isKeyId } from './ids.ts';
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
  /** The id of the key, where Mintmark knows it. */
  readonly keyId: string | null;
  /** The scopes that were asked for, where the key lacks one of them. */
  readonly scopes: readonly string[];
  /** Seconds after which to come back, where that may help. */
  readonly retryAfter: number | null;
}

interface Written {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Where the credential is at fault. */
  readonly error?: BearerError;
  /** Seconds after which to come back, where that may help and Mintmark does not say. */
  readonly retryAfter?: number;
}

/** How each is answered. The answer to a key that is no good is one and the same, whatever is wrong with it. */
const WRITTEN: Readonly<Record<RefusalCode, Written>> = {
  missing_credential: {
    status: 401,
    title: 'An API key is required',
    detail: 'The request carries no API key.',
  },
  multiple_credentials: {
    status: 400,
    title: 'More than one API key',
    detail: 'Send exactly one API key, in one header.',
    error: 'invalid_request',
  },
  invalid_credential: {
    status: 401,
    title: 'The API key is not valid',
    detail: 'The API key is malformed, unknown, expired, disabled or revoked, or not for here.',
    error: 'invalid_token',
  },
  insufficient_scope: {
    status: 403,
    title: 'The API key may not do this',
    detail: 'The request needs scopes that the API key does not have.',
    error: 'insufficient_scope',
  },
  ip_denied: {
    status: 403,
    title: 'The API key may not be used from here',
    detail: 'The API key is not for this address.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    detail: 'Wait a little, then try again.',
    retryAfter: RATE_LIMITED_RETRY_SECONDS,
  },
  usage_exceeded: { status: 429, title: 'The API key is used up', detail: 'The API key has no uses left.' },
  unavailable: {
    status: 503,
    title: 'Not available',
    detail: 'API keys cannot be verified now. Try again.',
    retryAfter: UNAVAILABLE_RETRY_SECONDS,
  },
};

/** What is wrong with other than the key itself: verdicts that have answers of their own. */
const OWN_ANSWERS: Readonly<Partial<Record<RefusedVerdict['code'], RefusalCode>>> = {
  IP_DENIED: 'ip_denied',
  INSUFFICIENT_SCOPE: 'insufficient_scope',
  RATE_LIMITED: 'rate_limited',
  USAGE_EXCEEDED: 'usage_exceeded',
};

export function refusalOf(
  code: RefusalCode,
  reason: string,
  { keyId = null, scopes = [], retryAfter = WRITTEN[code].retryAfter ?? null }: Partial<Refusal> = {},
): Refusal {
  return { code, status: WRITTEN[code].status, reason, keyId, scopes, retryAfter };
}

/** The refusal that a verdict means. A code that is not known here is of a newer Mintmark, and a no all the same. */
export function refusalByVerdict(
  { code, keyId }: Pick<RefusedVerdict, 'code' | 'keyId'>,
  asked: readonly string[],
): Refusal {
  const known = (Object.hasOwn(OWN_ANSWERS, code) ? OWN_ANSWERS[code] : undefined) ?? 'invalid_credential';
  return refusalOf(known, code, {
    keyId: isKeyId(keyId) ? keyId : null,
    scopes: known === 'insufficient_scope' ? asked : [],
  });
}

/** The answer to it: RFC 9457, with the challenge of RFC 6750 §3 where the credential is at fault. */
export function refusalResponse(
  { code, scopes, retryAfter }: Refusal,
  carriers: readonly Carrier[],
  realm: string,
): Response {
  const { status, title, detail, error } = WRITTEN[code];
  const headers = new Headers({ 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' });
  if (status === 401 || error !== undefined)
    headers.set('WWW-Authenticate', challenge(carriers, realm, error, scopes));
  if (retryAfter !== null) headers.set('Retry-After', String(retryAfter));
  const problem = { type: `urn:mintmark:problem:${code}`, title, status, detail, code };
  return new Response(JSON.stringify(problem), { status, headers });
}
