import { env } from 'cloudflare:workers';
import { describe, expect, test } from 'vitest';

import manifest from '../../package.json' with { type: 'json' };
import { createMisconfiguredApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { IDLE_PLATFORM } from '../support/platform.ts';
import { ROOT_KEY, TestService } from '../support/service.ts';

describe('every answer', () => {
  test.each([
    ['GET', '/health'],
    ['GET', '/v1/whoami'],
    ['GET', '/nowhere'],
    ['DELETE', '/health'],
  ])('%s %s has its id, kept where it is a good one, and is not stored', async (method, path) => {
    const service = new TestService();
    for (const [sent, isKept] of [
      ['abcdefgh', true],
      ['A-z_0'.repeat(12), true],
      ['short', false],
      ['a'.repeat(65), false],
      ['with space and more', false],
    ] as const) {
      const { headers } = await service.call(method, path, { headers: { 'X-Request-Id': sent } });
      expect(headers.get('X-Request-Id') === sent).toBe(isKept);
      expect(headers.get('X-Request-Id')).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
      expect(headers.get('Cache-Control')).toBe('no-store');
    }
  });

  test('has an id of its own where a credential was sent as one', async () => {
    const service = new TestService();
    const { secret } = await service.key();
    for (const [id, credential] of [
      [secret, ROOT_KEY],
      [ROOT_KEY, ROOT_KEY],
    ] as const) {
      const answer = await service.call('GET', '/v1/whoami', { credential, headers: { 'X-Request-Id': id } });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('X-Request-Id')).not.toBe(id);
    }
  });

  test('has no CORS headers, and a preflight is refused', async () => {
    const service = new TestService();
    const answer = await service.call('OPTIONS', '/v1/api-keys', {
      headers: { Origin: 'https://example.com' },
    });
    expect(answer.status).toBe(405);
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

test('an unknown path is 404; a known one with another method is 405 and says which it has', async () => {
  const service = new TestService();
  expect(await service.call('GET', '/v2')).toMatchObject({ status: 404, body: { code: 'not_found' } });
  const answer = await service.call('PUT', '/v1/service-accounts');
  expect(answer).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } });
  expect(answer.headers.get('Allow')).toBe('GET, POST');
});

test('/.well-known/mintmark publishes a pattern that finds keys in text', async () => {
  const service = new TestService();
  const { body } = await service.call('GET', '/.well-known/mintmark', { credential: null });
  expect(body).toMatchObject({ name: 'mintmark', version: manifest.version, key: { version: 1 } });
  const { secret } = await service.key();
  expect(`leaked: "${secret}".`.match(new RegExp(body.key.pattern))?.[0]).toBe(secret);
});

describe('health', () => {
  test('is ok while the process answers', async () => {
    const answer = await new TestService().call('GET', '/health', { credential: null });
    expect(answer).toMatchObject({ status: 200, body: { status: 'ok', version: manifest.version } });
  });

  test('ready asks D1 and KV, and remembers for five seconds', async () => {
    const service = new TestService();
    const ready = () => service.call('GET', '/health/ready', { credential: null });
    const io = await service.ioOf(async () => {
      for (let index = 0; index < 5; index++) {
        expect(await ready()).toMatchObject({ status: 200, body: { status: 'ok', rootKey: 'ok' } });
      }
    });
    expect([io.d1.length, io.kv.length]).toEqual([1, 1]);
    await service.advance(5_000);
    expect((await service.ioOf(ready)).d1).toHaveLength(1);
  });

  test.each(['database', 'cache'] as const)(
    'not ready without the %s, and only root learns which',
    async (broken) => {
      const service = new TestService();
      const fail = () => {
        throw new Error('down');
      };
      if (broken === 'database') service.d1Hooks.before = fail;
      else service.kvHooks.before = fail;
      const anyone = await service.call('GET', '/health/ready', { credential: null });
      expect(anyone.status).toBe(503);
      expect(Object.keys(anyone.body).toSorted()).toEqual(['rootKey', 'status', 'version']);
      expect(anyone.headers.get('Retry-After')).toMatch(/^[0-9]+$/);
      const root = await service.call('GET', '/health/ready');
      expect(root.body).toMatchObject({ database: 'ok', cache: 'ok', [broken]: 'failing' });
    },
  );
});

describe('a deployment that is not configured', () => {
  const faultsOf = (variables: object) => {
    const read = readConfig({ ...env, ...variables });
    return 'faults' in read ? read.faults : [];
  };

  test.each([
    [{ DB: undefined }, 'DB'],
    [{ CACHE: undefined }, 'CACHE'],
    [{ MAX_STALENESS_SECONDS: 'soon' }, 'MAX_STALENESS_SECONDS'],
    [{ MAX_STALENESS_SECONDS: '-1' }, 'MAX_STALENESS_SECONDS'],
    [{ MAX_STALENESS_SECONDS: '3601' }, 'MAX_STALENESS_SECONDS'],
  ])('answers every call with what is missing: %j', async (variables, path) => {
    const app = createMisconfiguredApp(faultsOf(variables), IDLE_PLATFORM);
    for (const asked of ['/health', '/v1/whoami', '/nowhere']) {
      const response = await app.request(asked);
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ code: 'misconfigured', errors: [{ path }] });
      expect(response.headers.get('Cache-Control')).toBe('no-store');
    }
  });

  test('names everything at once', () => {
    expect(faultsOf({ DB: undefined, CACHE: undefined }).map(({ path }) => path)).toEqual(['DB', 'CACHE']);
  });

  test('says so when the migrations were not applied', async () => {
    const service = new TestService();
    service.d1Hooks.before = () => {
      throw new Error('D1_ERROR: no such table: api_keys: SQLITE_ERROR');
    };
    expect(await service.call('GET', '/v1/api-keys')).toMatchObject({
      status: 503,
      body: { code: 'misconfigured', errors: [{ path: 'DB', message: 'apply the migrations' }] },
    });
  });
});
