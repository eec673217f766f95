import { edgeAddress, ipOf } from './address.ts';
import { isCarriers, type Carrier } from './carriers.ts';
import {
  MAX_SCOPE_LENGTH,
  MAX_SCOPES,
  MAX_STALENESS_SECONDS,
  MAX_TIMEOUT_MS,
  MAX_USER_AGENT_LENGTH,
} from './constants.ts';
import { timeoutOf } from './deadline.ts';
import { isOrganizationId } from './ids.ts';
import type { BoundVerifyRequest } from './services.ts';

/** What is asked of a request's API key. */
export interface Demands {
  /** Scopes that the key must have, all of them. Absent: any valid key will do. */
  readonly scopes?: readonly string[];
  /** The environment that the key must be of. Absent: either. */
  readonly environment?: 'live' | 'test';
  /**
   * The id, `org_…`, of the organization that the key must be of. Absent: that of the binding or of the credential; by a
   * binding for every organization nothing passes without it. Null, or what is no id: nobody's, and so no key is good.
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

const isTextList = (value: unknown): boolean =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');
const isStaleness = (value: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_STALENESS_SECONDS;

/** Whether Mintmark can be asked for them; what a request makes of scopes may be anything. */
export const isAskable = (scopes: readonly string[]): boolean =>
  scopes.length <= MAX_SCOPES && scopes.every((scope) => scope.length <= MAX_SCOPE_LENGTH);

type Rule = readonly [rule: string, isGood: (value: unknown) => boolean];

/** What those must be that say which keys are good: there, but undefined, they are a slip that would ask for less. */
const RULES: Readonly<Record<string, Rule>> = {
  scopes: ['a list of texts', isTextList],
  environment: ['live or test', (value) => value === 'live' || value === 'test'],
  maxStaleness: [`0 to ${MAX_STALENESS_SECONDS} whole seconds`, isStaleness],
  from: ['bearer, basic, a header, or a list of them', isCarriers],
  realm: ['a text', (value) => typeof value === 'string'],
};
const ORGANIZATION_RULE: Rule = [
  'null or the id of an organization, org_…',
  (value) => value === null || isOrganizationId(value),
];

function check(demands: object, rules: Readonly<Record<string, Rule>>): void {
  for (const [name, [rule, isGood]] of Object.entries(rules)) {
    if (name in demands && !isGood(Reflect.get(demands, name)))
      throw new TypeError(`mintmark: ${name} must be ${rule}`);
  }
}

/** Throws a TypeError for a demand that was written wrong. */
export function checkDemands(demands: Demands): void {
  check(demands, { ...RULES, organization: ORGANIZATION_RULE });
  if (demands.timeoutMs !== undefined) timeoutOf(demands.timeoutMs, MAX_TIMEOUT_MS);
}

/**
 * What to ask about a request's key; null: there is no organization whose key it could be, as a request may have it that says
 * which it means. Throws a TypeError for a demand that is none.
 */
export function boundRequest(key: string, { headers }: Request, demands: Demands): BoundVerifyRequest | null {
  check(demands, RULES);
  const { scopes, environment, maxStaleness, organization = null } = demands;
  const isSaid = 'organization' in demands;
  if (isSaid && !isOrganizationId(organization)) return null;
  const ip = ipOf('ip' in demands ? demands.ip : edgeAddress(headers));
  const userAgent = headers.get('User-Agent')?.slice(0, MAX_USER_AGENT_LENGTH);
  return {
    key,
    organization: organization ?? 'own',
    ...(scopes === undefined ? {} : { scopes: [...scopes] }),
    ...(environment === undefined ? {} : { environment }),
    ...(maxStaleness === undefined ? {} : { maxStaleness }),
    ...(ip === undefined ? {} : { ip }),
    ...(userAgent === undefined ? {} : { userAgent }),
  };
}
