import { base64url, exportJWK, type JWK } from 'jose';
import { describe, expect, test } from 'vitest';

import { ROOT_KEY, type TestService } from '../support/service.ts';
import { makeKey, TestIssuer, without, type IssuerKey, type TokenParts } from './issuer.ts';
import { judged, saysOf, trusting } from './trusting.ts';

const BAD = '401 invalid_credential';
const DOWN = '503 unavailable';
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const [rsa, ec, other] = await Promise.all([
  makeKey('RS256', 'rsa'),
  makeKey('ES256', 'ec'),
  makeKey('ES256', 'other'),
]);

/** A service and an issuer of its own, whose tokens outlive every test. */
function met(keys: readonly IssuerKey[] = [ec], variables: Readonly<Record<string, string>> = {}) {
  const issuer = new TestIssuer(keys);
  const service = trusting(issuer, variables);
  const token = (parts: TokenParts = {}) =>
    issuer.token({ ...parts, claims: { exp: 99_999_999_999, ...parts.claims } });
  return {
    issuer,
    service,
    token,
    judge: async (parts: TokenParts = {}) => judged(service, await token(parts)),
    /** How often the issuer was asked, of its configuration and of its keys. */
    asked: () => [issuer.asked.configuration, issuer.asked.jwks],
  };
}

const never = () => new Promise<never>(() => undefined);
const down = () => {
  throw new TypeError('connection refused');
};

/** Lets all that waits for the issuer wait in vain. */
async function outwait(service: TestService, waiting: number): Promise<void> {
  await expect.poll(() => service.deadlines()).toBeGreaterThanOrEqual(waiting);
  await service.advance(3 * SECOND);
}

const endlessBody = (chunk: () => Uint8Array | Promise<Uint8Array>) =>
  new ReadableStream({ pull: async (controller) => controller.enqueue(await chunk()) });
const slowly = async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return new Uint8Array([32]);
};

describe('keys are asked for', () => {
  test('once for many tokens', async () => {
    const { judge, asked, service } = met([rsa, ec]);
    expect(asked()).toEqual([0, 0]);
    for (let time = 0; time < 5; time++) {
      expect(await judge()).toBe('200');
      expect(await judge({ key: ec })).toBe('200');
      await service.advance(100 * SECOND);
    }
    expect(asked()).toEqual([1, 1]);
  });

  test('at the address of the settings, which spares the configuration', async () => {
    const { judge, asked } = met([ec], { OIDC_JWKS_URL: new TestIssuer([]).jwksUrl });
    expect(await judge()).toBe('200');
    expect(asked()).toEqual([0, 1]);
  });

  test('again after ten minutes', async () => {
    const { judge, asked, service } = met();
    expect(await judge()).toBe('200');
    await service.advance(10 * MINUTE - 1);
    expect(await judge()).toBe('200');
    expect(asked()).toEqual([1, 1]);
    await service.advance(1);
    expect(await judge()).toBe('200');
    expect(await judge()).toBe('200');
    expect(asked()).toEqual([2, 2]);
  });

  test('by nothing but tokens of the issuer', async () => {
    const { service, asked } = met();
    const { secret } = await service.key();
    for (const credential of [
      ROOT_KEY,
      secret,
      'nonsense',
      'a.b.c',
      await new TestIssuer([ec], 'https://x.example').token(),
    ])
      await judged(service, credential);
    expect(asked()).toEqual([0, 0]);
  });

  test('by each of those who come first, at once', async () => {
    const { token, service, asked } = met([rsa, ec]);
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, index) => token({ key: index % 2 ? rsa : ec })),
    );
    expect(new Set(await Promise.all(tokens.map((each) => judged(service, each))))).toEqual(new Set(['200']));
    expect(asked()[1]).toBeLessThanOrEqual(20);
    const before = asked();
    await Promise.all(tokens.map((each) => judged(service, each)));
    expect(asked()).toEqual(before);
  });
});

describe('rotated under way', () => {
  test('a new key is good as soon as it may be asked for, and the old one no longer', async () => {
    const { issuer, judge, service } = met([ec]);
    expect(await judge()).toBe('200');
    issuer.keys = [other];
    await service.advance(30 * SECOND - 1);
    expect(await judge()).toBe(BAD);
    expect(await judge({ key: ec })).toBe('200');
    await service.advance(1);
    expect(await judge()).toBe('200');
    expect(await judge({ key: ec })).toBe(BAD);
  });

  test('a key that was published before its use is good at once', async () => {
    const { issuer, judge, service, asked } = met([ec, other]);
    expect(await judge()).toBe('200');
    issuer.keys = [other, ec];
    expect(await judge()).toBe('200');
    issuer.keys = [other];
    expect(await judge()).toBe('200');
    expect(asked()).toEqual([1, 1]);
    await service.advance(10 * MINUTE);
    expect(await judge()).toBe('200');
    expect(await judge({ key: ec })).toBe(BAD);
  });

  test('a key that is gone is good for no more than ten minutes', async () => {
    const { issuer, judge, service } = met([ec]);
    expect(await judge()).toBe('200');
    issuer.keys = [other];
    await service.advance(10 * MINUTE - 1);
    expect(await judge({ key: ec })).toBe('200');
    await service.advance(1);
    expect(await judge({ key: ec })).toBe(BAD);
  });

  test('a key with the kid of the old one takes its place', async () => {
    const { issuer, judge, service } = met([ec]);
    expect(await judge()).toBe('200');
    issuer.keys = [await makeKey('ES256', 'ec')];
    expect(await judge()).toBe(BAD);
    await service.advance(10 * MINUTE);
    expect(await judge()).toBe('200');
    expect(await judge({ key: ec })).toBe(BAD);
  });

  test('whoever has the old key is answered at once, while the new one is asked for', async () => {
    const { issuer, token, judge, service, asked } = met([ec]);
    expect(await judge()).toBe('200');
    await service.advance(30 * SECOND);
    issuer.keys = [other, ec];
    const { configuration } = issuer;
    let answer: () => void = () => undefined;
    issuer.configuration = () => new Promise((resolve) => (answer = () => resolve(configuration())));
    const newer = service.call('GET', '/v1/whoami', { credential: await token() });
    await expect.poll(asked).toEqual([2, 1]);
    expect(await judge({ key: ec })).toBe('200');
    expect(asked()).toEqual([2, 1]);
    answer();
    expect((await newer).status).toBe(200);
    expect(asked()).toEqual([2, 2]);
    expect(await judge()).toBe('200');
    expect(asked()).toEqual([2, 2]);
  });

  test('a flood of unknown kids costs one question in half a minute', async () => {
    const { judge, service, asked } = met([ec]);
    expect(await judge()).toBe('200');
    const flood = async () => {
      for (let index = 0; index < 25; index++) {
        const { kid } = { kid: crypto.randomUUID() };
        expect(await judge({ header: { kid } })).toBe(BAD);
      }
    };
    await flood();
    expect(asked()).toEqual([1, 1]);
    for (let round = 2; round < 5; round++) {
      await service.advance(30 * SECOND);
      await flood();
      expect(asked()).toEqual([round, round]);
    }
  });

  test('after ten minutes an unknown kid costs one question, not two', async () => {
    const { judge, service, asked } = met([ec]);
    expect(await judge()).toBe('200');
    await service.advance(10 * MINUTE);
    expect(await judge({ header: { kid: 'unknown' } })).toBe(BAD);
    expect(asked()).toEqual([2, 2]);
  });
});

describe('while the issuer is down', () => {
  test('at first, its tokens are unavailable and not bad, and it is asked again after five seconds', async () => {
    const { issuer, token, judge, service, asked } = met();
    const { configuration } = issuer;
    issuer.configuration = down;
    const answer = await service.call('GET', '/v1/whoami', { credential: await token() });
    expect([answer.status, answer.body.code, answer.headers.get('Retry-After')]).toEqual([
      503,
      'unavailable',
      '5',
    ]);
    issuer.configuration = configuration;
    await service.advance(5 * SECOND - 1);
    expect(await judge()).toBe(DOWN);
    expect(asked()).toEqual([1, 0]);
    await service.advance(1);
    expect(await judge()).toBe('200');
    expect(asked()).toEqual([2, 1]);
    expect(service.logs.map(({ event }) => event)).toContain('issuer_unreachable');
  });

  test('its keys are good for an hour', async () => {
    const { issuer, judge, service } = met();
    const { configuration } = issuer;
    expect(await judge()).toBe('200');
    issuer.configuration = down;
    for (let minutes = 0; minutes < 59; minutes++) {
      await service.advance(MINUTE);
      expect(await judge()).toBe('200');
    }
    await service.advance(MINUTE - 1);
    expect(await judge()).toBe('200');
    await service.advance(1);
    expect(await judge()).toBe(DOWN);
    issuer.configuration = configuration;
    await service.advance(5 * SECOND);
    expect(await judge()).toBe('200');
  });

  test('it is asked no more than once in five seconds, however many come', async () => {
    const { issuer, judge, service, asked } = met();
    expect(await judge()).toBe('200');
    issuer.jwks = down;
    await service.advance(10 * MINUTE);
    for (const [round, kid] of ['ec', 'unknown', 'ec', 'unknown'].entries()) {
      for (let time = 0; time < 5; time++)
        expect(await judge({ header: { kid } })).toBe(kid === 'ec' ? '200' : DOWN);
      expect(asked()[1]).toBe(round + 2);
      await service.advance(5 * SECOND);
    }
  });

  test('after it answered once more, it is as if nothing had been', async () => {
    const { issuer, judge, service, asked } = met();
    const { jwks } = issuer;
    expect(await judge()).toBe('200');
    issuer.jwks = down;
    await service.advance(10 * MINUTE);
    expect(await judge()).toBe('200');
    Object.assign(issuer, { jwks, keys: [other] });
    await service.advance(5 * SECOND);
    expect(await judge({ key: ec })).toBe(BAD);
    expect(await judge()).toBe('200');
    const before = asked();
    await service.advance(10 * MINUTE - 1);
    expect(await judge()).toBe('200');
    expect(asked()).toEqual(before);
  });

  test('keys and root do without it', async () => {
    const { issuer, service, token } = met();
    issuer.configuration = never;
    const ready = await service.call('GET', '/health/ready', { credential: await token() });
    expect(ready.status).toBe(200);
    const { secret } = await service.key({}, { role: 'reader' });
    expect(await judged(service, secret)).toBe('200');
    expect(await judged(service, ROOT_KEY)).toBe('200');
    expect(await saysOf(service, {})).toBe('401 missing_credential');
    expect(await judged(service, 'nonsense')).toBe(BAD);
    expect(await service.verify(secret)).toMatchObject({ code: 'VALID' });
  });
});

describe('an issuer that never answers', () => {
  const slow: Readonly<Record<string, (issuer: TestIssuer) => void>> = {
    'about its configuration': (issuer) => (issuer.configuration = never),
    'about its keys': (issuer) => (issuer.jwks = never),
    'but by the head of an answer': (issuer) => (issuer.jwks = () => new Response(endlessBody(never))),
    'but by a byte at a time': (issuer) => (issuer.jwks = () => new Response(endlessBody(slowly))),
  };

  test.for(Object.entries(slow))('%s is waited for three seconds', async ([, slowDown]) => {
    const { issuer, token, judge, service } = met();
    const { configuration, jwks } = issuer;
    slowDown(issuer);
    const credential = await token();
    const waiting = ['/v1/whoami', '/v1/service-accounts'].map((path) =>
      service.call('GET', path, { credential }),
    );
    await outwait(service, waiting.length);
    for (const { status } of await Promise.all(waiting)) expect(status).toBe(503);
    expect(service.deadlines()).toBe(0);
    Object.assign(issuer, { configuration, jwks });
    await service.advance(5 * SECOND);
    expect(await judge()).toBe('200');
  });

  test('holds up one of many whose keys are known', async () => {
    const { issuer, token, judge, service } = met();
    expect(await judge()).toBe('200');
    issuer.configuration = never;
    await service.advance(10 * MINUTE);
    const first = service.call('GET', '/v1/whoami', { credential: await token() });
    await expect.poll(() => service.deadlines()).toBe(1);
    expect(await judge()).toBe('200');
    await service.advance(3 * SECOND);
    expect((await first).status).toBe(200);
  });
});

const json = (value: unknown) => () => Response.json(value);
const text =
  (body: string, init: ResponseInit = {}) =>
  () =>
    new Response(body, init);
const html = text('<html>Sign in</html>', { headers: { 'Content-Type': 'text/html' } });
const redirect = () =>
  new Response(null, { status: 302, headers: { Location: 'https://attacker.example/keys' } });
const huge = `{"keys":[],"padding":"${'x'.repeat(262_144)}"}`;
const broken = () => {
  let chunks = 0;
  return new Response(
    endlessBody(() => {
      if (chunks++ > 2) throw new Error('connection lost');
      return new Uint8Array([123]);
    }),
  );
};

/** Answers of whatever is asked of the issuer that are of no use. */
const USELESS: Readonly<Record<string, TestIssuer['jwks']>> = {
  'a refused connection': down,
  'a 204': () => new Response(null, { status: 204 }),
  'a 404': text('not found', { status: 404 }),
  'a 500': text('{"keys":[]}', { status: 500 }),
  'a 203': text('{"keys":[]}', { status: 203 }),
  'a redirection': redirect,
  'no body': () => new Response(null),
  'an empty body': text(''),
  HTML: html,
  'JSON that is cut': text('{"keys":[{"kty":"RSA"'),
  'JSON of null': json(null),
  'JSON of a list': json([{ keys: [] }]),
  'JSON of a text': json('keys'),
  'an empty object': json({}),
  '256 KiB and more': text(huge),
  '50 MB': () => new Response(endlessBody(() => new Uint8Array(1_048_576).fill(32))),
  'a kilobyte, which holds 50 MB compressed': () =>
    new Response(
      endlessBody(() => new Uint8Array(1_048_576).fill(32)),
      { headers: { 'Content-Length': '1024', 'Content-Encoding': 'gzip' } },
    ),
  'a body that breaks off': broken,
};

describe('an issuer that answers', () => {
  const holds = async (answering: (issuer: TestIssuer) => void) => {
    const { issuer, judge, service } = met();
    answering(issuer);
    expect(await judge()).toBe(DOWN);
    const entry = service.logs.find(({ event }) => event === 'issuer_unreachable');
    expect(JSON.stringify(entry ?? {}).length).toBeLessThan(500);
    // Nor does it take anything away from who knows its keys.
    const known = met();
    expect(await known.judge()).toBe('200');
    answering(known.issuer);
    await known.service.advance(10 * MINUTE);
    expect(await known.judge()).toBe('200');
    expect(service.deadlines()).toBe(0);
  };

  test.for(Object.entries(USELESS))('%s is unavailable', async ([, answer]) => {
    await holds((issuer) => (issuer.configuration = answer));
    await holds((issuer) => (issuer.jwks = answer));
  });

  test.for<[string, (issuer: TestIssuer) => unknown]>([
    ['without the address of its keys', ({ url }) => ({ issuer: url })],
    ['in the name of another', ({ jwksUrl }) => ({ issuer: 'https://login.example', jwks_uri: jwksUrl })],
    ['with a slash more in its name', ({ url, jwksUrl }) => ({ issuer: `${url}/`, jwks_uri: jwksUrl })],
    ['without its name', ({ jwksUrl }) => ({ jwks_uri: jwksUrl })],
    ['with keys at what is no URL', ({ url }) => ({ issuer: url, jwks_uri: '/keys' })],
    [
      'with keys that anybody on the way could change',
      ({ url, jwksUrl }) => ({ issuer: url, jwks_uri: jwksUrl.replace('https', 'http') }),
    ],
    [
      'with keys at a name and a password',
      ({ url, jwksUrl }) => ({ issuer: url, jwks_uri: jwksUrl.replace('//', '//a:b@') }),
    ],
    ['with keys in a file', ({ url }) => ({ issuer: url, jwks_uri: 'file:///keys' })],
    ['with a list of addresses', ({ url, jwksUrl }) => ({ issuer: url, jwks_uri: [jwksUrl] })],
  ])('%s is unavailable', async ([, configuration]) => {
    await holds((issuer) => (issuer.configuration = json(configuration(issuer))));
    // Not even where all of that would do.
    const { issuer, judge, service } = met();
    service.fetchHook = async (url) =>
      Response.json(url.includes('.well-known') ? configuration(issuer) : { keys: [ec.jwk] });
    expect(await judge()).toBe(DOWN);
  });

  test.for<[string, unknown]>([
    ['a text', 'x'],
    ['an object', { ec: ec.jwk }],
    ['null', null],
  ])('with keys that are %s is unavailable', async ([, keys]) => {
    await holds((issuer) => (issuer.jwks = json({ keys })));
  });
});

const secretOf = (k: string): JWK => ({ kty: 'oct', k, kid: 'rsa', alg: 'HS256', use: 'sig' });

describe('a token of a key', () => {
  const holds = async (keys: readonly unknown[], outcome: string, parts: TokenParts = {}) => {
    const { issuer, judge } = met([rsa, ec]);
    issuer.jwks = json({ keys });
    expect(await judge(parts)).toBe(outcome);
  };

  test.for<[string, readonly unknown[], TokenParts]>([
    ['that stands beside a secret with its kid', [secretOf('c2VjcmV0'), rsa.jwk], {}],
    ['that stands beside one of an unknown type', [{ kty: 'XYZ', kid: 'rsa' }, rsa.jwk], {}],
    ['that stands beside one for encryption', [{ ...rsa.jwk, use: 'enc' }, rsa.jwk], {}],
    ['that stands beside one of another type with its kid', [{ ...ec.jwk, kid: 'rsa' }, rsa.jwk], {}],
    ['that stands beside what is no key', [null, 'x', [], {}, { kid: 'rsa' }, { kty: 5 }, rsa.jwk], {}],
    ['that stands beside one that is broken', [{ kty: 'RSA', n: '!', e: 5, kid: 'x' }, rsa.jwk], {}],
    ['that comes with certificates', [{ ...rsa.jwk, x5c: ['MII'], x5t: 'x', x5u: 'http://x.example' }], {}],
    ['that verifies, and says so', [{ ...rsa.jwk, key_ops: ['verify'] }], {}],
    [
      'that is the only one of its type, by a token without kid',
      [rsa.jwk, ec.jwk],
      { header: { kid: undefined } },
    ],
    [
      'without kid, by a token without kid',
      [without(rsa.jwk, 'kid', 'alg', 'use')],
      { header: { kid: undefined } },
    ],
    [
      'among a hundred others',
      [...Array.from({ length: 100 }, (_, index) => ({ ...rsa.jwk, kid: `k${index}` })), rsa.jwk],
      {},
    ],
  ])('%s is good', async ([, keys, parts]) => holds(keys, '200', parts));

  test.for<[string, readonly unknown[], TokenParts]>([
    ['that is not there', [], {}],
    ['that is not there, while others are', [ec.jwk], {}],
    ['without kid, by a token with one', [without(rsa.jwk, 'kid')], {}],
    ['of which there are two with its kid', [rsa.jwk, { ...rsa.jwk }], {}],
    [
      'of which there are two, by a token without kid',
      [rsa.jwk, { ...rsa.jwk, kid: 'x' }],
      { header: { kid: undefined } },
    ],
    ['for encryption', [{ ...rsa.jwk, use: 'enc' }], {}],
    ['that does all but verify', [{ ...rsa.jwk, key_ops: ['encrypt', 'wrapKey'] }], {}],
    ['for another algorithm', [{ ...rsa.jwk, alg: 'PS256' }], {}],
    ['for an algorithm of secrets', [{ ...rsa.jwk, alg: 'HS256' }], {}],
  ])('%s is bad', async ([, keys, parts]) => holds(keys, BAD, parts));

  test('that is published with its private half is bad', async () => {
    await holds([{ ...(await exportJWK(ec.privateKey)), kid: 'ec', alg: 'ES256' }], BAD, { key: ec });
  });

  test('that is a secret is bad, though the issuer itself has it there', async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, [
      'sign',
    ]);
    await holds([{ ...secretOf(base64url.encode(bytes)) }], BAD, {
      header: { alg: 'HS256', kid: 'rsa' },
      signature: async (input) => new Uint8Array(await crypto.subtle.sign('HMAC', key, input)),
    });
  });

  test.for<[string, JWK, TokenParts]>([
    ['whose modulus is none', { ...rsa.jwk, n: '!!' }, {}],
    ['without a modulus', without(rsa.jwk, 'n'), {}],
    ['whose exponent is zero', { ...rsa.jwk, e: 'AA' }, {}],
    ['of 512 bits', { ...rsa.jwk, n: base64url.encode(new Uint8Array(64).fill(255)) }, {}],
    ['beside its curve', { ...ec.jwk, x: ec.jwk.y ?? '' }, { key: ec }],
    ['without a point', without(ec.jwk, 'x', 'y'), { key: ec }],
  ])('%s is bad', async ([, jwk, parts]) => holds([jwk], BAD, parts));

  test('on a curve that nobody knows is bad', async () => {
    await holds([{ ...ec.jwk, crv: 'P-999' }], BAD, { key: ec });
  });
});
