import { base64url, CompactEncrypt, exportJWK, exportSPKI, importJWK, type CryptoKey, type JWK } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';

import { withoutRequestId } from '../http/endpoints.ts';
import { flood } from '../support/flood.ts';
import { SIGNING_KEY, type TestService } from '../support/service.ts';
import { encoded, makeKey, sign, TestIssuer, without, type IssuerKey, type TokenParts } from './issuer.ts';
import { judged, trusting, whoIs } from './trusting.ts';

const BAD = '401 invalid_credential';
const LIMITED = '429 rate_limited';

const [rsa, ec, rsaOfAttacker, ecOfAttacker] = await Promise.all([
  makeKey('RS256', 'rsa'),
  makeKey('ES256', 'ec'),
  makeKey('RS256', 'attacker-rsa'),
  makeKey('ES256', 'attacker-ec'),
]);
const issuer = new TestIssuer([rsa, ec]);
const attacker = new TestIssuer([rsaOfAttacker, ecOfAttacker], 'https://attacker.example');
const service = trusting(issuer);

const utf8 = new TextEncoder();
const now = () => Math.floor(service.now() / 1_000);
const unsigned = async () => new Uint8Array();

const hmac =
  (secret: Uint8Array<ArrayBuffer> | string, bits = 256) =>
  async (input: Uint8Array<ArrayBuffer>): Promise<Uint8Array> => {
    const bytes = typeof secret === 'string' ? utf8.encode(secret) : secret;
    const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: `SHA-${bits}` }, false, [
      'sign',
    ]);
    return new Uint8Array(await crypto.subtle.sign('HMAC', key, input));
  };

const bytesOf = (text: string) => new Uint8Array(base64url.decode(text));

async function imported(jwk: JWK, alg: string): Promise<CryptoKey> {
  const key = await importJWK({ ...jwk, alg, ext: true }, alg);
  if (key instanceof Uint8Array) throw new Error('a secret key signs nothing here');
  return key;
}

const pem = async ({ jwk, alg }: IssuerKey) => exportSPKI(await imported(jwk, alg));
const der = async (key: IssuerKey) => {
  const body = (await pem(key)).replaceAll(/-----[A-Z ]+-----|\s/g, '');
  return bytesOf(body.replaceAll('+', '-').replaceAll('/', '_'));
};

/** By the issuer's own key, with other parts. */
const byIssuer = (parts: TokenParts) => () => issuer.token(parts);
const withClaims = (claims: Record<string, unknown>) => byIssuer({ claims });
/** By a key that the issuer does not have. */
const byAttacker = (header: Record<string, unknown>, key = rsaOfAttacker) => byIssuer({ key, header });
/** By the issuer’s own key, in a way that it is not published for. */
const byOther = (alg: string) => async () => {
  const privateKey = await imported(await exportJWK(rsa.privateKey), alg);
  return issuer.token({ key: { ...rsa, alg, privateKey } });
};
/** A good token whose text is changed. */
const changed = (change: (parts: [string, string, string]) => string) => async () => {
  const [header = '', payload = '', signature = ''] = (await issuer.token()).split('.');
  return change([header, payload, signature]);
};
const hs256 = async (secret: Uint8Array<ArrayBuffer> | string, kid: string | undefined = 'rsa', bits = 256) =>
  issuer.token({ header: { alg: `HS${bits}`, kid }, signature: hmac(secret, bits) });

const embedded = { ...rsaOfAttacker.jwk, kid: 'rsa' };
const certificate = encoded('a certificate');

const FORGERIES: Readonly<Record<string, () => Promise<string>>> = {
  'alg none': byIssuer({ header: { alg: 'none' }, signature: unsigned }),
  'alg none, with the signature of RS256': byIssuer({ header: { alg: 'none' } }),
  'alg None': byIssuer({ header: { alg: 'None' } }),
  'alg nOnE, without kid': byIssuer({ header: { alg: 'nOnE', kid: undefined } }),
  'no alg': byIssuer({ header: { alg: undefined } }),
  'an alg that is empty': byIssuer({ header: { alg: '' } }),
  'an alg that is a list': byIssuer({ header: { alg: ['RS256'] } }),
  'an alg in lower case': byIssuer({ header: { alg: 'rs256' } }),
  'an alg that every object has': byIssuer({ header: { alg: 'constructor' } }),

  'HS256 by the public key in PEM': async () => hs256(await pem(rsa)),
  'HS256 by the PEM without its last line end': async () => hs256((await pem(rsa)).trim()),
  'HS256 by the public key in DER': async () => hs256(await der(rsa)),
  'HS256 by the JWK as it is published': async () => hs256(JSON.stringify(rsa.jwk)),
  'HS256 by the modulus': async () => hs256(bytesOf(rsa.jwk.n ?? '')),
  'HS256 by the public key, without kid': async () =>
    issuer.token({ header: { alg: 'HS256', kid: undefined }, signature: hmac(await pem(rsa)) }),
  'HS256 by the public EC key': async () => hs256(await pem(ec), 'ec'),
  'HS384 by the public key': async () => hs256(await pem(rsa), 'rsa', 384),
  'HS512 by the public key': async () => hs256(await pem(rsa), 'rsa', 512),
  'HS256 by a secret that anybody guesses': async () => hs256('secret'),
  'HS256 by the kid': async () => hs256('rsa'),

  'ES256 under the kid of an RSA key': byAttacker({ kid: 'rsa' }, ecOfAttacker),
  'RS256 under the kid of an EC key': byAttacker({ kid: 'ec' }),
  'the issuer’s EC key under the kid of its RSA key': byIssuer({ key: ec, header: { kid: 'rsa' } }),
  'PS256 by a key for RS256': byOther('PS256'),
  'RS512 by a key for RS256': byOther('RS512'),
  'a signature in DER': byIssuer({
    key: ec,
    signature: async (input) => {
      const raw = await sign(ec, 'ES256', input);
      const part = (half: Uint8Array) => [2, 33, 0, ...half];
      const both = [...part(raw.subarray(0, 32)), ...part(raw.subarray(32))];
      return Uint8Array.from([48, both.length, ...both]);
    },
  }),
  'an ES256 signature of zeros': byIssuer({ key: ec, signature: async () => new Uint8Array(64) }),
  'an RS256 signature of zeros': byIssuer({ signature: async () => new Uint8Array(256) }),

  'another’s key': byAttacker({}),
  'another’s key under the issuer’s kid': byAttacker({ kid: 'rsa' }),
  'another’s key without kid': byAttacker({ kid: undefined }),
  'another’s key, embedded as jwk': byAttacker({ jwk: rsaOfAttacker.jwk }),
  'another’s key, embedded under the issuer’s kid': byAttacker({ kid: 'rsa', jwk: embedded }),
  'another’s key, embedded without kid': byAttacker({ kid: undefined, jwk: embedded }),
  'another’s key at a jku': byAttacker({ jku: attacker.jwksUrl }),
  'another’s key at a jku, under the issuer’s kid': byAttacker({ kid: 'rsa', jku: attacker.jwksUrl }),
  'another’s key at an x5u': byAttacker({ kid: 'rsa', x5u: attacker.jwksUrl, x5t: 'x' }),
  'another’s key in an x5c': byAttacker({ kid: undefined, x5c: [certificate], 'x5t#S256': certificate }),
  'another’s issuer': () => attacker.token(),
  'another’s issuer, by the issuer’s key': withClaims({ iss: attacker.url }),
  'a kid that is a path': byAttacker({ kid: '../../../../dev/null' }),
  'a kid that is an address': byAttacker({ kid: attacker.jwksUrl }),
  'a kid of 4 KB': byAttacker({ kid: 'k'.repeat(4_000) }),
  'a kid of two lines': byAttacker({ kid: "rsa'\r\nX: y" }),
  'a kid that is a number': byAttacker({ kid: 1 }),
  'a kid that is null': byIssuer({ header: { kid: null } }),
  'a kid that is a list': byIssuer({ header: { kid: ['rsa'] } }),
  'a kid in capitals': byIssuer({ header: { kid: 'RSA' } }),
  'a kid that every object has': byAttacker({ kid: '__proto__' }),

  'crit of what is not known': byIssuer({ header: { crit: ['exp'], exp: 1 } }),
  'crit of what is not there': byIssuer({ header: { crit: ['b64'] } }),
  'crit that is empty': byIssuer({ header: { crit: [] } }),
  'crit that is a text': byIssuer({ header: { crit: 'b64', b64: true } }),
  'a payload that is not encoded': byIssuer({ header: { crit: ['b64'], b64: false } }),

  'iss with a slash more': withClaims({ iss: `${issuer.url}/` }),
  'iss in capitals': withClaims({ iss: issuer.url.toUpperCase() }),
  'iss without its path': withClaims({ iss: new URL(issuer.url).origin }),
  'iss that goes on': withClaims({ iss: `${issuer.url}.attacker.example` }),
  'iss with a blank': withClaims({ iss: ` ${issuer.url}` }),
  'iss as a list': withClaims({ iss: [issuer.url] }),
  'iss as an object': withClaims({ iss: { url: issuer.url } }),
  'iss null': withClaims({ iss: null }),
  'no iss': withClaims({ iss: undefined }),
  'iss of the prototype': () =>
    issuer.token({
      payload: JSON.stringify({ __proto__x: { iss: issuer.url } }).replace('__proto__x', '__proto__'),
    }),

  'aud of another': withClaims({ aud: 'other' }),
  'aud of others': withClaims({ aud: ['other', 'mintmark2', 'MINTMARK', ' mintmark'] }),
  'aud as one text': withClaims({ aud: 'other mintmark' }),
  'aud as an object': withClaims({ aud: { mintmark: true } }),
  'aud as a list of a list': withClaims({ aud: [['mintmark']] }),
  'aud empty': withClaims({ aud: '' }),
  'aud an empty list': withClaims({ aud: [] }),
  'aud null': withClaims({ aud: null }),
  'no aud': withClaims({ aud: undefined }),
  'azp and client_id in place of aud': withClaims({ aud: 'other', azp: 'mintmark', client_id: 'mintmark' }),

  'no exp': withClaims({ exp: undefined }),
  'exp null': withClaims({ exp: null }),
  'exp as text': withClaims({ exp: String(Math.floor(Date.now() / 1_000) + 300) }),
  'exp as a list': withClaims({ exp: [99_999_999_999] }),
  'exp true': withClaims({ exp: true }),
  'exp zero': withClaims({ exp: 0 }),
  'exp before all time': withClaims({ exp: -1 }),
  'exp past': () => issuer.token({ claims: { exp: now() - 31 } }),
  'nbf in future': () => issuer.token({ claims: { nbf: now() + 60, exp: now() + 300 } }),
  'nbf in milliseconds': () => issuer.token({ claims: { nbf: service.now() } }),
  'nbf as text': withClaims({ nbf: '0' }),
  'nbf null': withClaims({ nbf: null }),
  'iat as text': withClaims({ iat: 'now' }),

  'a logout token': byIssuer({ header: { typ: 'logout+jwt' }, claims: { events: {} } }),
  'a security event': byIssuer({ header: { typ: 'secevent+jwt' } }),
  'a DPoP proof': byIssuer({ header: { typ: 'dpop+jwt' } }),
  'a client assertion': byIssuer({ header: { typ: 'client-authentication+jwt' } }),
  'a token exchange request': byIssuer({ header: { typ: 'oauth-authz-req+jwt' } }),
  'an SD-JWT': byIssuer({ header: { typ: 'dc+sd-jwt' } }),
  'a type that goes on': byIssuer({ header: { typ: 'at+jwt2' } }),
  'a type that is longer written': byIssuer({ header: { typ: 'application/logout+jwt' } }),
  'a type that is empty': byIssuer({ header: { typ: '' } }),
  'a type that every object has': byIssuer({ header: { typ: 'constructor' } }),

  'another payload': changed(
    ([header, , signature]) =>
      `${header}.${encoded({ iss: issuer.url, aud: 'mintmark', sub: 'root', exp: 9e9 })}.${signature}`,
  ),
  'another header': changed(
    ([, payload, signature]) =>
      `${encoded({ alg: 'RS256', kid: 'rsa', typ: 'at+jwt' })}.${payload}.${signature}`,
  ),
  'a signature of one bit more': changed(
    ([header, payload, signature]) =>
      `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
  ),
  'half a signature': changed(
    ([header, payload, signature]) => `${header}.${payload}.${signature.slice(0, 100)}`,
  ),
  'no signature': changed(([header, payload]) => `${header}.${payload}.`),
  'two parts': changed(([header, payload]) => `${header}.${payload}`),
  'four parts': changed((parts) => `${parts.join('.')}.${parts[2]}`),
  'a point before': changed((parts) => `.${parts.join('.')}`),
  padding: changed((parts) => `${parts.join('.')}=`),
  'a comma behind': changed((parts) => `${parts.join('.')},`),
  'JSON of a signature': changed(([header, payload, signature]) =>
    JSON.stringify({ protected: header, payload, signature }),
  ),

  'a payload that is no JSON': byIssuer({ payload: `{"iss":"${issuer.url}"` }),
  'a payload that is a list': byIssuer({ payload: `[{"iss":"${issuer.url}"}]` }),
  'a payload that is null': byIssuer({ payload: 'null' }),
  'a payload that is a text': byIssuer({ payload: `"${issuer.url}"` }),
  'a payload that is empty': byIssuer({ payload: '{}' }),
  'a payload that is a token': async () =>
    issuer.token({ payload: await issuer.token(), header: { cty: 'JWT' } }),
  'a payload of lists in lists': byIssuer({ payload: '['.repeat(5_000) }),
  'a header that is no JSON': byIssuer({ header: '{"alg":"RS256"' }),
  'a header that is a list': byIssuer({ header: '["RS256"]' }),
  'a header that is null': byIssuer({ header: 'null' }),
  'a header of lists in lists': byIssuer({ header: '['.repeat(5_000) }),
  'encryption to the issuer': async () =>
    new CompactEncrypt(utf8.encode(await issuer.token()))
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A128GCM', cty: 'JWT' })
      .encrypt(await imported({ kty: 'RSA', n: rsa.jwk.n ?? '', e: rsa.jwk.e ?? '' }, 'RSA-OAEP-256')),
  '8 KB of junk': async () => 'x'.repeat(8_192),
  '8 KB of junk in three parts': async () => `${'x'.repeat(2_700)}.${'y'.repeat(2_700)}.${'z'.repeat(2_700)}`,
  '8 KB of claims': withClaims({ groups: Array.from({ length: 1_000 }, (_, index) => `group-${index}`) }),
  points: async () => '..',
};

beforeAll(async () => {
  expect(await judged(service, await issuer.token())).toBe('200');
  expect(await judged(service, await issuer.token({ key: ec }))).toBe('200');
});

describe('refuses', () => {
  test.for(Object.entries(FORGERIES))('%s', async ([, make]) => {
    expect(await judged(service, await make())).toBe(BAD);
  });

  test.for([5, true, ['JWT'], {}])('a type that is no text: %j', async (typ) => {
    expect(await judged(service, await issuer.token({ header: { typ } }))).toBe(BAD);
  });

  test('each in the same words', async () => {
    const told = new Set<string>();
    for (const [index, make] of Object.values(FORGERIES).entries()) {
      const headers = { 'CF-Connecting-IP': `192.0.2.${index}` };
      const answer = await service.call('GET', '/v1/whoami', { credential: await make(), headers });
      told.add(JSON.stringify(withoutRequestId(answer)));
    }
    expect(told.size).toBe(1);
  });

  test('all of them where no key says its algorithm, too', async () => {
    const bare = new TestIssuer([rsa, ec]);
    bare.jwks = () => Response.json({ keys: [rsa, ec].map(({ jwk }) => without(jwk, 'alg', 'use')) });
    const trusted = trusting(bare);
    // With its algorithm free, an RSA key is good for each that RSA has.
    const isFree = (title: string) => /^(?:PS256|RS512) by a key for RS256$/.test(title);
    for (const [title, make] of Object.entries(FORGERIES))
      expect(await judged(trusted, await make()), title).toBe(isFree(title) ? '200' : BAD);
    issuer.clock = () => service.now();
  });

  test('and goes to no address that a token names', async () => {
    const visited: string[] = [];
    const trusted = trusting(issuer);
    trusted.fetchHook = async (url) => {
      visited.push(url);
      return issuer.fetch(url);
    };
    for (const make of Object.values(FORGERIES)) await judged(trusted, await make());
    expect(new Set(visited)).toEqual(
      new Set([`${issuer.url}/.well-known/openid-configuration`, issuer.jwksUrl]),
    );
    issuer.clock = () => service.now();
  });

  test('without asking D1 or KV', async () => {
    const token = await issuer.token({ claims: { aud: 'other' } });
    const io = await service.ioOf(() => judged(service, token));
    expect([io.d1, io.kv]).toEqual([[], []]);
  });
});

describe('beside tokens of Mintmark’s own', () => {
  const OWN = 'http://localhost';
  let client = { id: '', secret: '', keyId: '' };

  beforeAll(async () => {
    const { key, secret } = await service.key({}, { role: 'reader' });
    client = { id: key.serviceAccountId, secret, keyId: key.id };
  });

  async function ownToken(resource?: string): Promise<string> {
    const form = {
      grant_type: 'client_credentials',
      client_id: client.id,
      client_secret: client.secret,
      ...(resource === undefined ? {} : { resource }),
    };
    const { body } = await service.call('POST', '/oauth/token', {
      credential: null,
      body: String(new URLSearchParams(form)),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    });
    return body.access_token;
  }

  /** The key that Mintmark signs by, as an issuer's. */
  async function ownKey(): Promise<IssuerKey> {
    const jwks = await (
      await service.app.request('/.well-known/jwks.json')
    ).json<{ keys: { kid: string }[] }>();
    const privateKey = await imported(JSON.parse(SIGNING_KEY), 'ES256');
    return { alg: 'ES256', kid: jwks.keys[0]?.kid ?? '', privateKey, jwk: {} };
  }

  const ownClaims = () => ({
    iss: OWN,
    aud: OWN,
    sub: client.id,
    client_id: client.id,
    key_id: client.keyId,
    jti: `${client.keyId}.${'x'.repeat(16)}`,
  });

  test('one of them is no person’s, even where the issuer has Mintmark’s name', async () => {
    const namesake = trusting(new TestIssuer(issuer.keys, OWN), {
      OIDC_AUDIENCE: `${OWN},https://files.example`,
    });
    for (const trusted of [service, namesake]) {
      expect(await whoIs(trusted, await ownToken())).toMatchObject({
        type: 'service_account',
        id: client.id,
      });
      expect(await judged(trusted, await ownToken('https://files.example'))).toBe(BAD);
    }
  });

  test('Mintmark’s key signs nothing of the issuer’s', async () => {
    const key = await ownKey();
    for (const typ of ['JWT', 'at+jwt']) {
      expect(await judged(service, await issuer.token({ key, header: { typ } }))).toBe(BAD);
      expect(await judged(service, await issuer.token({ key, header: { typ, kid: 'ec' } }))).toBe(BAD);
      expect(
        await judged(
          service,
          await issuer.token({ key, header: { typ }, claims: { ...ownClaims(), iss: issuer.url } }),
        ),
      ).toBe(BAD);
    }
  });

  test('the issuer’s key signs nothing of Mintmark’s', async () => {
    const { kid } = await ownKey();
    for (const header of [{ typ: 'at+jwt' }, { typ: 'at+jwt', kid }, { typ: 'at+jwt', kid: undefined }]) {
      expect(await judged(service, await issuer.token({ key: ec, header, claims: ownClaims() }))).toBe(BAD);
    }
    // Of its own issuer, what it says of accounts and keys makes nobody one.
    const claims = {
      ...ownClaims(),
      iss: issuer.url,
      aud: 'mintmark',
      sub: 'ada',
      scope: 'mintmark:keys:read',
    };
    const token = await issuer.token({ key: ec, header: { typ: 'at+jwt' }, claims });
    expect(await whoIs(service, token)).toEqual({
      type: 'user',
      id: 'ada',
      organizationId: 'org_000000000000000000000000',
      scopes: ['mintmark:keys:read'],
      key: null,
    });
  });

  test('an issuer that publishes Mintmark’s key id is taken for no other', async () => {
    const { kid } = await ownKey();
    const posing = new TestIssuer([await makeKey('ES256', kid)]);
    const trusted = trusting(posing);
    expect(
      await judged(trusted, await posing.token({ header: { typ: 'at+jwt' }, claims: ownClaims() })),
    ).toBe(BAD);
    expect(await whoIs(trusted, await posing.token())).toMatchObject({ type: 'user', id: 'ada' });
  });
});

describe('a flood', () => {
  const headers = { 'CF-Connecting-IP': '198.51.100.9' };
  const floodWith = (trusted: TestService, credential: string) =>
    flood(trusted, () => trusted.call('GET', '/v1/whoami', { credential, headers }));

  test('of forgeries is one of guesses', async () => {
    const trusted = trusting(issuer);
    await floodWith(trusted, await issuer.token({ claims: { aud: 'other' } }));
    expect(await judged(trusted, await issuer.token({ claims: { aud: 'other' } }), headers)).toBe(LIMITED);
    expect(await judged(trusted, 'a-guess', headers)).toBe(LIMITED);
    expect(await judged(trusted, await issuer.token(), headers), 'keys are known').toBe('200');
    expect(await judged(trusted, await issuer.token({ claims: { aud: 'other' } }))).toBe(BAD);
    issuer.clock = () => service.now();
  });

  test('keeps its address from asking the issuer, and no other', async () => {
    const own = new TestIssuer([ec]);
    const trusted = trusting(own);
    await floodWith(trusted, 'a-guess');
    expect(await judged(trusted, await own.token(), headers)).toBe(LIMITED);
    expect(own.asked).toEqual({ configuration: 0, jwks: 0 });
    expect(await judged(trusted, await own.token())).toBe('200');
    expect(await judged(trusted, await own.token(), headers)).toBe('200');
    own.keys = [ecOfAttacker];
    await trusted.advance(30_000);
    await floodWith(trusted, 'a-guess');
    expect(await judged(trusted, await own.token(), headers)).toBe(LIMITED);
    expect(own.asked).toEqual({ configuration: 1, jwks: 1 });
    expect(await judged(trusted, await own.token())).toBe('200');
  });

  test('makes no key good for longer', async () => {
    const own = new TestIssuer([ec]);
    const trusted = trusting(own);
    const token = await own.token({ claims: { exp: 99_999_999_999 } });
    expect(await judged(trusted, token)).toBe('200');
    own.keys = [rsa];
    await trusted.advance(7_200_000);
    await floodWith(trusted, 'a-guess');
    expect(await judged(trusted, token, headers)).toBe(LIMITED);
  });

  test('is none where the key may be new', async () => {
    const trusted = trusting(issuer);
    await floodWith(trusted, await issuer.token({ key: ecOfAttacker, header: { kid: 'new' } }));
    expect(await judged(trusted, await issuer.token({ claims: { aud: 'other' } }), headers)).toBe(BAD);
    issuer.clock = () => service.now();
  });

  test('is none where each token is good', async () => {
    const trusted = trusting(issuer);
    const credential = await issuer.token();
    const io = await trusted.ioOf(() => judged(trusted, credential, headers));
    expect(io.limits).toEqual([]);
    issuer.clock = () => service.now();
  });
});
