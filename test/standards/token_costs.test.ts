import { env } from 'cloudflare:workers';
import { describe, expect, test } from 'vitest';

import { align, count, cutOff, edgeAndOffice, emptyKv, strayKey } from '../support/edge.ts';
import { ROOT_KEY, TestService } from '../support/service.ts';
import { genuinely, jws, taken } from './jws.ts';
import { getToken, newClient, post, revoke, whoami } from './tokens.ts';

const NOTHING = { d1: 0, reads: 0, puts: 0 };
const ADMIN = { permissions: ['*'], role: 'admin' };

describe('costs of a token', () => {
  /** Makes changes. */
  const fresh = async () => {
    const { edge, office } = await edgeAndOffice();
    const made = await newClient(office, ADMIN);
    return { edge, office, made };
  };
  const cold = (near: TestService) => {
    const isolate = new TestService();
    align(isolate, near);
    return isolate;
  };

  test('in memory nothing, whatever its verdict, by any of its key’s tokens and the key itself', async () => {
    const { edge, office, made } = await fresh();
    const tokens = await Promise.all([1, 2, 3].map(() => getToken(office, made)));
    const narrow = await getToken(office, made, { scope: 'files:read' });
    await revoke(office, made.secret, tokens[0] ?? '');
    await office.settle();
    await edge.upkeep();
    for (const known of [tokens[1] ?? '', made.secret]) await edge.verify(known, { maxStaleness: 0 });
    for (const [token, fields, code] of [
      [tokens[0], {}, 'REVOKED'],
      [tokens[1], {}, 'VALID'],
      [tokens[2], {}, 'VALID'],
      [narrow, { scopes: ['files:write'] }, 'INSUFFICIENT_SCOPE'],
      [made.secret, {}, 'VALID'],
    ] as const) {
      const io = await edge.ioOf(async () => {
        expect(await edge.verify(token ?? '', fields)).toMatchObject({ code, source: 'memory' });
      });
      expect(count(io)).toEqual(NOTHING);
      expect(io.limits).toEqual([]);
    }
    const io = await edge.ioOf(async () => {
      expect((await whoami(edge, tokens[1] ?? '')).status).toBe(200);
    });
    expect(count(io)).toEqual(NOTHING);
  });

  test('in KV one read for an isolate that serves; without it one query of D1, and KV is put', async () => {
    const { edge, office, made } = await fresh();
    const token = await getToken(office, made);
    await office.settle();
    await office.upkeep();
    await edge.upkeep();
    const readKv = await edge.ioOf(async () => {
      expect(await edge.verify(token)).toMatchObject({ valid: true, source: 'd1' });
    });
    expect(count(readKv)).toEqual({ d1: 1, reads: 1, puts: 1 });
    const other = cold(office);
    await other.upkeep();
    const io = await other.ioOf(async () => {
      expect(await other.verify(token)).toMatchObject({ valid: true, source: 'kv' });
    });
    expect(count(io)).toEqual({ d1: 0, reads: 1, puts: 0 });
    expect(count(await other.ioOf(() => other.verify(token)))).toEqual(NOTHING);
  });

  test('as many as there are in one call, no more than one', async () => {
    const { edge, office, made } = await fresh();
    const tokens = await Promise.all(Array.from({ length: 100 }, () => getToken(office, made)));
    await office.settle();
    await emptyKv(office);
    await edge.upkeep();
    const usedFrom = { ip: null, userAgent: null };
    const io = await edge.ioOf(() =>
      edge.verifier.verifyMany(
        [...tokens.slice(0, 99), made.secret].map((key) => ({
          key,
          organizationId: null,
          scopes: [],
          usedFrom,
        })),
      ),
    );
    expect(count(io)).toMatchObject({ d1: 1, reads: 1 });
  });

  test('that is managed by: one query for its caller', async () => {
    const { office, made } = await fresh();
    const token = await getToken(office, made);
    const path = `/v1/service-accounts/${made.id}`;
    const by = async (credential: string) => {
      const io = await office.ioOf(() => office.call('GET', path, { credential }));
      return { calls: count(io), rows: io.d1.map(({ rowsRead }) => rowsRead) };
    };
    expect(await by(token)).toMatchObject({ calls: { d1: 2, reads: 0, puts: 0 } });
    expect((await by(token)).calls).toEqual((await by(made.secret)).calls);
  });

  test('few rows of D1, with thousands of keys and of others’ revoked tokens there', async () => {
    const { edge, office, made } = await fresh();
    const token = await getToken(office, made);
    await env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
       INSERT INTO revoked_tokens (id, key_id, expires_at) SELECT 'key_other.' || i, 'key_other' || i % 50, 9e15 FROM n`,
    ).run();
    await emptyKv(office);
    await edge.upkeep();
    const io = await edge.ioOf(() => edge.verify(token));
    expect(io.d1).toHaveLength(1);
    // The key, its account, its organization, the newest change, the generation.
    expect(io.d1[0]?.rowsRead).toBeLessThanOrEqual(7);
    const ended = await office.ioOf(() => revoke(office, made.secret, token));
    const about = ({ d1 }: typeof io) =>
      d1
        .filter(({ sql }) => sql.some((text) => text.includes('revoked_tokens')))
        .map(({ rowsRead }) => rowsRead);
    // The caller, the key twice, and the change.
    expect(about(ended)).toHaveLength(4);
    expect(Math.max(...about(ended))).toBeLessThanOrEqual(16);
    const upkeep = about(await office.ioOf(() => office.upkeep()));
    expect(upkeep).toHaveLength(1);
    expect(Math.max(...upkeep)).toBeLessThanOrEqual(1);
    await env.DB.prepare("DELETE FROM revoked_tokens WHERE key_id LIKE 'key_other%'").run();
  });

  test('of an unknown key no more than an unknown key: it is remembered, and counted against who asks', async () => {
    const { edge, made, office } = await fresh();
    const { header, payload } = taken(await getToken(office, made));
    const key_id = `${made.keyId.slice(0, -6)}000000`;
    const token = await jws(header, { ...payload, key_id }, genuinely);
    await edge.upkeep();
    const first = await edge.ioOf(async () => {
      expect(await edge.verify(token)).toMatchObject({ code: 'NOT_FOUND', source: 'd1' });
    });
    expect(count(first)).toEqual({ d1: 1, reads: 1, puts: 0 });
    expect(first.limits).toHaveLength(1);
    expect(count(await edge.ioOf(() => edge.verify(token)))).toEqual(NOTHING);
  });
});

test('a token whose key nobody has seen yet passes in a flood of unknown keys', async () => {
  const { edge, office } = await edgeAndOffice();
  const made = await newClient(office, ADMIN);
  const token = await getToken(office, made);
  await emptyKv(office);
  const headers = { 'CF-Connecting-IP': '192.0.2.11' };
  const list = (credential: string) => edge.call('GET', '/v1/api-keys', { credential, headers });
  const statusOf = async (credential: string) => (await whoami(edge, credential, headers)).status;
  // A hundred within a minute, and a minute may end in between.
  for (let time = 0; time < 250 && (await statusOf(strayKey())) !== 429; time++) await edge.settle();
  expect((await list(strayKey())).status).toBe(429);
  expect((await list(token)).status).toBe(200);
  expect(await statusOf(token)).toBe(200);
});

describe('where D1 is out of reach', () => {
  test('tokens of known keys go on, as their keys do, and are not managed by', async () => {
    const { edge, office } = await edgeAndOffice();
    const made = await newClient(office, ADMIN);
    const tokens = [await getToken(office, made), await getToken(office, made)];
    await office.settle();
    await office.upkeep();
    expect(await edge.verify(tokens[0] ?? '')).toMatchObject({ valid: true });
    cutOff(edge);
    for (const token of tokens) {
      expect(await edge.verify(token)).toMatchObject({ valid: true });
      expect((await edge.call('GET', '/v1/api-keys', { credential: token })).status).toBe(503);
    }
    // The outage does not lengthen a token's life.
    edge.skip(300_000);
    expect(await edge.verify(tokens[1] ?? '')).toMatchObject({ code: 'EXPIRED', degraded: true });
    expect(await edge.verify(made.secret)).toMatchObject({ valid: true, degraded: true });
  });

  test('KV is not believed of a token’s key where it may not have heard of its end', async () => {
    const { edge, office } = await edgeAndOffice();
    const made = await newClient(office, ADMIN);
    const token = await getToken(office, made);
    await office.settle();
    expect(await edge.verify(token)).toMatchObject({ valid: true });
    await edge.settle();
    await office.call('POST', `/v1/api-keys/${made.keyId}/revoke`);
    await office.settle();
    await env.CACHE.delete('changes:1');
    const cold = new TestService();
    align(cold, office);
    cutOff(cold);
    const ask = (key: string) => cold.call('POST', '/v1/api-keys/verify', { body: { key } });
    expect((await ask(token)).status).toBe(503);
    expect((await ask(made.secret)).body).toMatchObject({ valid: false, code: 'REVOKED' });
  });

  test('and the key is not known either, it is 503, and never a yes or a no', async () => {
    const { edge, office } = await edgeAndOffice();
    const made = await newClient(office, ADMIN);
    const token = await getToken(office, made);
    await emptyKv(office);
    cutOff(edge);
    const answer = await edge.call('POST', '/v1/api-keys/verify', { body: { key: token } });
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect((await whoami(edge, token)).status).toBe(503);
    expect((await post(edge, 'introspect', { token }, { Authorization: `Bearer ${ROOT_KEY}` })).status).toBe(
      503,
    );
  });
});
