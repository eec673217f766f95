import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { TestService } from '../support/service.ts';

let service: TestService;

beforeEach(() => {
  service = new TestService();
});

const rotate = async (by: TestService, id: string, body: object = { gracePeriod: '30d' }) =>
  (await by.call('POST', `/v1/api-keys/${id}/rotate`, { body })).body;

/** Lets something happen right before each of the next so many batches reaches D1. */
function before(times: number, meanwhile: (round: number) => Promise<unknown>): void {
  let round = 0;
  service.d1Hooks.beforeBatch = async () => {
    if (round < times) await meanwhile(round++);
  };
}

describe('revoking a lineage', () => {
  test.each([1, 3])('ends what was rotated from it meanwhile, %i times over', async (times) => {
    const first = await service.key();
    const secrets = [first.secret];
    let head: string = first.key.id;
    before(times, async () => {
      const rotated = await rotate(new TestService(), head);
      secrets.push(rotated.secret);
      head = rotated.key.id;
    });
    const answer = await service.call('POST', `/v1/api-keys/${first.key.id}/revoke`, {
      body: { lineage: true },
    });
    expect(answer.status).toBe(200);
    expect(secrets.length).toBeGreaterThan(1);
    for (const secret of secrets) {
      expect(await service.verify(secret, { maxStaleness: 0 })).toMatchObject({ code: 'REVOKED' });
    }
  });

  test('by the key itself is judged again when it was rotated meanwhile', async () => {
    const own = await service.key({}, { role: 'member' });
    let successor = '';
    before(1, async () => {
      successor = (await rotate(new TestService(), own.key.id)).secret;
    });
    await service.call('POST', `/v1/api-keys/${own.key.id}/revoke`, {
      credential: own.secret,
      body: { lineage: true },
    });
    for (const secret of [own.secret, successor]) {
      expect(await service.verify(secret, { maxStaleness: 0 })).toMatchObject({ code: 'REVOKED' });
    }
  });
});

describe('the first use of a successor', () => {
  test('ends the old key however often the successor is changed meanwhile', async () => {
    const first = await service.key();
    const rotated = await rotate(service, first.key.id, { untilFirstUse: true });
    service.d1Hooks.rewrite = (batch, db) => [
      db.prepare('UPDATE api_keys SET revision = revision + 1').bind(),
      ...batch,
    ];
    await service.verify(rotated.secret);
    await service.settle();
    delete service.d1Hooks.rewrite;
    expect(await service.verify(first.secret, { maxStaleness: 0 })).toMatchObject({ code: 'REVOKED' });
  });

  test('ends a whole chain of such successors', async () => {
    const first = await service.key();
    const second = await rotate(service, first.key.id, { untilFirstUse: true });
    const third = await rotate(service, second.key.id, { untilFirstUse: true });
    await service.verify(third.secret);
    await service.settle();
    for (const secret of [first.secret, second.secret]) {
      expect(await service.verify(secret, { maxStaleness: 0 })).toMatchObject({ code: 'REVOKED' });
    }
    expect(await service.verify(third.secret, { maxStaleness: 0 })).toMatchObject({ code: 'VALID' });
  });
});

describe('maxLiveKeys', () => {
  test('counts a rotated key again once its successor has ended', async () => {
    const organization = await service.organization({ maxLiveKeys: 1, personalKeyPermissions: [] });
    const headers = { 'Mintmark-Organization': organization.slug };
    const mint = () =>
      service.call('POST', '/v1/api-keys', { headers, body: { name: 'key', userId: 'ada', scopes: [] } });
    const { body } = await mint();
    const rotated = await service.call('POST', `/v1/api-keys/${body.key.id}/rotate`, {
      headers,
      body: { gracePeriod: '30d' },
    });
    await service.call('POST', `/v1/api-keys/${rotated.body.key.id}/revoke`, { headers });
    expect(await mint()).toMatchObject({ status: 402, body: { code: 'quota_exceeded' } });
  });

  test('reads no expired key', async () => {
    const organization = await service.organization({ maxLiveKeys: 10, personalKeyPermissions: [] });
    const headers = { 'Mintmark-Organization': organization.slug };
    const mint = () =>
      service.call('POST', '/v1/api-keys', { headers, body: { name: 'key', userId: 'ada', scopes: [] } });
    const { body } = await mint();
    const { results } = await env.DB.prepare("SELECT name FROM pragma_table_info('api_keys')").all<{
      name: string;
    }>();
    const columns = results.map(({ name }) => name);
    const changed: Record<string, string> = {
      id: "'key_0' || printf('%023d', i)",
      digest: "printf('%064d', i)",
      expires_at: '1',
    };
    await env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
       INSERT INTO api_keys (${columns.join(', ')})
       SELECT ${columns.map((column) => changed[column] ?? column).join(', ')} FROM api_keys, n WHERE id = ?`,
    )
      .bind(body.key.id)
      .run();
    const io = await service.ioOf(async () => expect((await mint()).status).toBe(201));
    expect(io.d1.reduce((sum, { rowsRead }) => sum + rowsRead, 0)).toBeLessThan(30);
  });
});
