import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { serviceAccount } from '../../src/contract/service_accounts.ts';
import { dumpTables, TestService } from '../support/service.ts';

let service: TestService;

beforeEach(() => {
  service = new TestService();
});

const at = (id: string, suffix = '') => `/v1/service-accounts/${id}${suffix}`;

describe('a service account', () => {
  test('is answered as the contract has it', async () => {
    const answer = await service.call('POST', '/v1/service-accounts', {
      body: {
        name: 'build 🛠 \u200fعربي',
        description: 'builds',
        permissions: ['files:read', 'files:read'],
        role: 'reader',
        metadata: { a: 1 },
      },
    });
    expect(answer.status).toBe(201);
    const account = serviceAccount.parse(answer.body);
    expect(account).toMatchObject({
      name: 'build 🛠 \u200fعربي',
      description: 'builds',
      permissions: ['files:read'],
      role: 'reader',
      status: 'active',
      metadata: { a: 1 },
      createdBy: 'root',
      disabledAt: null,
    });
    expect((await service.call('GET', at(account.id))).body).toEqual(account);
  });

  test('needs no more than a name', async () => {
    const answer = await service.call('POST', '/v1/service-accounts', {
      body: { name: crypto.randomUUID() },
    });
    expect(answer.body).toMatchObject({ description: null, permissions: [], role: null, metadata: {} });
  });

  test('has a name that no other living one has, on making and on renaming', async () => {
    const name = crypto.randomUUID();
    const first = await service.account({ name });
    const other = await service.account();
    const taken = { status: 409, body: { code: 'name_taken' } };
    expect(await service.call('POST', '/v1/service-accounts', { body: { name } })).toMatchObject(taken);
    expect(await service.call('PATCH', at(other.id), { body: { name } })).toMatchObject(taken);
    await service.call('DELETE', at(first.id));
    expect(await service.call('PATCH', at(other.id), { body: { name } })).toMatchObject({ status: 200 });
  });

  test('changes by what is given, and clears by null', async () => {
    const { id } = await service.account({
      description: 'one',
      role: 'reader',
      permissions: ['a'],
      metadata: { a: 1 },
    });
    const changed = await service.call('PATCH', at(id), { body: { permissions: ['b'] } });
    expect(changed.body).toMatchObject({
      description: 'one',
      role: 'reader',
      permissions: ['b'],
      metadata: { a: 1 },
    });
    const cleared = await service.call('PATCH', at(id), {
      body: { description: null, role: null, metadata: null },
    });
    expect(cleared.body).toMatchObject({ description: null, role: null, permissions: ['b'], metadata: {} });
  });

  test('disabled, refuses its keys until it is enabled; doing either twice is doing it once', async () => {
    const { key, secret } = await service.key();
    const disabled = await service.call('POST', at(key.serviceAccountId, '/disable'));
    expect(disabled.body).toMatchObject({ status: 'disabled', disabledAt: expect.any(String) });
    expect(disabled.headers.has('Mintmark-Effective-By')).toBe(true);
    const before = await dumpTables();
    const again = await service.call('POST', at(key.serviceAccountId, '/disable'));
    expect(again.body).toEqual(disabled.body);
    expect(await dumpTables()).toEqual(before);
    expect(await service.verify(secret)).toMatchObject({ code: 'ACCOUNT_DISABLED' });
    expect((await service.call('GET', `/v1/api-keys/${key.id}`)).body.status).toBe('active');

    const enabled = await service.call('POST', at(key.serviceAccountId, '/enable'));
    expect(enabled.body).toMatchObject({ status: 'active', disabledAt: null });
    expect(enabled.headers.has('Mintmark-Effective-By')).toBe(false);
    expect(await service.verify(secret)).toMatchObject({ code: 'VALID' });
  });

  test('deleted, is gone, and its keys are revoked by who deleted it, in one change', async () => {
    const admin = await service.key({}, { role: 'admin' });
    const { key, secret } = await service.key();
    const changes = () => env.DB.prepare('SELECT count(*) AS n FROM changes').first<number>('n');
    const before = await changes();
    const answer = await service.call('DELETE', at(key.serviceAccountId), { credential: admin.secret });
    expect(answer).toMatchObject({ status: 204, text: '' });
    expect(answer.headers.has('Mintmark-Effective-By')).toBe(true);
    expect(await changes()).toBe((before ?? 0) + 1);
    expect(await service.verify(secret)).toMatchObject({ code: 'REVOKED' });
    for (const [method, path] of [
      ['GET', at(key.serviceAccountId)],
      ['DELETE', at(key.serviceAccountId)],
      ['POST', at(key.serviceAccountId, '/enable')],
      ['GET', at(key.serviceAccountId, '/api-keys')],
    ] as const) {
      expect(await service.call(method, path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
    const { body } = await service.call('GET', `/v1/api-keys/${key.id}`);
    expect(body).toMatchObject({
      status: 'revoked',
      revokedAt: expect.any(String),
      revokedBy: admin.key.serviceAccountId,
    });
    expect(await service.call('PATCH', `/v1/api-keys/${key.id}`, { body: { enabled: false } })).toMatchObject(
      {
        status: 409,
        body: { code: 'key_revoked' },
      },
    );
    expect((await service.call('POST', `/v1/api-keys/${key.id}/revoke`)).body.key.revokedAt).toBe(
      body.revokedAt,
    );
    const { body: revoked } = await service.call('GET', '/v1/api-keys?status=revoked');
    expect(revoked.data.map(({ id }: { id: string }) => id)).toContain(key.id);
  });

  test('says from when on a change is in force exactly where it takes something away', async () => {
    const { id } = await service.account({ permissions: ['a', 'b'], role: 'member' });
    const weakens = async (body: object) =>
      (await service.call('PATCH', at(id), { body })).headers.has('Mintmark-Effective-By');
    expect(await weakens({ description: 'new' })).toBe(false);
    expect(await weakens({ permissions: ['*'] })).toBe(false);
    expect(await weakens({ permissions: ['a'] })).toBe(true);
    expect(await weakens({ role: 'admin' })).toBe(false);
    expect(await weakens({ role: 'reader' })).toBe(true);
    expect(await weakens({ role: null })).toBe(true);
  });
});
