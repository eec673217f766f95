import { beforeEach, describe, expect, test } from 'vitest';

import {
  align,
  cutOff,
  putSnapshot,
  refuseKvWrites,
  snapshotInKv,
  strayKey,
  USABLE_MS,
} from '../support/edge.ts';
import { ROOT_KEY, TestService } from '../support/service.ts';

/** `edge` verifies; `office` is another isolate, where things are changed. */
let edge: TestService;
let office: TestService;

beforeEach(() => {
  edge = new TestService();
  office = new TestService();
  align(edge, office);
});

/** A body that arrives when the test lets it. */
function held(body: object): { readonly stream: ReadableStream; readonly letGo: () => void } {
  let letGo = (): void => undefined;
  const stream = new ReadableStream({
    start(controller) {
      letGo = () => {
        controller.enqueue(new TextEncoder().encode(JSON.stringify(body)));
        controller.close();
      };
    },
  });
  return { stream, letGo: () => letGo() };
}

describe('a caller that holds back its body', () => {
  test('is judged again when it has arrived: it gains no time after its revocation', async () => {
    const caller = await office.key({}, { permissions: ['mintmark:keys:verify'] });
    const { secret } = await office.key();
    await office.settle();
    await edge.upkeep();
    expect((await edge.call('GET', '/v1/whoami', { credential: caller.secret })).status).toBe(200);
    refuseKvWrites(office);
    const revoked = await office.call('POST', `/v1/api-keys/${caller.key.id}/revoke`);
    const effectiveBy = Date.parse(revoked.body.effectiveBy);
    edge.skip(USABLE_MS - 1);
    const { stream, letGo } = held({ key: secret });
    const answer = edge.call('POST', '/v1/api-keys/verify', { credential: caller.secret, body: stream });
    await new Promise((resolve) => setTimeout(resolve, 20));
    edge.skip(9_900);
    letGo();
    expect(edge.now()).toBeLessThan(effectiveBy);
    expect(await answer).toMatchObject({ status: 401, body: { code: 'invalid_credential' } });
  });

  test('costs nothing more when its body comes at once', async () => {
    const caller = await edge.key({}, { permissions: ['mintmark:keys:verify'] });
    const { secret } = await edge.key();
    await edge.upkeep();
    const io = await edge.ioOf(() =>
      edge.call('POST', '/v1/api-keys/verify', { credential: caller.secret, body: { key: secret } }),
    );
    expect(io.d1.filter(({ sql }) => !sql.some((text) => text.includes('key_usage')))).toEqual([]);
    expect(io.kv).toEqual([]);
  });
});

describe('a slug that changes hands', () => {
  async function minted(service: TestService, organization: string): Promise<string> {
    const { body } = await service.call('POST', '/v1/api-keys', {
      headers: { 'Mintmark-Organization': organization },
      body: { name: 'key', userId: 'ada', scopes: [] },
    });
    return body.secret;
  }
  const verify = async (service: TestService, slug: string, key: string, fields: object = {}) =>
    (
      await service.call('POST', '/v1/api-keys/verify', {
        headers: { 'Mintmark-Organization': slug },
        body: { key, ...fields },
      })
    ).body;

  test('names its new organization at once in the isolate that changed it, and for whoever asks D1', async () => {
    const slug = `slug-${crypto.randomUUID()}`;
    const old = await office.organization({ slug });
    const theirs = await minted(office, old.id);
    await office.settle();
    for (const service of [office, edge]) {
      await service.upkeep();
      expect(await verify(service, slug, theirs)).toMatchObject({ valid: true });
    }
    refuseKvWrites(office);
    const moved = await office.call('PATCH', `/v1/organizations/${old.id}`, {
      body: { slug: `${slug}-old` },
    });
    expect(Date.parse(moved.headers.get('Mintmark-Effective-By') ?? '')).toBe(office.now() + 120_000);
    const { id } = await office.organization({ slug });
    const ours = await minted(office, id);
    for (const [service, fields] of [
      [office, {}],
      [edge, { maxStaleness: 0 }],
    ] as const) {
      service.skip(60_000);
      expect(await verify(service, slug, ours, fields)).toMatchObject({ valid: true });
      expect(await verify(service, slug, theirs, fields)).toMatchObject({ code: 'NOT_FOUND' });
    }
  });
});

describe('an edge that is cut off from D1, while KV is fresh', () => {
  test('believes KV, whoever else asks for what D1 alone could say', async () => {
    const { key, secret } = await office.key();
    await office.settle();
    await edge.upkeep();
    expect(await edge.verify(secret)).toMatchObject({ valid: true });
    await office.call('POST', `/v1/api-keys/${key.id}/revoke`);
    await office.settle();
    cutOff(edge);
    for (const service of [edge, office]) service.skip(USABLE_MS + 1);
    for (let second = 0; second < 30; second += 2) {
      for (const service of [edge, office]) service.skip(2_000);
      await office.upkeep();
      await edge.call('POST', '/v1/api-keys/verify', { body: { key: secret, maxStaleness: 0 } });
      expect(await edge.verify(secret)).toMatchObject({ code: 'REVOKED' });
    }
  });

  test('reads the snapshot no more often than D1 is tried', async () => {
    const { secret } = await office.key();
    await office.settle();
    await edge.upkeep();
    await edge.verify(secret);
    const snapshot = await snapshotInKv();
    cutOff(edge);
    edge.skip(USABLE_MS + 1);
    if (snapshot !== null) await putSnapshot({ ...snapshot, knownAt: 0 });
    const io = await edge.ioOf(async () => {
      for (let time = 0; time < 20; time++) {
        expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true });
      }
    });
    expect(io.kv).toHaveLength(1);
  });
});

describe('a flood where no staleness is allowed', () => {
  test('does not keep out keys that the isolate has seen', async () => {
    const strict = new TestService({ MAX_STALENESS_SECONDS: '0' });
    const admin = await strict.key({}, { role: 'admin' });
    const { secret } = await strict.key();
    const from = { 'CF-Connecting-IP': '192.0.2.7' };
    const ask = (credential: string, key: string) =>
      strict.call('POST', '/v1/api-keys/verify', { credential, headers: from, body: { key } });
    for (let time = 0; time < 102; time++) {
      await ask(ROOT_KEY, strayKey());
      await strict.call('GET', '/v1/whoami', { credential: strayKey(), headers: from });
    }
    await strict.settle();
    expect((await ask(ROOT_KEY, strayKey())).status).toBe(429);
    expect((await ask(ROOT_KEY, secret)).body).toMatchObject({ valid: true, source: 'd1' });
    expect((await ask(admin.secret, secret)).body).toMatchObject({ valid: true });
    expect(
      (await strict.call('GET', '/v1/api-keys', { credential: admin.secret, headers: from })).status,
    ).toBe(200);
  });
});

test('guesses at the root key are limited where readiness tells root more, too', async () => {
  const from = { 'CF-Connecting-IP': '192.0.2.8' };
  const ready = (credential: string) => edge.call('GET', '/health/ready', { credential, headers: from });
  expect((await ready(ROOT_KEY)).body).toHaveProperty('database');
  for (let time = 0; time < 102; time++) await ready(`a-guess-of-the-root-key-${time}`);
  await edge.settle();
  expect((await ready(ROOT_KEY)).body).not.toHaveProperty('database');
});
