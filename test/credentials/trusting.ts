import { expect } from 'vitest';

import { outcomeOf } from '../http/endpoints.ts';
import { TestService, type Answer } from '../support/service.ts';
import type { TestIssuer } from './issuer.ts';

type Sent = Readonly<Record<string, string>>;

/** A service that trusts an issuer, in `default` and up to `mintmark:*` unless the variables say otherwise. */
export function trusting(issuer: TestIssuer, variables: Sent = {}): TestService {
  const service = new TestService({
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: 'mintmark',
    OIDC_ORGANIZATIONS: 'default',
    OIDC_SCOPES: 'mintmark:*',
    OIDC_SCOPES_CLAIM: 'scope',
    ...variables,
  });
  service.fetchHook = issuer.fetch;
  issuer.clock = () => service.now();
  return service;
}

/** One call that judges its caller as any key, and one that judges it on D1. */
const ENTRANCES = ['/v1/whoami', '/v1/service-accounts'] as const;

/** Each attempt from an address of its own: what is in vain is counted. */
let attempts = 0;
const address = (): string => `10.0.${(attempts >> 8) & 255}.${attempts++ & 255}`;

/** What both entrances say of headers, which must be the same; nothing of the credential is repeated. */
export async function saysOf(service: TestService, headers: Sent, credential = ''): Promise<string> {
  const outcomes = new Set<string>();
  const sent = { 'CF-Connecting-IP': address(), ...headers };
  for (const path of ENTRANCES) {
    const answer = await service.call('GET', path, { credential: null, headers: sent });
    outcomes.add(outcomeOf(answer));
    const challenge = answer.headers.get('WWW-Authenticate');
    if (answer.status === 401 && credential !== '')
      expect(challenge).toBe('Bearer realm="mintmark", error="invalid_token"');
    if (credential.length > 20) expect(answer.text + challenge).not.toContain(credential);
  }
  return [...outcomes].join(' | ');
}

/** What is said of a token in `Authorization`. */
export const judged = (service: TestService, token: string, headers: Sent = {}): Promise<string> =>
  saysOf(service, { Authorization: `Bearer ${token}`, ...headers }, token);

export const inOrganization = (organization: string): Sent => ({ 'Mintmark-Organization': organization });

/** Who the bearer of a token is, and what it may do. */
export async function whoIs(
  service: TestService,
  token: string,
  headers: Sent = {},
): Promise<Answer['body']> {
  const answer = await service.call('GET', '/v1/whoami', { credential: token, headers });
  expect(outcomeOf(answer)).toBe('200');
  return answer.body;
}
