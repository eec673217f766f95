import { expect } from 'vitest';

import { ROOT_KEY, type Answer, type TestService } from '../support/service.ts';
import { basic, FORM } from './tokens.ts';

/** What comes of a credential at an entrance: whether it is taken, and all of the answer but its request's id. */
export interface Outcome {
  readonly isTaken: boolean;
  readonly told: string;
}

type Entrance = (service: TestService, credential: string) => Promise<Outcome>;

let calls = 0;

/** Every call comes from an address of its own: none is refused for what others guessed. */
const somewhere = (): Readonly<Record<string, string>> => {
  calls++;
  return { 'CF-Connecting-IP': `10.${calls >> 16}.${(calls >> 8) & 255}.${calls & 255}` };
};

function outcomeOf({ status, text, headers }: Answer, isTaken: boolean): Outcome {
  expect(status, text).toBeLessThan(500);
  const { 'x-request-id': id = '', ...rest } = Object.fromEntries(headers);
  return { isTaken, told: JSON.stringify([status, text.replace(id, ''), rest]) };
}

const get =
  (path: string, carrier: (credential: string) => Record<string, string>): Entrance =>
  async (service, credential) => {
    const answer = await service.call('GET', path, {
      credential: null,
      headers: { ...somewhere(), ...carrier(credential) },
    });
    return outcomeOf(answer, answer.status < 300);
  };

const bearer = (credential: string) => ({ Authorization: `Bearer ${credential}` });

const form = async (
  service: TestService,
  path: string,
  body: Record<string, string>,
  headers: Record<string, string>,
): Promise<Answer> =>
  service.call('POST', path, {
    credential: null,
    body: new URLSearchParams(body).toString(),
    headers: { ...somewhere(), 'Content-Type': FORM, ...headers },
  });

/** Every way in that takes a token of an administrator's; where it is what is asked about, root asks. */
export const ENTRANCES = {
  'whoami by Bearer': get('/v1/whoami', bearer),
  'whoami by Basic': get('/v1/whoami', (credential) => ({ Authorization: basic(credential, '') })),
  'whoami by X-API-Key': get('/v1/whoami', (credential) => ({ 'X-API-Key': credential })),
  'whoami by headers in lower case': get('/v1/whoami', (credential) => ({
    authorization: `bearer ${credential}`,
  })),
  'a list': get('/v1/api-keys', bearer),
  'a mutation': async (service, credential) => {
    const answer = await service.call('POST', '/v1/service-accounts', {
      credential,
      body: { name: crypto.randomUUID() },
      headers: somewhere(),
    });
    return outcomeOf(answer, answer.status === 201);
  },
  'forward-auth': get('/v1/forward-auth/default/-', bearer),
  'Blaxel’s dialect': get('/compat/blaxel/v0/service_accounts', bearer),
  'the caller of verify': async (service, credential) => {
    const answer = await service.call('POST', '/v1/api-keys/verify', {
      credential,
      body: { key: 'x' },
      headers: somewhere(),
    });
    return outcomeOf(answer, answer.status === 200);
  },
  'the key of verify': async (service, key) => {
    const answer = await service.call('POST', '/v1/api-keys/verify', { body: { key, ip: '192.0.2.1' } });
    return outcomeOf(answer, answer.body.valid);
  },
  'a key of verifyMany': async (service, key) => {
    const [verdict] = await service.verifier.verifyMany([
      { key, organizationId: null, scopes: [], usedFrom: { ip: null, userAgent: null } },
    ]);
    return { isTaken: verdict?.decision.code === 'VALID', told: JSON.stringify(verdict) };
  },
  'the caller of introspection': async (service, credential) => {
    const answer = await form(service, '/oauth/introspect', { token: 'x' }, bearer(credential));
    return outcomeOf(answer, answer.status === 200);
  },
  'the token of introspection': async (service, token) => {
    const answer = await form(service, '/oauth/introspect', { token }, bearer(ROOT_KEY));
    return outcomeOf(answer, answer.body.active);
  },
  'the caller of revocation': async (service, credential) => {
    const answer = await form(service, '/oauth/revoke', { token: 'x' }, bearer(credential));
    return outcomeOf(answer, answer.status === 200);
  },
} as const satisfies Record<string, Entrance>;

export type EntranceName = keyof typeof ENTRANCES;

export const ENTRANCE_NAMES = Object.keys(ENTRANCES) as EntranceName[];

/** Which entrances take a credential. */
export async function takenBy(service: TestService, credential: string): Promise<EntranceName[]> {
  const names: EntranceName[] = [];
  for (const name of ENTRANCE_NAMES) {
    if ((await ENTRANCES[name](service, credential)).isTaken) names.push(name);
  }
  return names;
}

/** Holds that every entrance takes it. */
export async function allows(service: TestService, credential: string): Promise<void> {
  expect(await takenBy(service, credential)).toEqual(ENTRANCE_NAMES);
}

/** Holds that none does. */
export async function refuses(service: TestService, credential: string): Promise<void> {
  expect(await takenBy(service, credential)).toEqual([]);
}
