import { env, exports } from 'cloudflare:workers';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { dumpTables, type Answer } from './support/service.ts';

const ADDRESS = 'https://mintmark.example';
const ROOT_KEY = env.MINTMARK_ROOT_KEY;

let lines: string[];
let answers: string[];

beforeEach(() => {
  [lines, answers] = [[], []];
  for (const level of ['debug', 'log', 'info', 'warn', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation((...parts: unknown[]) => {
      lines.push(parts.map(String).join(' '));
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});

async function call(
  method: string,
  path: string,
  credential: string,
  body?: unknown,
  headers: HeadersInit = {},
) {
  const sent = new Headers(headers);
  if (!sent.has('X-API-Key')) sent.set('Authorization', `Bearer ${credential}`);
  if (body !== undefined) sent.set('Content-Type', 'application/json');
  const response = await exports.default.fetch(ADDRESS + path, {
    method,
    headers: sent,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  answers.push(JSON.stringify([...response.headers]) + text);
  return { status: response.status, text };
}

async function everyKvValue(): Promise<string[]> {
  const { keys } = await env.CACHE.list();
  return Promise.all(keys.map(async ({ name }) => `${name} ${await env.CACHE.get(name)}`));
}

test('a secret is in the answer that minted it and nowhere else; the root key is nowhere at all', async () => {
  const account = JSON.parse(
    (await call('POST', '/v1/service-accounts', ROOT_KEY, { name: 'holder', role: 'member' })).text,
  );
  const path = `/v1/service-accounts/${account.id}/api-keys`;
  const minted = JSON.parse((await call('POST', path, ROOT_KEY, { name: 'key' })).text);
  const secret: string = minted.secret;
  const keyPath = `/v1/api-keys/${minted.key.id}`;
  const minting = answers.pop() ?? '';
  expect(minting).toContain(secret);

  const verify = (body: unknown, credential = ROOT_KEY) =>
    call('POST', '/v1/api-keys/verify', credential, body);
  const statuses = [
    await verify({ key: secret }),
    await verify({ key: secret, scopes: ['files:read'] }),
    await verify({ key: `${secret}x` }),
    await verify({ key: ROOT_KEY }),
    await verify({ key: secret }, secret),
    await call('GET', '/v1/whoami', secret),
    await call('GET', keyPath, secret),
    await call('GET', '/v1/api-keys', secret),
    await call('PATCH', keyPath, secret, { description: 'by itself' }),
    // Secrets where none belong: in text that is kept, in a query, a field's name, a path, a body that is no JSON, two headers.
    await call('PATCH', keyPath, ROOT_KEY, { description: `was ${secret}` }),
    await call('PATCH', keyPath, ROOT_KEY, { metadata: { nested: [{ [secret]: 1 }] } }),
    await call('PATCH', keyPath, ROOT_KEY, { scopes: [secret] }),
    await call('POST', `${keyPath}/revoke`, ROOT_KEY, { reason: `leaked: ${secret}.` }),
    await call('POST', '/v1/api-keys', ROOT_KEY, { name: 'key', userId: secret, scopes: [] }),
    await call('PATCH', keyPath, ROOT_KEY, { name: 'renamed' }, { 'User-Agent': secret }),
    await verify({ key: secret, userAgent: `curl ${secret}` }),
    await call('GET', '/v1/whoami', ROOT_KEY, undefined, { 'X-Request-Id': secret }),
    await call('GET', '/v1/whoami', ROOT_KEY, undefined, { 'X-Request-Id': ROOT_KEY }),
    await call('GET', `/v1/api-keys?api_key=${secret}`, ROOT_KEY),
    await call('GET', `/v1/api-keys?${ROOT_KEY}=1`, ROOT_KEY),
    await call('GET', `/v1/api-keys?${secret}=1`, ROOT_KEY),
    await call('PATCH', keyPath, ROOT_KEY, { [secret]: 1 }),
    await call('GET', `/v1/api-keys/${secret}`, ROOT_KEY),
    await call('PATCH', keyPath, ROOT_KEY, `{"${secret}`),
    await call('GET', '/v1/whoami', `${secret} ${ROOT_KEY}`),
    await call('GET', '/v1/whoami', '', undefined, { 'X-API-Key': `${secret}, ${ROOT_KEY}` }),
    await call('GET', '/v1/whoami', `${secret}x`),
    await call('POST', `${keyPath}/revoke`, ROOT_KEY, { reason: 'test' }),
    await verify({ key: secret }),
    await call('GET', '/v1/whoami', secret),
    await call('GET', '/health/ready', ROOT_KEY),
  ].map(({ status }) => status);
  expect(statuses).toEqual([
    200, 200, 200, 200, 200, 200, 200, 200, 200, 400, 400, 400, 400, 400, 200, 200, 200, 200, 400, 400, 400,
    400, 404, 400, 401, 400, 401, 200, 200, 401, 200,
  ]);

  const places = { lines, answers, tables: Object.values(await dumpTables()), kv: await everyKvValue() };
  expect(places.lines.length).toBeGreaterThan(0);
  expect(places.kv.length).toBeGreaterThan(0);
  const random = secret.slice('mk_live_'.length);
  for (const [place, texts] of Object.entries(places)) {
    for (const text of texts) {
      expect(text, place).not.toContain(random);
      expect(text, place).not.toContain(ROOT_KEY);
    }
  }
});

test('a token is in the answer that gave it and nowhere else; the key that signed it is nowhere at all', async () => {
  const account = JSON.parse(
    (await call('POST', '/v1/service-accounts', ROOT_KEY, { name: 'client', role: 'admin' })).text,
  );
  const path = `/v1/service-accounts/${account.id}/api-keys`;
  const { secret } = JSON.parse((await call('POST', path, ROOT_KEY, { name: 'key' })).text);
  answers.length = 0;
  const oauth = (of: string, form: Record<string, string>) =>
    exports.default
      .fetch(`${ADDRESS}/oauth/${of}`, {
        method: 'POST',
        headers: { Authorization: `Basic ${btoa(`${account.id}:${secret}`)}` },
        body: new URLSearchParams(form),
      })
      .then(async (response) => {
        const text = await response.text();
        answers.push(JSON.stringify([...response.headers]) + text);
        return { status: response.status, text };
      });
  const granted = await oauth('token', { grant_type: 'client_credentials' });
  const token: string = JSON.parse(granted.text).access_token;
  expect(answers.pop()).toContain(token);
  const userAgent = { 'User-Agent': token };
  const statuses = [
    await call('GET', '/v1/whoami', token, undefined, userAgent),
    await call('PATCH', `/v1/service-accounts/${account.id}`, token, { description: 'by token' }, userAgent),
    await call('POST', '/v1/api-keys/verify', token, { key: token, userAgent: `curl ${token}` }),
    await call('GET', `/v1/api-keys/${token}`, token),
    await call('GET', '/v1/whoami', `${token}x`),
    await oauth('introspect', { token }),
    await oauth('introspect', { token, [token]: token, token_type_hint: token, scope: token }),
    await oauth('token', { grant_type: token }),
    await oauth('token', { grant_type: 'client_credentials', scope: token, resource: token }),
    await oauth('token', { grant_type: 'client_credentials', resource: token }),
    await oauth('revoke', { token }),
    await call('GET', '/v1/whoami', token),
    await call('GET', '/.well-known/jwks.json', ''),
  ].map(({ status }) => status);
  expect(statuses).toEqual([200, 200, 200, 404, 401, 200, 200, 400, 400, 400, 200, 401, 200]);

  const { d } = JSON.parse(env.MINTMARK_SIGNING_KEY);
  const [, payload = '', signature = ''] = token.split('.');
  const places = [...lines, ...answers, ...Object.values(await dumpTables()), ...(await everyKvValue())];
  for (const text of places)
    for (const part of [payload, signature, secret, d]) expect(text).not.toContain(part);
});

test.each<[string, string, Record<string, string>, (body: Answer['body']) => string]>([
  ['Blaxel', '/compat/blaxel/v0/service_accounts', { name: 'blaxel' }, (body) => body.client_secret],
  [
    'B3OS',
    '/compat/b3os/v1/api-keys',
    { name: 'b3os', serviceAccountId: 'ACCOUNT' },
    (body) => body.data.key,
  ],
  [
    'Kosli',
    '/compat/kosli/api/v2/service-accounts/default/NAME/api-keys',
    { description: 'kosli' },
    (body) => body.key,
  ],
  [
    'Factory',
    '/compat/factory/api/v0/service-accounts/ACCOUNT/api-keys',
    { name: 'factory' },
    (body) => body.apiKey.value,
  ],
])('a secret that is told by %s is nowhere else', async (_, template, input, secretOf) => {
  const name = `account-${crypto.randomUUID()}`;
  const account = JSON.parse((await call('POST', '/v1/service-accounts', ROOT_KEY, { name })).text);
  const filled = (text: string) => text.replace('ACCOUNT', account.id).replace('NAME', name);
  const minted = await call('POST', filled(template), ROOT_KEY, filled(JSON.stringify(input)));
  const secret = secretOf(JSON.parse(minted.text));
  expect(answers.pop()).toContain(secret);
  for (const [method, path] of [
    ['GET', `/compat/blaxel/v0/service_accounts/${account.id}/api_keys`],
    ['GET', '/compat/b3os/v1/api-keys'],
    ['GET', `/compat/kosli/api/v2/service-accounts/default/${name}/api-keys`],
    ['GET', `/compat/kosli/api/v2/service-accounts/default/${secret}`],
    ['GET', `/compat/factory/api/v0/service-accounts/${account.id}/api-keys`],
    ['GET', `/compat/factory/api/v0/nothing/${secret}`],
    ['GET', `/compat/b3os/v1/api-keys?limit=${secret}`],
    ['DELETE', `/compat/blaxel/v0/service_accounts/${secret}`],
  ] as const)
    await call(method, path, ROOT_KEY);
  await call('POST', filled(template), ROOT_KEY, { name: secret, description: secret, [secret]: 1 });
  await call('POST', filled(template), `${secret}x`, {});
  const random = secret.slice('mk_live_'.length);
  for (const text of [...lines, ...answers, ...Object.values(await dumpTables()), ...(await everyKvValue())])
    expect(text).not.toContain(random);
});

test('a fault within tells its message to the log, and the answer only where to look', async () => {
  const spy = vi.spyOn(env.DB, 'prepare').mockImplementation(() => {
    throw new TypeError('internal detail: table layout');
  });
  const answer = await call('GET', '/v1/api-keys', ROOT_KEY);
  spy.mockRestore();
  expect(answer.status).toBe(500);
  expect(answer.text).not.toContain('internal detail');
  expect(lines.join('\n')).toContain('internal detail');
});
