import { env } from 'cloudflare:workers';
import { exportJWK, generateKeyPair, importJWK, jwtVerify } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';

import { createMisconfiguredApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { IDLE_PLATFORM } from '../support/platform.ts';
import { SIGNING_KEY, TestService, type Answer } from '../support/service.ts';
import { allows, refuses } from './entrances.ts';
import { genuinely, jws, PRIVATE_JWK, PUBLIC_JWK, taken } from './jws.ts';
import {
  basic,
  FORM,
  getToken,
  newClient,
  oauthOutcome,
  post,
  request,
  whoami,
  type Client,
} from './tokens.ts';

const service = new TestService();

let client: Client;

beforeAll(async () => {
  client = await newClient(service, { permissions: ['*'], role: 'admin' });
});

const published = async (of: TestService): Promise<Answer> => of.call('GET', '/.well-known/jwks.json');

describe('the signing key', () => {
  test('is published by its public half, by which anybody verifies tokens', async () => {
    const { status, headers, text, body } = await published(service);
    const { kid } = taken(await getToken(service, client)).header;
    expect([status, headers.get('Content-Type')]).toEqual([200, 'application/jwk-set+json']);
    expect(body).toEqual({ keys: [{ ...PUBLIC_JWK, kid, alg: 'ES256', use: 'sig' }] });
    expect(text).not.toContain(PRIVATE_JWK.d);
    const key = await importJWK(body.keys[0], 'ES256');
    const currentDate = new Date(service.now());
    expect(await jwtVerify(await getToken(service, client), key, { currentDate })).toBeTruthy();
  });

  test('without one no token is given or taken, and all else is as ever', async () => {
    for (const nothing of [undefined, '']) {
      const keyless = new TestService({ MINTMARK_SIGNING_KEY: nothing });
      const answer = await request(keyless, client);
      expect(oauthOutcome(answer)).toBe('503 temporarily_unavailable');
      expect(answer.body.error_description).toContain('MINTMARK_SIGNING_KEY is missing');
      // Whoever asks: a client is to know that it need not look at itself for what is wrong.
      expect((await post(keyless, 'token', {})).status).toBe(503);
      expect((await published(keyless)).body).toEqual({ keys: [] });
      await refuses(keyless, await getToken(service, client));
      await allows(keyless, client.secret);
    }
  });

  test.for([
    ['as a public key', (jwk: object) => ({ ...jwk, d: undefined })],
    ['as it was, private', (jwk: object) => jwk],
  ] as const)('is replaced while the previous one stays listed and taken: %s', async ([, as]) => {
    const [next, before] = [await privateJwk(), await privateJwk()];
    const [old, during, after] = [
      { MINTMARK_SIGNING_KEY: JSON.stringify(before) },
      {
        MINTMARK_SIGNING_KEY: JSON.stringify(next),
        MINTMARK_SIGNING_KEY_PREVIOUS: JSON.stringify(as(before)),
      },
      { MINTMARK_SIGNING_KEY: JSON.stringify(next) },
    ].map((settings) => new TestService(settings));
    if (old === undefined || during === undefined || after === undefined) throw new Error('there are three');
    const [first, second] = [await getToken(old, client), await getToken(during, client)];
    const kids = async (of: TestService) =>
      (await published(of)).body.keys.map(({ kid }: { kid: string }) => kid);
    const [oldKid, newKid] = [taken(first).header['kid'], taken(second).header['kid']];
    expect([await kids(old), await kids(during), await kids(after)]).toEqual([
      [oldKid],
      [newKid, oldKid],
      [newKid],
    ]);
    expect((await published(during)).text).not.toMatch(/"d"/);
    await allows(during, first);
    await allows(during, second);
    await allows(after, second);
    await refuses(after, first);
    await refuses(old, second);
  });

  test('that is its own predecessor is listed once', async () => {
    const both = new TestService({ MINTMARK_SIGNING_KEY_PREVIOUS: SIGNING_KEY });
    expect((await published(both)).body.keys).toHaveLength(1);
    await allows(both, await getToken(both, client));
  });

  test('that was only ever the previous one signs nothing', async () => {
    const only = new TestService({
      MINTMARK_SIGNING_KEY: undefined,
      MINTMARK_SIGNING_KEY_PREVIOUS: SIGNING_KEY,
    });
    expect((await request(only, client)).status).toBe(503);
    await allows(only, await getToken(service, client));
  });

  const OFF_CURVE = 'A'.repeat(43);
  test.for<[string, () => Promise<Record<string, string>> | Record<string, string>]>([
    [
      'a point off the curve',
      () => ({ MINTMARK_SIGNING_KEY: JSON.stringify({ ...PRIVATE_JWK, x: OFF_CURVE }) }),
    ],
    ['no private half', () => ({ MINTMARK_SIGNING_KEY: JSON.stringify({ ...PRIVATE_JWK, d: OFF_CURVE }) })],
    [
      'another’s private half',
      async () => ({
        MINTMARK_SIGNING_KEY: JSON.stringify({ ...PRIVATE_JWK, d: (await privateJwk())['d'] }),
      }),
    ],
  ])('that is none is told by its name: %s', async ([, settings]) => {
    const broken = new TestService(await settings());
    const answer = await request(broken, client);
    expect(oauthOutcome(answer)).toBe('503 temporarily_unavailable');
    expect(answer.body.error_description).toContain('MINTMARK_SIGNING_KEY ');
    await allows(broken, client.secret);
  });

  test('before it, if it is none, is told by its own name where it is needed', async () => {
    const broken = new TestService({
      MINTMARK_SIGNING_KEY_PREVIOUS: JSON.stringify({ ...PUBLIC_JWK, x: OFF_CURVE }),
    });
    const { kid } = (await published(broken)).body.keys[1];
    const { header, payload } = taken(await getToken(broken, client));
    const answer = await whoami(broken, await jws({ ...header, kid }, payload, genuinely));
    expect(answer).toMatchObject({
      status: 503,
      body: { code: 'misconfigured', errors: [{ path: 'MINTMARK_SIGNING_KEY_PREVIOUS' }] },
    });
    await allows(broken, await getToken(broken, client));
  });
});

describe('a setting that cannot be used is told by its name, and not repeated:', () => {
  const { d: _, ...withoutD } = PRIVATE_JWK;
  const KEYS: Record<string, string> = {
    'no JSON': `{${SIGNING_KEY}`,
    'a text': JSON.stringify(PRIVATE_JWK.d),
    'a list': JSON.stringify([PRIVATE_JWK]),
    null: 'null',
    'a key set': JSON.stringify({ keys: [PRIVATE_JWK] }),
    PEM: '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----',
    'another curve': JSON.stringify({ ...PRIVATE_JWK, crv: 'P-384' }),
    'another type': JSON.stringify({ ...PRIVATE_JWK, kty: 'OKP' }),
    RSA: JSON.stringify({ kty: 'RSA', n: PRIVATE_JWK.x, e: 'AQAB', d: PRIVATE_JWK.d }),
    'a secret': JSON.stringify({ kty: 'oct', k: PRIVATE_JWK.d }),
    'x that is short': JSON.stringify({ ...PRIVATE_JWK, x: PRIVATE_JWK.x.slice(1) }),
    'y that is padded': JSON.stringify({ ...PRIVATE_JWK, y: `${PRIVATE_JWK.y}=` }),
  };
  const PRIVATE_ALONE: Record<string, string> = {
    'no d': JSON.stringify(withoutD),
    'd that is long': JSON.stringify({ ...PRIVATE_JWK, d: `${PRIVATE_JWK.d}A` }),
    'd that is a number': JSON.stringify({ ...PRIVATE_JWK, d: 1 }),
  };
  const ISSUERS: Record<string, string> = {
    'no URL': 'keys.acme.test',
    'http off this machine': 'http://keys.acme.test',
    'http where only the name begins so': 'http://localhost.acme.test',
    'a slash after it': 'https://keys.acme.test/',
    'a path': 'https://keys.acme.test/v1',
    'a query': 'https://keys.acme.test?x',
    'a fragment': 'https://keys.acme.test#x',
    'a user': 'https://user@keys.acme.test',
    'upper case': 'https://Keys.acme.test',
    'the port that https has': 'https://keys.acme.test:443',
    'a blank': ' https://keys.acme.test',
    'another scheme': 'ftp://keys.acme.test',
  };
  const LIFETIMES = ['29', '86401', '0', '-1', '1.5', '5m', 'x'];
  const named = (name: string, values: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([what, value]): [string, string, string] => [name, what, value]);

  test.for([
    ...named('MINTMARK_SIGNING_KEY', { ...KEYS, ...PRIVATE_ALONE }),
    ...named('MINTMARK_SIGNING_KEY_PREVIOUS', KEYS),
    ...named('MINTMARK_ISSUER', ISSUERS),
    ...named('TOKEN_LIFETIME_SECONDS', Object.fromEntries(LIFETIMES.map((value) => [value, value]))),
  ])('%s: %s', async ([name, , value]) => {
    const read = readConfig({ ...bindings(), [name]: value });
    if (!('faults' in read)) throw new Error('it was taken');
    // It may say which member.
    expect(read.faults.map(({ path }) => path.split('.', 1)[0])).toEqual([name]);
    const app = createMisconfiguredApp(read.faults, IDLE_PLATFORM);
    for (const path of ['/oauth/token', '/v1/whoami', '/.well-known/jwks.json']) {
      const response = await app.request(path, { method: path === '/oauth/token' ? 'POST' : 'GET' });
      const text = await response.text();
      expect(response.status).toBe(503);
      expect(text).toContain(name);
      for (const secret of [value, PRIVATE_JWK.d, PRIVATE_JWK.x]) {
        if (secret.length > 10) expect(text + JSON.stringify(read.faults)).not.toContain(secret);
      }
    }
  });

  test.for([
    ['MINTMARK_ISSUER', 'an origin', 'https://keys.example.com'],
    ['MINTMARK_ISSUER', 'a port', 'https://keys.example.com:8443'],
    ['MINTMARK_ISSUER', 'this machine', 'http://localhost:8787'],
    ['MINTMARK_ISSUER', 'this machine’s address', 'http://127.0.0.1'],
    ['MINTMARK_ISSUER', 'nothing', ''],
    [
      'MINTMARK_SIGNING_KEY',
      'members beside its own',
      JSON.stringify({ ...PRIVATE_JWK, kid: 'mine', alg: 'ES256', use: 'sig' }),
    ],
    ['MINTMARK_SIGNING_KEY', 'blanks around it', ` ${SIGNING_KEY}\n`],
    ['TOKEN_LIFETIME_SECONDS', 'the shortest', '30'],
    ['TOKEN_LIFETIME_SECONDS', 'the longest', '86400'],
  ] as const)('but %s can be: %s', ([name, , value]) => {
    expect(readConfig({ ...bindings(), [name]: value })).toHaveProperty('config');
  });
});

describe('the issuer', () => {
  const at = (of: TestService, url: string) =>
    of.app.request(url, {
      method: 'POST',
      body: 'grant_type=client_credentials',
      headers: { 'Content-Type': FORM, Authorization: basic(client.id, client.secret) },
    });
  const METADATA = '/.well-known/oauth-authorization-server';

  test.for(['http://localhost', 'http://localhost:8787', 'http://127.0.0.1:8787', 'http://[::1]:8787'])(
    'is the address on this machine: %s',
    async (origin) => {
      const { access_token } = await (
        await at(service, `${origin}/oauth/token`)
      ).json<{ access_token: string }>();
      expect(taken(access_token).payload).toMatchObject({ iss: origin, aud: origin });
      expect(await (await service.app.request(origin + METADATA)).json()).toMatchObject({
        issuer: origin,
        token_endpoint: `${origin}/oauth/token`,
      });
      expect((await whoami(service, access_token)).status).toBe(200);
    },
  );

  test.for([
    'https://keys.example.com',
    'http://localhost.example.com',
    'https://localhost',
    'http://127.0.0.2',
  ])('must be said elsewhere, whatever the address is: %s', async (origin) => {
    for (const response of [
      await at(service, `${origin}/oauth/token`),
      await service.app.request(origin + METADATA),
    ]) {
      expect(response.status).toBe(503);
      expect(await response.json()).toEqual({
        error: 'temporarily_unavailable',
        error_description: 'MINTMARK_ISSUER is required off localhost',
      });
    }
    const issuer = 'https://said.example.com';
    const said = new TestService({ MINTMARK_ISSUER: issuer });
    const { access_token } = await (await at(said, `${origin}/oauth/token`)).json<{ access_token: string }>();
    expect(taken(access_token).payload).toMatchObject({ iss: issuer, aud: issuer });
    expect(await (await said.app.request(origin + METADATA)).json()).toMatchObject({
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      introspection_endpoint: `${issuer}/oauth/introspect`,
      revocation_endpoint: `${issuer}/oauth/revoke`,
    });
    await allows(said, access_token);
  });
});

async function privateJwk(): Promise<Record<string, unknown>> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)) };
}

const bindings = () => ({
  DB: env.DB,
  CACHE: env.CACHE,
  FLOODS: env.FLOODS,
  MINTMARK_SIGNING_KEY: SIGNING_KEY,
});
