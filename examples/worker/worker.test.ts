import { createClient, orThrow } from 'mintmark/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestHarness } from 'wrangler';

const ROOT_KEY = 'example-test-root-key-0123456789-abcdefgh';

const harness = createTestHarness({
  workers: [
    { configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY } },
    { configPath: 'examples/worker/wrangler.toml' },
  ],
});

beforeAll(async () => {
  await harness.listen();
  await harness.getWorker<{ DB: D1Database }>('mintmark').applyD1Migrations('DB');
});

afterAll(() => harness.close());

const keys = createClient({
  service: { fetch: (url, init) => harness.getWorker('mintmark').fetch(url, init) },
  credential: ROOT_KEY,
});

async function keyWith(...permissions: string[]) {
  const account = orThrow(await keys.serviceAccounts.create({ name: crypto.randomUUID(), permissions }));
  return orThrow(await keys.keys.create({ name: 'a key', serviceAccountId: account.id }));
}

/** The status of a call of the example. */
async function call(method: string, path: string, key?: string): Promise<number> {
  const headers = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  const response = await harness
    .getWorker('mintmark-example')
    .fetch(`http://example${path}`, { method, headers });
  await response.body?.cancel();
  return response.status;
}

it('shows its front page to everyone, and files to nobody without a key', async () => {
  expect(await call('GET', '/')).toBe(200);
  expect(await call('GET', '/api/files/report')).toBe(401);
  expect(await call('GET', '/api/files/report', 'nonsense')).toBe(401);
  expect(await call('GET', `/api/files/report?access_token=${(await keyWith('*')).secret}`)).toBe(401);
});

it('lets a key read or write by its scopes', async () => {
  const [reader, writer] = [await keyWith('files:read'), await keyWith('files:*')];
  expect(await call('GET', '/api/files/report', reader.secret)).toBe(200);
  expect(await call('HEAD', '/api/files/report', reader.secret)).toBe(200);
  expect(await call('PUT', '/api/files/report', reader.secret)).toBe(403);
  expect(await call('PUT', '/api/files/report', writer.secret)).toBe(200);
  expect(await call('GET', '/api/me', (await keyWith('other:read')).secret)).toBe(403);
});

it('refuses a key as soon as it is revoked here', async () => {
  const { key, secret } = await keyWith('files:read');
  expect(await call('GET', '/api/me', secret)).toBe(200);
  orThrow(await keys.keys.revoke(key.id));
  expect(await call('GET', '/api/me', secret)).toBe(401);
});
