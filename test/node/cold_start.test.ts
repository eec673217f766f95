import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { bundleAll } from '../../bench/bundle.ts';
import { AS_ROOT, bindingsOf, JSON_TYPE, ready, worker } from '../../bench/mintmark.ts';
import { startWorkerd, type Workerd } from '../../bench/workerd.ts';
import { startCaller } from './caller/harness.ts';

const KEY = { name: 'key', userId: 'ada', scopes: [] };
const CALLS: readonly (readonly [route: string, status: number, body?: object])[] = [
  ['GET /v1/whoami', 200],
  ['POST /v1/api-keys/verify', 200, { key: 'nonsense' }],
  ['POST /v1/api-keys', 201, KEY],
  ['GET /v1/service-accounts', 200],
  ['GET /openapi.json', 200],
  ['GET /docs', 200],
  ['GET /.well-known/jwks.json', 200],
  ['GET /compat/blaxel/v0/service_accounts', 200],
  ['GET /nowhere', 404],
  ['PUT /v1/whoami', 405],
];

/** Everything at once, three times, of an isolate that has answered nothing yet. */
async function expectAnswers(
  fetch: (
    path: string,
    init: { method: string; headers: Record<string, string>; body?: string },
  ) => Promise<{
    status: number;
    text: () => Promise<string>;
  }>,
  authorization: { Authorization: string },
): Promise<void> {
  const answers = await Promise.all(
    [...CALLS, ...CALLS, ...CALLS].map(async ([route, , body]) => {
      const [method = '', path = ''] = route.split(' ');
      const headers = { ...JSON_TYPE, ...authorization };
      const response = await fetch(path, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      await response.text();
      return `${route} ${response.status}`;
    }),
  );
  expect([...new Set(answers)].toSorted()).toEqual(
    CALLS.map(([route, status]) => `${route} ${status}`).toSorted(),
  );
}

describe('an isolate that starts answers all kinds of calls at once, though the first of each loads what it needs', () => {
  describe('in one module, as wrangler serves it', () => {
    const ROOT_KEY = 'cold-start-root-key-0123456789-abcdefgh';
    const { harness, call } = startCaller(ROOT_KEY);

    it('over HTTP and RPC', async () => {
      const [, , ...minted] = await Promise.all([
        expectAnswers((path, init) => harness.getWorker('mintmark').fetch(`http://localhost${path}`, init), {
          Authorization: `Bearer ${ROOT_KEY}`,
        }),
        call('KEYS', 'list'),
        call('KEYS', 'create', KEY),
        call('KEYS', 'create', KEY),
      ]);
      for (const { value } of minted)
        expect(value).toMatchObject({ secret: expect.stringMatching(/^mk_live_/) });
    });
  });

  describe('in several modules, as it is deployed', () => {
    let workerd: Workerd;
    let url: string;
    beforeAll(async () => {
      const { code } = await bundleAll();
      workerd = await startWorkerd([worker('mintmark', code.mintmark, bindingsOf('cold'))]);
      url = await ready(workerd, 'mintmark');
    });
    afterAll(() => workerd[Symbol.asyncDispose]());

    it('over HTTP', async () => {
      await expectAnswers((path, init) => fetch(url + path, init), AS_ROOT);
    });
  });
});
