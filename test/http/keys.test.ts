import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { apiKey, mintedKey, revokedKey } from '../../src/contract/api_keys.ts';
import { verdict, whoami } from '../../src/contract/verdict.ts';
import { dumpTables, TestService } from '../support/service.ts';

let service: TestService;

beforeEach(() => {
  service = new TestService();
});

const patch = (id: string, body: object) => service.call('PATCH', `/v1/api-keys/${id}`, { body });
const get = async (id: string) => (await service.call('GET', `/v1/api-keys/${id}`)).body;
const inDays = (days: number) =>
  new Date(Math.floor(service.now() / 1_000) * 1_000 + days * 86_400_000).toISOString();

describe('minting', () => {
  test('for an account answers with the whole key and its secret, as the contract has them', async () => {
    const account = await service.account({ permissions: ['files:*'] });
    const answer = await service.call('POST', `/v1/service-accounts/${account.id}/api-keys`, {
      body: {
        name: 'deploy',
        description: 'from CI',
        environment: 'test',
        expiresIn: '30d',
        scopes: ['files:read', 'files:read'],
        metadata: { team: 'core', nested: { deep: [1, null, 'x'] } },
      },
    });
    expect(answer.status).toBe(201);
    const { key, secret } = mintedKey.parse(answer.body);
    expect(key).toMatchObject({
      organizationId: 'org_000000000000000000000000',
      serviceAccountId: account.id,
      userId: null,
      name: 'deploy',
      description: 'from CI',
      environment: 'test',
      scopes: ['files:read'],
      metadata: { team: 'core', nested: { deep: [1, null, 'x'] } },
      status: 'active',
      enabled: true,
      createdBy: 'root',
      updatedBy: 'root',
      lastUsedAt: null,
      revokedAt: null,
    });
    expect(secret).toMatch(/^mk_test_[0-9A-Za-z]{38}$/);
    expect(secret.startsWith(key.start)).toBe(true);
    expect(key.start).toHaveLength('mk_test_'.length + 4);
    expect(secret.endsWith(key.fingerprint)).toBe(true);
    expect(Date.parse(key.expiresAt ?? '') - Date.parse(key.createdAt)).toBe(30 * 86_400_000);
    expect(await get(key.id)).toEqual(key);
  });

  test('by an account’s key names that account, and its audit event the key', async () => {
    const admin = await service.key({}, { role: 'admin' });
    const answer = await service.call('POST', '/v1/service-accounts', {
      credential: admin.secret,
      body: { name: crypto.randomUUID() },
      headers: { 'X-Request-Id': 'request-12345', 'CF-Connecting-IP': '192.0.2.9', 'User-Agent': 'curl/8' },
    });
    expect(answer.body.createdBy).toBe(admin.key.serviceAccountId);
    expect(answer.headers.get('X-Request-Id')).toBe('request-12345');
    const event = await env.DB.prepare('SELECT * FROM audit_events WHERE target_id = ?')
      .bind(answer.body.id)
      .first();
    expect(event).toMatchObject({
      action: 'service_account.created',
      actor_type: 'service_account',
      actor_id: admin.key.serviceAccountId,
      credential_id: admin.key.id,
      target_type: 'service_account',
      request_id: 'request-12345',
      ip: '192.0.2.9',
      user_agent: 'curl/8',
    });
  });

  test('uses the organization’s brand', async () => {
    await env.DB.prepare("UPDATE organizations SET key_prefix = 'acme2' WHERE slug = 'default'").run();
    const branded = await service.key();
    await env.DB.prepare("UPDATE organizations SET key_prefix = 'mk' WHERE slug = 'default'").run();
    expect(branded.secret).toMatch(/^acme2_live_/);
    expect(await service.verify(branded.secret)).toMatchObject({ valid: true });
  });

  test('for a disabled account is a conflict', async () => {
    const account = await service.account();
    await service.call('POST', `/v1/service-accounts/${account.id}/disable`);
    const answer = await service.call('POST', `/v1/service-accounts/${account.id}/api-keys`, {
      body: { name: 'key' },
    });
    expect(answer).toMatchObject({ status: 409, body: { code: 'account_disabled' } });
  });

  test('respects the organization’s longest lifetime', async () => {
    await env.DB.prepare("UPDATE organizations SET max_key_lifetime = '90d' WHERE slug = 'default'").run();
    const account = await service.account();
    const mint = (body: object) =>
      service.call('POST', `/v1/service-accounts/${account.id}/api-keys`, { body: { name: 'key', ...body } });
    const answers = [await mint({}), await mint({ expiresIn: '91d' }), await mint({ expiresIn: '90d' })];
    await env.DB.prepare("UPDATE organizations SET max_key_lifetime = NULL WHERE slug = 'default'").run();
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 201]);
    expect(answers[0]?.body.errors).toEqual([
      { path: 'expiresAt', message: expect.stringContaining('maxKeyLifetime') },
    ]);
  });
});

describe('a verdict', () => {
  test('tells what is known of a valid key', async () => {
    const { key, secret } = await service.key(
      { metadata: { plan: 'pro' }, expiresIn: '1d' },
      { permissions: ['files:*'] },
    );
    const body = verdict.parse(await service.verify(secret, { scopes: ['files:read'], environment: 'live' }));
    expect(body).toEqual({
      valid: true,
      code: 'VALID',
      keyId: key.id,
      organizationId: 'org_000000000000000000000000',
      serviceAccountId: key.serviceAccountId,
      name: 'a key',
      environment: 'live',
      scopes: ['files:*'],
      metadata: { plan: 'pro' },
      expiresAt: (await get(key.id)).expiresAt,
      source: 'memory',
      ageSeconds: 0,
    });
  });

  test('of refusal after the look-up tells whose key it is, and nothing of what it could do', async () => {
    const { key, secret } = await service.key({ metadata: { plan: 'pro' } }, { permissions: ['files:*'] });
    const body = verdict.parse(await service.verify(secret, { scopes: ['other:read'] }));
    expect(body).toEqual({
      valid: false,
      code: 'INSUFFICIENT_SCOPE',
      keyId: key.id,
      organizationId: 'org_000000000000000000000000',
      serviceAccountId: key.serviceAccountId,
      name: 'a key',
      source: 'memory',
      ageSeconds: 0,
    });
  });

  test('of refusal before it tells nothing', async () => {
    const { secret } = await service.key();
    expect(await service.verify('nonsense')).toEqual({
      valid: false,
      code: 'MALFORMED',
      source: 'none',
      ageSeconds: 0,
    });
    await env.DB.prepare('DELETE FROM api_keys WHERE start = ?').bind(secret.slice(0, 12)).run();
    expect(await service.verify(secret, { maxStaleness: 0 })).toEqual({
      valid: false,
      code: 'NOT_FOUND',
      source: 'd1',
      ageSeconds: 0,
    });
  });

  test('of a person’s key names the person', async () => {
    const { secret } = await service.key({ userId: 'ada@example.com', scopes: [] });
    const body = await service.verify(secret);
    expect(body).toMatchObject({ valid: true, userId: 'ada@example.com', scopes: [] });
    expect(body).not.toHaveProperty('serviceAccountId');
  });
});

test('whoami tells what a credential is and may do', async () => {
  const { key, secret } = await service.key({ scopes: ['files:read'] }, { permissions: ['files:*'] });
  const ask = async (credential: string) =>
    whoami.parse((await service.call('GET', '/v1/whoami', { credential })).body);
  expect(await ask(secret)).toEqual({
    type: 'service_account',
    id: key.serviceAccountId,
    organizationId: 'org_000000000000000000000000',
    scopes: ['files:read'],
    key: { id: key.id, name: 'a key', environment: 'live', expiresAt: null },
  });
  const personal = await service.key({ userId: 'ada', scopes: [] });
  expect(await ask(personal.secret)).toMatchObject({ type: 'user', id: 'ada', scopes: [] });
  expect(await ask(env.MINTMARK_ROOT_KEY)).toEqual({
    type: 'root',
    id: 'root',
    organizationId: 'org_000000000000000000000000',
    scopes: ['*', 'mintmark:*'],
    key: null,
  });
});

describe('a change to a key', () => {
  test('leaves what is absent and clears what is null', async () => {
    const { key } = await service.key(
      { description: 'first', scopes: ['a'], metadata: { a: 1 }, expiresIn: '1d' },
      { permissions: ['a', 'b'] },
    );
    const renamed = await patch(key.id, { name: 'renamed' });
    expect(apiKey.parse(renamed.body)).toMatchObject({
      name: 'renamed',
      description: 'first',
      scopes: ['a'],
    });
    const cleared = await patch(key.id, { description: null, scopes: null, metadata: null, expiresAt: null });
    expect(cleared.body).toMatchObject({
      name: 'renamed',
      description: null,
      scopes: null,
      metadata: {},
      expiresAt: null,
    });
    expect(await get(key.id)).toEqual(cleared.body);
  });

  test('is told in the audit trail by what it changed', async () => {
    const { key } = await service.key();
    const expiresAt = inDays(7);
    await patch(key.id, { name: 'renamed', expiresAt, enabled: false });
    const event = await env.DB.prepare(
      "SELECT changes FROM audit_events WHERE target_id = ? AND action = 'api_key.updated'",
    )
      .bind(key.id)
      .first<{ changes: string }>();
    expect(JSON.parse(event?.changes ?? '')).toEqual({
      name: { from: 'a key', to: 'renamed' },
      expiresAt: { from: null, to: expiresAt },
      enabled: { from: true, to: false },
    });
  });

  test('that changes nothing writes nothing', async () => {
    const { key } = await service.key();
    const before = await dumpTables();
    for (const body of [{}, { name: 'a key' }, { enabled: true, scopes: null }]) {
      expect((await patch(key.id, body)).status).toBe(200);
    }
    expect(await service.call('PATCH', `/v1/api-keys/${key.id}`)).toMatchObject({ status: 200 });
    expect(await dumpTables()).toEqual(before);
  });

  test('disables and enables, and the verdict follows', async () => {
    const { key, secret } = await service.key();
    expect((await patch(key.id, { enabled: false })).body).toMatchObject({
      status: 'disabled',
      enabled: false,
    });
    expect(await service.verify(secret)).toMatchObject({ code: 'DISABLED' });
    expect((await patch(key.id, { enabled: true })).body).toMatchObject({ status: 'active' });
    expect(await service.verify(secret)).toMatchObject({ code: 'VALID' });
  });

  test('of a revoked key is a conflict', async () => {
    const { key } = await service.key();
    await service.call('POST', `/v1/api-keys/${key.id}/revoke`);
    expect(await patch(key.id, { name: 'late' })).toMatchObject({
      status: 409,
      body: { code: 'key_revoked' },
    });
  });

  test('cannot bring an expired key back, but may rename it', async () => {
    const { key, secret } = await service.key({ expiresIn: '1d' });
    await service.advance(2 * 86_400_000);
    for (const expiresAt of [inDays(7), null]) {
      expect(await patch(key.id, { expiresAt })).toMatchObject({
        status: 409,
        body: { code: 'key_expired' },
      });
    }
    expect(await patch(key.id, { name: 'late' })).toMatchObject({ status: 200, body: { status: 'expired' } });
    expect(await service.verify(secret)).toMatchObject({ code: 'EXPIRED' });
  });

  test('says from when on it is in force exactly where it takes something away', async () => {
    const { key } = await service.key({ scopes: ['a', 'b'], expiresIn: '9d' }, { permissions: ['a', 'b'] });
    const weakens = async (body: object) => (await patch(key.id, body)).headers.has('Mintmark-Effective-By');
    expect(await weakens({ name: 'renamed' })).toBe(false);
    expect(await weakens({ scopes: ['a'] })).toBe(true);
    expect(await weakens({ scopes: ['a', 'b'] })).toBe(false);
    expect(await weakens({ scopes: ['b', 'c'] })).toBe(true);
    expect(await weakens({ expiresAt: inDays(8) })).toBe(true);
    expect(await weakens({ expiresAt: inDays(10) })).toBe(false);
    expect(await weakens({ enabled: false })).toBe(true);
    expect(await weakens({ enabled: true })).toBe(false);
    expect(await weakens({ scopes: null })).toBe(false);
    expect(await weakens({ scopes: [] })).toBe(true);
  });
});

describe('revoking', () => {
  test('ends a key for good, says why and by when, and a second call tells the first', async () => {
    const { key, secret } = await service.key();
    const path = `/v1/api-keys/${key.id}/revoke`;
    const first = await service.call('POST', path, { body: { reason: 'leaked in a log' } });
    const body = revokedKey.parse(first.body);
    expect(body.key).toMatchObject({
      status: 'revoked',
      revokedBy: 'root',
      revocationReason: 'leaked in a log',
    });
    expect(first.headers.get('Mintmark-Effective-By')).toBe(body.effectiveBy);
    const boundMs = Date.parse(body.effectiveBy) - Date.parse(body.key.revokedAt ?? '');
    expect(boundMs).toBeGreaterThanOrEqual(120_000);
    expect(boundMs).toBeLessThan(125_000);
    expect(await service.verify(secret)).toMatchObject({ code: 'REVOKED' });

    await service.advance(60_000);
    const second = await service.call('POST', path, { body: { reason: 'again' } });
    expect(second.status).toBe(200);
    expect(second.body.key).toEqual(body.key);
    expect(Date.parse(second.body.effectiveBy)).toBeGreaterThanOrEqual(Date.parse(body.effectiveBy));
  });

  test('and deleting at the same moment are two things that both happen', async () => {
    const { key } = await service.key();
    await service.call('POST', `/v1/api-keys/${key.id}/revoke`, { body: { reason: 'leaked' } });
    expect(await service.call('DELETE', `/v1/api-keys/${key.id}`)).toMatchObject({ status: 204 });
    const event = await env.DB.prepare(
      "SELECT changes FROM audit_events WHERE target_id = ? AND action = 'api_key.deleted'",
    )
      .bind(key.id)
      .first<{ changes: string }>();
    expect(Object.keys(JSON.parse(event?.changes ?? '{}'))).toEqual(['deletedAt']);
  });

  test('by deleting takes the key out of sight, and it stays revoked', async () => {
    const { key, secret } = await service.key();
    const answer = await service.call('DELETE', `/v1/api-keys/${key.id}`);
    expect(answer).toMatchObject({ status: 204, text: '' });
    expect(answer.headers.get('Mintmark-Effective-By')).toEqual(expect.any(String));
    expect(await service.verify(secret)).toMatchObject({ code: 'REVOKED' });
    expect(await service.call('GET', `/v1/api-keys/${key.id}`)).toMatchObject({ status: 404 });
    expect(await service.call('DELETE', `/v1/api-keys/${key.id}`)).toMatchObject({ status: 404 });
    expect((await service.call('GET', '/v1/api-keys')).text).not.toContain(key.id);
    const events = await env.DB.prepare('SELECT count(*) AS n FROM audit_events WHERE target_id = ?')
      .bind(key.id)
      .first('n');
    expect(events).toBe(2);
  });
});
