import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTestHarness } from 'wrangler';

import { makeKey, type TestIssuer } from '../credentials/issuer.ts';
import { startProviders, type Fault, type Faults, type Providers } from './oidc/provider.ts';

const ROOT_KEY = 'oidc-test-root-key-0123456789-abcdefghijk';
const HEADER = 'Cf-Access-Jwt-Assertion';
/** Its configuration and its keys are waited for three seconds together; a slow machine may take some more. */
const PATIENCE_MS = 8_000;

const trusting = (variables: Record<string, string>) => ({
  workers: [{ configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY }, vars: variables }],
});
const harness = createTestHarness(trusting({}));
const [rsa, ec, other] = await Promise.all([makeKey('RS256'), makeKey('ES256'), makeKey('ES256')]);

// The harness carries a Worker's requests by this, and would go after what they lead to: on the platform the Worker decides.
const { fetch } = globalThis;
vi.spyOn(globalThis, 'fetch').mockImplementation((to, init) =>
  fetch(new Request(to, init), { redirect: 'manual' }),
);

let providers: Providers;
let key = '';

type Sent = Readonly<Record<string, string>>;
const bearer = (credential: string): Sent => ({ Authorization: `Bearer ${credential}` });

/** Each call from an address of its own: what is in vain is counted. */
let calls = 0;
const address = (): string => `10.0.${(calls >> 8) & 255}.${calls++ & 255}`;

async function call(path: string, headers: Sent, method = 'GET', body?: object) {
  const response = await harness.getWorker('mintmark').fetch(`http://mintmark${path}`, {
    method,
    headers: {
      'CF-Connecting-IP': address(),
      ...headers,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as Record<string, never>;
  const { status } = response;
  return { status, answer, outcome: status < 400 ? String(status) : `${status} ${String(answer['code'])}` };
}

/** What both ways of judging a caller say. */
async function judged(headers: Sent): Promise<string> {
  const paths = ['/v1/whoami', '/v1/service-accounts'];
  const answers = await Promise.all(paths.map((path) => call(path, headers)));
  return [...new Set(answers.map(({ outcome }) => outcome))].join(' | ');
}

/** A new isolate that trusts an issuer of its own, whose keys it does not know yet. */
async function trusted(faults: Faults = {}, variables: Sent = {}): Promise<TestIssuer> {
  const issuer = providers.open([rsa, ec], faults);
  const settings = {
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: 'mintmark',
    OIDC_ORGANIZATIONS: 'default',
    OIDC_SCOPES: 'mintmark:*',
    OIDC_SCOPES_CLAIM: 'scope',
  };
  await harness.update(trusting({ ...settings, ...variables }));
  return issuer;
}

beforeAll(async () => {
  providers = await startProviders();
  await harness.listen();
  await harness.getWorker<{ DB: D1Database }>('mintmark').applyD1Migrations('DB');
  const account = await call('/v1/service-accounts', bearer(ROOT_KEY), 'POST', {
    name: 'reader',
    role: 'reader',
  });
  const path = `/v1/service-accounts/${String(account.answer['id'])}/api-keys`;
  key = String((await call(path, bearer(ROOT_KEY), 'POST', { name: 'key' })).answer['secret']);
});
beforeEach(() => harness.clearLogs());
afterAll(async () => {
  providers.close();
  await harness.close();
  vi.restoreAllMocks();
});

/** Nothing that was thrown reached a request’s end. */
const failures = () => harness.getLogs().filter(({ message }) => message.includes('request_failed'));

describe('an issuer that answers', () => {
  it('vouches for people who manage, by RS256 and ES256', async () => {
    const issuer = await trusted();
    expect((await call('/v1/whoami', bearer(await issuer.token()))).outcome).toBe('200');
    for (const signer of [rsa, ec])
      expect(await judged(bearer(await issuer.token({ key: signer })))).toBe('200');
    const { status, answer } = await call('/v1/service-accounts', bearer(await issuer.token()), 'POST', {
      name: 'by ada',
    });
    expect([status, answer['createdBy']]).toEqual([201, 'ada']);
    expect(await judged(bearer(await issuer.token({ claims: { aud: 'other' } })))).toBe(
      '401 invalid_credential',
    );
    expect(await judged(bearer(await issuer.token({ key: other })))).toBe('401 invalid_credential');
    expect(issuer.asked).toEqual({ configuration: 1, jwks: 1 });
  });

  it('does so for many who come first, all at once', async () => {
    const issuer = await trusted();
    const many = async (signer: typeof rsa) => {
      const token = bearer(await issuer.token({ key: signer }));
      return new Set(await Promise.all(Array.from({ length: 20 }, () => judged(token))));
    };
    // The other key is known by now, and was not used yet.
    expect([await many(rsa), await many(ec)]).toEqual([new Set(['200']), new Set(['200'])]);
  });

  it('has its keys rotated under way', { timeout: 90_000 }, async () => {
    const issuer = await trusted();
    const of = async (signer: typeof rsa) => judged(bearer(await issuer.token({ key: signer })));
    expect((await call('/v1/whoami', bearer(await issuer.token()))).outcome).toBe('200');
    issuer.keys = [other, ec];
    const seen = new Set<string>();
    const deadline = Date.now() + 60_000;
    while ((await of(other)) !== '200') {
      expect(Date.now(), 'the new key is good after half a minute').toBeLessThan(deadline);
      seen.add(await of(ec));
      await sleep(500);
    }
    expect(seen, 'a key that stays is good all along').toEqual(new Set(['200']));
    expect([await of(rsa), await of(ec), await of(other)]).toEqual(['401 invalid_credential', '200', '200']);
    expect(issuer.asked.jwks).toBe(2);
    // Of two calls by the new key one may have met the other's question, and been told to come back.
    const others = failures().filter(({ message }) => !message.includes('the issuer was not asked'));
    expect(others).toEqual([]);
  });
});

describe('a header of the settings', () => {
  it('carries a token alone', async () => {
    const issuer = await trusted({}, { OIDC_HEADER: HEADER });
    const asserted = { [HEADER]: await issuer.token() };
    expect(await judged(asserted)).toBe('200');
    expect(await judged({ ...asserted, ...bearer(key) })).toBe('400 multiple_credentials');
    expect(await judged(bearer(key))).toBe('200');
  });

  it('is not looked at unless it is there', async () => {
    const issuer = await trusted();
    const asserted = { [HEADER]: await issuer.token() };
    expect(await judged(asserted)).toBe('401 missing_credential');
    expect(await judged({ ...asserted, ...bearer(key) })).toBe('200');
    expect(issuer.asked.configuration).toBe(0);
  });
});

const MEGABYTE = Buffer.alloc(1_048_576, ' ');
const JSON_TYPE = { 'Content-Type': 'application/json' };

const answers =
  (status: number, headers: Readonly<Record<string, string>>, body: string | Buffer = ''): Fault =>
  ({ outgoing }) =>
    outgoing.writeHead(status, headers).end(body);
const hangs: Fault = () => undefined;
const hangsAfterItsHead: Fault = ({ outgoing }) => outgoing.writeHead(200, JSON_TYPE).write('{"keys":');
const resets: Fault = ({ incoming }) => incoming.socket.resetAndDestroy();
const drips: Fault = ({ outgoing }) => {
  outgoing.writeHead(200, JSON_TYPE);
  const timer = setInterval(() => outgoing.write(' '), 50);
  outgoing.on('close', () => clearInterval(timer));
};
const floods: Fault = ({ outgoing }) => {
  outgoing.writeHead(200, JSON_TYPE);
  let left = 50;
  const more = () => {
    while (left-- > 0) if (!outgoing.write(MEGABYTE)) return void outgoing.once('drain', more);
    outgoing.end();
  };
  more();
};
/** To what is good itself, though nobody is to go there. */
const leadsTo =
  (status: number): Fault =>
  ({ incoming, outgoing, good }) => {
    const url = String(incoming.url);
    if (url.includes('?')) outgoing.writeHead(200, JSON_TYPE).end(good);
    else outgoing.writeHead(status, { Location: `${url}?moved` }).end();
  };
const breaksOff: Fault = ({ outgoing, good }) =>
  outgoing
    .writeHead(200, { ...JSON_TYPE, 'Content-Length': String(good.length) })
    .write(good.slice(0, 20), () => outgoing.destroy());
const isNoHttp: Fault = ({ incoming }) => incoming.socket.end('220 mail.example ESMTP\r\n');
const zipped: Fault = ({ outgoing, good }) =>
  outgoing.writeHead(200, { ...JSON_TYPE, 'Content-Encoding': 'gzip' }).end(gzipSync(good));
const isBomb = answers(
  200,
  { ...JSON_TYPE, 'Content-Encoding': 'gzip' },
  gzipSync(Buffer.alloc(50 * MEGABYTE.length, ' ')),
);
const isNotZipped: Fault = ({ outgoing, good }) =>
  outgoing.writeHead(200, { ...JSON_TYPE, 'Content-Encoding': 'gzip' }).end(good);
const html = answers(200, { 'Content-Type': 'text/html' }, '<html><body>Sign in</body></html>');

const DOWN = '503 unavailable';

describe('an issuer that', () => {
  it.for<[string, string, Faults]>([
    ['zips its answers', '200', { configuration: zipped, jwks: zipped }],
    ['has no keys', '401 invalid_credential', { jwks: answers(200, JSON_TYPE, '{"keys":[]}') }],
    ['hangs', DOWN, { configuration: hangs }],
    ['hangs when it is asked for its keys', DOWN, { jwks: hangs }],
    ['hangs after the head of its answer', DOWN, { jwks: hangsAfterItsHead }],
    ['drips', DOWN, { configuration: drips }],
    ['drips its keys', DOWN, { jwks: drips }],
    ['sends 50 MB', DOWN, { jwks: floods }],
    ['sends 50 MB, zipped', DOWN, { jwks: isBomb }],
    ['says that it zips, and does not', DOWN, { jwks: isNotZipped }],
    ['resets the connection', DOWN, { configuration: resets }],
    ['resets the connection when it is asked for its keys', DOWN, { jwks: resets }],
    ['breaks off', DOWN, { jwks: breaksOff }],
    ['speaks no HTTP', DOWN, { configuration: isNoHttp }],
    ['leads elsewhere by 302', DOWN, { configuration: leadsTo(302) }],
    ['leads elsewhere for its keys by 307', DOWN, { jwks: leadsTo(307) }],
    ['answers HTML', DOWN, { configuration: html }],
    ['answers HTML for its keys', DOWN, { jwks: html }],
    ['answers 500', DOWN, { configuration: answers(500, {}) }],
    ['answers 204', DOWN, { jwks: answers(204, {}) }],
    ['answers nothing', DOWN, { jwks: answers(200, JSON_TYPE) }],
  ])('%s: %s', async ([, outcome, faults]) => {
    const issuer = await trusted(faults);
    const token = bearer(await issuer.token());
    const start = performance.now();
    const [said, ...meanwhile] = await Promise.all([
      judged(token),
      judged(bearer(key)),
      judged(bearer(ROOT_KEY)),
      judged(bearer('nonsense')),
    ]);
    expect(said).toBe(outcome);
    expect(meanwhile).toEqual(['200', '200', '401 invalid_credential']);
    expect(performance.now() - start).toBeLessThan(PATIENCE_MS);
    // While it is left alone, that is said at once.
    const again = performance.now();
    expect(await judged(token)).toBe(outcome);
    expect(performance.now() - again).toBeLessThan(2_000);
  });

  it('nobody can reach is unavailable, until it is back', { timeout: 30_000 }, async () => {
    const faults: Faults = { configuration: resets };
    const issuer = await trusted(faults);
    const token = bearer(await issuer.token());
    expect(await judged(token)).toBe(DOWN);
    delete faults.configuration;
    await sleep(5_500);
    expect(await judged(token)).toBe('200');
    faults.configuration = resets;
    expect(await judged(token)).toBe('200');
  });
});
