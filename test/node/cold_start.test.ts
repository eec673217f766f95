import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestHarness } from 'wrangler';

import { tokenSecrets } from './root.ts';

const ROOT_KEY = 'cold-start-root-key-0123456789-abcdefgh';

/** As deployed, in several modules; and a Worker that calls it. */
const harness = createTestHarness({
  workers: [
    { configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY, ...tokenSecrets() } },
    { configPath: 'test/node/caller/wrangler.toml' },
  ],
});

beforeAll(async () => {
  await harness.listen();
  await harness.getWorker<{ DB: D1Database }>('mintmark').applyD1Migrations('DB');
});
afterAll(() => harness.close());

const AS_ROOT = { Authorization: `Bearer ${ROOT_KEY}`, 'Content-Type': 'application/json' };

async function statusOf(route: string, body?: object): Promise<string> {
  const [method = '', path = ''] = route.split(' ');
  const response = await harness.getWorker('mintmark').fetch(`http://localhost${path}`, {
    method,
    headers: AS_ROOT,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await response.text();
  return `${route} ${response.status}`;
}

async function overRpc(method: string, ...args: readonly unknown[]): Promise<string> {
  const response = await harness.getWorker('caller').fetch('http://caller/', {
    method: 'POST',
    body: JSON.stringify({ binding: 'KEYS', method, args }),
  });
  const { value } = (await response.json()) as { value?: { data?: unknown; key?: unknown } };
  return `${method} ${value?.data !== undefined || value?.key !== undefined}`;
}

it('an isolate that starts answers all kinds of calls at once, though the first of each loads what it needs', async () => {
  const key = { name: 'key', userId: 'ada', scopes: [] };
  const round = () => [
    statusOf('GET /v1/whoami'),
    statusOf('POST /v1/api-keys', key),
    statusOf('GET /v1/service-accounts'),
    statusOf('GET /openapi.json'),
    statusOf('GET /docs'),
    statusOf('GET /.well-known/jwks.json'),
    statusOf('GET /compat/blaxel/v0/service_accounts'),
    statusOf('GET /nowhere'),
    overRpc('create', key),
    overRpc('list'),
  ];
  const answers = await Promise.all([...round(), ...round(), ...round()]);
  expect([...new Set(answers)].toSorted()).toEqual([
    'GET /.well-known/jwks.json 200',
    'GET /compat/blaxel/v0/service_accounts 200',
    'GET /docs 200',
    'GET /nowhere 404',
    'GET /openapi.json 200',
    'GET /v1/service-accounts 200',
    'GET /v1/whoami 200',
    'POST /v1/api-keys 201',
    'create true',
    'list true',
  ]);
});
