import { beforeAll, describe, expect, test } from 'vitest';

import { createVerificationApp } from '../../src/verification_app.ts';
import { ROOT_KEY, TestService } from '../support/service.ts';

let service: TestService;
let secret: string;

beforeAll(async () => {
  service = new TestService();
  ({ secret } = await service.key({}, { role: 'admin' }));
});

/** What verifies, as an isolate has it from its start, and how often more than that was called for. */
function front(): { app: ReturnType<typeof createVerificationApp>; loads: () => number } {
  let loads = 0;
  const app = createVerificationApp(service.verification, async () => {
    loads += 1;
    return service.wholeApp();
  });
  return { app, loads: () => loads };
}

const ID = 'a-request-of-mine';

/** An answer but for what differs from one to the next. */
async function answerOf(app: Pick<TestService['app'], 'request'>, route: string, credential = secret) {
  const [method = '', path = ''] = route.split(' ');
  const isVerification = route === 'POST /v1/api-keys/verify';
  const response = await app.request(path, {
    method,
    headers: {
      Authorization: `Bearer ${credential}`,
      'Mintmark-Proxy': 'nginx',
      'X-Request-Id': ID,
      ...(isVerification ? { 'Content-Type': 'application/json' } : {}),
    },
    ...(isVerification ? { body: JSON.stringify({ key: secret }) } : {}),
  });
  const text = await response.text();
  return { status: response.status, headers: [...response.headers], text };
}

const FORWARD_AUTH = '/v1/forward-auth/default';

describe('what an isolate answers from its start', () => {
  const ROUTES = [
    'GET /health',
    'GET /health/ready',
    'GET /v1/whoami',
    'HEAD /v1/whoami',
    'GET /v1/whoami?a=b',
    'POST /v1/api-keys/verify',
    ...['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'].map((method) => `${method} ${FORWARD_AUTH}/-/`),
    `GET ${FORWARD_AUTH}/-`,
    `GET ${FORWARD_AUTH}/not-granted/deep/below?a=b`,
  ];

  test.for(ROUTES)('%s, as the whole surface does', async (route) => {
    const { app, loads } = front();
    for (const credential of [secret, ROOT_KEY, 'nonsense']) {
      const answer = await answerOf(app, route, credential);
      expect(answer).toEqual(await answerOf(await service.wholeApp(), route, credential));
      expect(answer.headers).toContainEqual(['x-request-id', ID]);
    }
    expect(loads()).toBe(0);
  });

  test('is all of its table but what it takes for an id, or for another method', () => {
    const { app } = front();
    const own = app.routes.map(({ method, path }) => `${method} ${path}`);
    expect([...new Set(own)].toSorted()).toEqual([
      `ALL /v1/forward-auth/:organization/:scopes/*`,
      'GET /health',
      'GET /health/ready',
      'GET /v1/whoami',
      'POST /v1/api-keys/verify',
    ]);
  });
});

describe('what more there is', () => {
  test.for([
    'GET /nowhere',
    'GET /health/',
    'POST /v1/whoami',
    'GET /v1/api-keys/verify',
    'DELETE /v1/api-keys/verify',
    'GET /v1/forward-auth/default',
    'GET /v1/api-keys',
    'GET /.well-known/mintmark',
    'GET /openapi.json',
    'GET /docs',
    'OPTIONS /v1/whoami',
  ])('%s is brought, and answers in one piece', async (route) => {
    const { app, loads } = front();
    const answer = await answerOf(app, route);
    expect(loads()).toBe(1);
    const whole = await answerOf(await service.wholeApp(), route);
    // Each page has a nonce of its own.
    const shown = (one: typeof answer) => JSON.stringify(one).replaceAll(/nonce[-=\\"]+[\w+/=]+/g, 'nonce');
    expect(shown(answer)).toEqual(shown(whole));
    expect(answer.headers.filter(([name]) => name === 'x-request-id')).toEqual([['x-request-id', ID]]);
  });

  test('that cannot be loaded is a problem like any, and the log says why', async () => {
    const app = createVerificationApp(service.verification, () =>
      Promise.reject(new Error('no such module')),
    );
    const answer = await answerOf(app, 'GET /v1/api-keys');
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'internal', requestId: ID });
    expect(answer.text).not.toContain('module');
    expect(answer.headers).toContainEqual(['x-request-id', ID]);
    expect(service.logs.at(-1)).toMatchObject({ event: 'request_failed', error: 'no such module' });
  });
});

test('refused credentials are logged ten a second at most, wherever they are shown', async () => {
  const flooded = new TestService();
  for (let turn = 0; turn < 10; turn++)
    for (const path of ['/v1/whoami', '/v1/api-keys', '/v1/forward-auth/default/-'])
      await flooded.call('GET', path, { credential: 'nonsense' });
  const logged = () => flooded.logs.filter(({ event }) => event === 'credential_refused');
  expect(logged()).toHaveLength(10);
  await flooded.advance(1_000);
  await flooded.call('GET', '/v1/whoami', { credential: 'nonsense' });
  expect(logged().at(-1)).toMatchObject({ unlogged: 20 });
});
