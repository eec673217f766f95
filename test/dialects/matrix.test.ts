import { beforeAll, describe, expect, test } from 'vitest';

import { TestService, type Answer } from '../support/service.ts';

/** One way of speaking to the service, as far as the matrix needs it. */
interface Speaker {
  readonly name: string;
  /** A new key of the account: its id and its secret. */
  readonly mint: (account: Account, name: string) => Promise<{ id: string; secret: string }>;
  /** The ids of the account's keys that are live. */
  readonly list: (account: Account) => Promise<string[]>;
  readonly revoke: (account: Account, id: string) => Promise<Answer>;
}

interface Account {
  readonly id: string;
  readonly name: string;
}

const service = new TestService();
/** An administrator of the default organization; every format is spoken with this key. */
let credential = '';

beforeAll(async () => {
  credential = (await service.key({}, { role: 'admin' })).secret;
});

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await service.call(method, path, { credential, ...(body === undefined ? {} : { body }) });
  expect(answer.status, `${method} ${path} ${answer.text}`).toBeLessThan(300);
  return answer;
}

const CONTRACT: Speaker = {
  name: 'the contract',
  mint: async ({ id }, name) => {
    const { body } = await call('POST', `/v1/service-accounts/${id}/api-keys`, { name });
    return { id: body.key.id, secret: body.secret };
  },
  list: async ({ id }) => {
    const { body } = await call('GET', `/v1/service-accounts/${id}/api-keys?status=active`);
    return body.data.map((key: { id: string }) => key.id);
  },
  revoke: (_, id) => call('POST', `/v1/api-keys/${id}/revoke`),
};

const blaxelKeys = ({ id }: Account): string => `/compat/blaxel/v0/service_accounts/${id}/api_keys`;
const BLAXEL: Speaker = {
  name: 'Blaxel',
  mint: async (account, name) => {
    const { body } = await call('POST', blaxelKeys(account), { name });
    return { id: body.id, secret: body.apiKey };
  },
  list: async (account) => {
    const { body } = await call('GET', blaxelKeys(account));
    return body.map((key: { id: string }) => key.id);
  },
  revoke: (account, id) => call('DELETE', `${blaxelKeys(account)}/${id}`),
};

const B3OS: Speaker = {
  name: 'B3OS',
  mint: async ({ id }, name) => {
    const { body } = await call('POST', '/compat/b3os/v1/api-keys', { name, serviceAccountId: id });
    return { id: body.data.id, secret: body.data.key };
  },
  list: async ({ id }) => {
    const { body } = await call('GET', '/compat/b3os/v1/api-keys?limit=100');
    return body.data.items
      .filter(
        (key: Record<string, string>) => key['serviceAccountId'] === id && key['revokedAt'] === undefined,
      )
      .map((key: { id: string }) => key.id);
  },
  revoke: (_, id) => call('DELETE', `/compat/b3os/v1/api-keys/${id}`),
};

const kosliKeys = ({ name }: Account): string =>
  `/compat/kosli/api/v2/service-accounts/default/${encodeURIComponent(name)}/api-keys`;
const KOSLI: Speaker = {
  name: 'Kosli',
  mint: async (account, name) => {
    const { body } = await call('POST', kosliKeys(account), { description: name });
    return { id: body.id, secret: body.key };
  },
  list: async (account) => {
    const { body } = await call('GET', kosliKeys(account));
    return body.map((key: { id: string }) => key.id);
  },
  revoke: (account, id) => call('DELETE', `${kosliKeys(account)}/${id}`),
};

const factoryKeys = ({ id }: Account): string => `/compat/factory/api/v0/service-accounts/${id}/api-keys`;
const FACTORY: Speaker = {
  name: 'Factory',
  mint: async (account, name) => {
    const { body } = await call('POST', factoryKeys(account), { name });
    return { id: body.apiKey.id, secret: body.apiKey.value };
  },
  list: async (account) => {
    const { body } = await call('GET', factoryKeys(account));
    return body.apiKeys
      .filter((key: { isRevoked: boolean }) => !key.isRevoked)
      .map((key: { id: string }) => key.id);
  },
  revoke: (account, id) => call('POST', `${factoryKeys(account)}/${id}/revoke`),
};

const SPEAKERS = [CONTRACT, BLAXEL, B3OS, KOSLI, FACTORY];

describe.for(SPEAKERS.map((speaker) => [speaker.name, speaker] as const))(
  'minted through %s',
  ([, minter]) => {
    test.for(SPEAKERS.map((speaker) => [speaker.name, speaker] as const))(
      'and revoked through %s: seen by all before, by none after, and refused',
      async ([, revoker]) => {
        const account = await service.account();
        const { id, secret } = await minter.mint(account as Account, `key ${crypto.randomUUID()}`);
        for (const { name, list } of SPEAKERS) expect(await list(account as Account), name).toEqual([id]);
        expect(await service.verify(secret, { maxStaleness: 0 })).toMatchObject({
          valid: true,
          keyId: id,
          serviceAccountId: account.id,
        });

        const revoked = await revoker.revoke(account as Account, id);
        expect(Date.parse(revoked.headers.get('Mintmark-Effective-By') ?? '')).toBe(service.now() + 120_000);
        for (const { name, list } of SPEAKERS) expect(await list(account as Account), name).toEqual([]);
        expect(await service.verify(secret, { maxStaleness: 0 })).toMatchObject({
          valid: false,
          code: 'REVOKED',
        });
        const elsewhere = new TestService();
        expect(await elsewhere.verify(secret)).toMatchObject({ valid: false, code: 'REVOKED' });
      },
    );
  },
);
