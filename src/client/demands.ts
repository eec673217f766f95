import type { CredentialHeaders, Scheme } from '../contract/credential.ts';
import { edgeAddress, ipOf } from './address.ts';
import { isObject } from './problem.ts';
import type { ChallengeScheme } from './refusal.ts';
import type { BoundVerifyRequest } from './services.ts';

/** Where a request's API key is read: by a scheme of `Authorization`, or in a header that is nothing else. */
export type Carrier = 'bearer' | 'basic' | { readonly header: string };

/** What is asked of a request's API key. What is there, but undefined, is a mistake, and nothing passes. */
export interface Demands {
  /** Scopes that the key must have, all of them. Absent: any valid key will do. */
  readonly scopes?: readonly string[];
  /** The environment that the key must be of. Absent: either. */
  readonly environment?: 'live' | 'test';
  /**
   * The id, `org_…`, of the organization that the key must be of. Absent: that of the binding or of the credential; by a
   * binding for every organization nothing passes without it. Null: no organization, and so no key.
   */
  readonly organization?: string | null;
  /** Seconds, 0 to 3600: the verdict reflects every change made more than so long ago, or there is none. 0 asks D1. */
  readonly maxStaleness?: number;
  /** Where the key is read: `bearer` unless said, never the query. Of several a request may use one. */
  readonly from?: Carrier | readonly Carrier[];
  /** The client's address. Absent: in a Worker `CF-Connecting-IP`, elsewhere none. */
  readonly ip?: string | null | undefined;
  /** The realm that a refusal names: `api` unless said. */
  readonly realm?: string;
  /** Milliseconds that a verdict is waited for, 1 to 10,000 and 10,000 unless said. After that the request is refused. */
  readonly timeoutMs?: number;
}

/** What Mintmark keeps of a user agent. */
const MAX_USER_AGENT_LENGTH = 512;

/** Whether text can name an organization. */
export const isOrganizationId = (text: string): boolean => /^org_[0-9A-Za-z]{24}$/.test(text);

/** A header's name (RFC 9110 §5.1). */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

const isTextList = (value: unknown): boolean =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');
const isStaleness = (value: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 3_600;
const isOrganization = (value: unknown): boolean =>
  value === null || (typeof value === 'string' && isOrganizationId(value));

const isCarrier = (value: unknown): boolean =>
  value === 'bearer' ||
  value === 'basic' ||
  (isObject(value) && typeof value['header'] === 'string' && HEADER_NAME.test(value['header']));
const isCarriers = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 && value.every(isCarrier) : isCarrier(value);

/** What each demand must be that could be missed by a slip. */
const RULES = {
  scopes: ['a list of texts', isTextList],
  environment: ['live or test', (value) => value === 'live' || value === 'test'],
  organization: ['the id of an organization, org_…', isOrganization],
  maxStaleness: ['0 to 3600 whole seconds', isStaleness],
  from: ['bearer, basic, a header, or a list of them', isCarriers],
} as const satisfies Readonly<Record<string, readonly [string, (value: unknown) => boolean]>>;

/** Throws a TypeError for a demand that is there and is none, so that a slip never asks for less than was meant. */
export function checkDemands(demands: object): void {
  for (const [name, [rule, isGood]] of Object.entries(RULES)) {
    if (name in demands && !isGood(Reflect.get(demands, name)))
      throw new TypeError(`${name} must be ${rule}`);
  }
}

/** What to ask about a request's key. */
export function boundRequest(key: string, { headers }: Request, demands: Demands): BoundVerifyRequest {
  checkDemands(demands);
  const { scopes, environment, organization = null, maxStaleness } = demands;
  const ip = ipOf('ip' in demands ? demands.ip : edgeAddress(headers));
  const userAgent = headers.get('User-Agent')?.slice(0, MAX_USER_AGENT_LENGTH);
  return {
    key,
    organization,
    ...(scopes === undefined ? {} : { scopes: [...scopes] }),
    ...(environment === undefined ? {} : { environment }),
    ...(maxStaleness === undefined ? {} : { maxStaleness }),
    ...(ip === undefined ? {} : { ip }),
    ...(userAgent === undefined ? {} : { userAgent }),
  };
}

/** The headers that a key may come in, and how. */
export function headersOf(carriers: readonly Carrier[]): CredentialHeaders {
  const schemes = carriers.filter((carrier) => typeof carrier === 'string');
  const headers: Record<string, readonly Scheme[]> = schemes.length === 0 ? {} : { Authorization: schemes };
  for (const carrier of carriers) if (typeof carrier === 'object') headers[carrier.header] = ['bare'];
  return headers;
}

/** The scheme that a refusal asks for. */
export function schemeOf(carriers: readonly Carrier[]): ChallengeScheme {
  if (carriers.includes('bearer')) return 'Bearer';
  return carriers.includes('basic') ? 'Basic' : 'ApiKey';
}
