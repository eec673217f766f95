import { importJWK, exportSPKI, base64url } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';

import { MAX_TOKEN_LENGTH } from '../../src/core/constants.ts';
import { TestService } from '../support/service.ts';
import { allows, ENTRANCE_NAMES, ENTRANCES, refuses, takenBy, type EntranceName } from './entrances.ts';
import {
  byKey,
  bySecret,
  bytesOf,
  ES256,
  genuinely,
  jws,
  part,
  PUBLIC_JWK,
  stranger,
  taken,
  type Json,
  type Sign,
} from './jws.ts';
import { DEFAULT_ORGANIZATION, getToken, introspect, newClient, whoami, type Client } from './tokens.ts';

const service = new TestService();
/** Of P-256. */
const ORDER = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';
const JUNK = 'no.such.token';

let client: Client;
/** A good token, and what it is made of. */
let good: string;
let header: Json;
let payload: Json;
let parts: [string, string, string];
/** What each entrance says to junk. */
const said = new Map<EntranceName, string>();

beforeAll(async () => {
  client = await newClient(service, { permissions: ['*'], role: 'admin' });
  good = await getToken(service, client);
  ({ header, payload, parts } = taken(good));
  for (const name of ENTRANCE_NAMES) said.set(name, (await ENTRANCES[name](service, JUNK)).told);
});

/** Held to every entrance: each says of it what it says of junk, without having looked for anything. */
async function isJunk(forged: string, but: readonly EntranceName[] = []): Promise<void> {
  const names = ENTRANCE_NAMES.filter((name) => !but.includes(name));
  const io = await service.ioOf(async () => {
    for (const name of names) {
      const { isTaken, told } = await ENTRANCES[name](service, forged);
      expect([isTaken, told], name).toEqual([false, said.get(name)]);
    }
  });
  expect([io.d1, io.kv]).toEqual([[], []]);
  // Nor is it echoed to who reads the logs.
  for (const piece of forged.split('.').filter((each) => each.length > 20)) {
    expect(JSON.stringify(service.logs)).not.toContain(piece);
  }
}

const now = (): number => Math.floor(service.now() / 1_000);

test('what is signed here as the service signs it is taken at every entrance: the forgeries differ in what they say', async () => {
  await allows(service, good);
  await allows(service, await jws(header, payload, genuinely));
  await refuses(service, JUNK);
});

describe('a token that this deployment did not sign is as junk:', () => {
  const es256 = async (): Promise<Sign> => byKey((await stranger()).key, ES256);
  const rsa = async (alg: string, algorithm: SubtleCryptoSignAlgorithm) =>
    jws({ ...header, alg }, payload, byKey((await stranger(alg)).key, algorithm));
  const hs256 = (secret: Uint8Array<ArrayBuffer>, alg = 'HS256') =>
    jws({ ...header, alg }, payload, bySecret(secret));
  const unsigned = (alg: unknown) => `${part({ ...header, alg })}.${parts[1]}.`;
  const withSignature = (signature: Uint8Array) => `${parts[0]}.${parts[1]}.${part(signature)}`;
  const spki = async () => {
    const key = await importJWK(PUBLIC_JWK, 'ES256', { extractable: true });
    return key instanceof Uint8Array ? '' : exportSPKI(key);
  };
  const point = () => new Uint8Array([...base64url.decode(PUBLIC_JWK.x), ...base64url.decode(PUBLIC_JWK.y)]);
  const order = hex(ORDER);

  const FORGERIES: Record<string, () => string | Promise<string>> = {
    // RFC 8725 §2.1.
    'alg none': () => unsigned('none'),
    'alg None': () => unsigned('None'),
    'alg nOnE beside a signature': () => unsigned('nOnE') + parts[2],
    'alg none beside a signature': () => unsigned('none') + parts[2],
    'alg none and no third part': () => unsigned('none').slice(0, -1),
    'no alg': () => unsigned(undefined) + parts[2],
    'ES256 without a signature': () => `${parts[0]}.${parts[1]}.`,
    'HS256 by the public key as JSON': () => hs256(bytesOf(JSON.stringify(PUBLIC_JWK))),
    'HS256 by the published key as JSON': async () =>
      hs256(bytesOf(JSON.stringify((await service.call('GET', '/.well-known/jwks.json')).body.keys[0]))),
    'HS256 by the public key in PEM': async () => hs256(bytesOf(await spki())),
    'HS256 by the public key in PEM and a line end': async () => hs256(bytesOf(`${(await spki()).trim()}\n`)),
    'HS256 by the public key in DER': async () =>
      hs256(
        Uint8Array.from(atob((await spki()).replaceAll(/-----[^-]+-----|\s/g, '')), (c) => c.charCodeAt(0)),
      ),
    'HS256 by x and y': () => hs256(point()),
    'HS256 by the point': () => hs256(new Uint8Array([4, ...point()])),
    'HS256 by the kid': () => hs256(bytesOf(String(header['kid']))),
    'HS512 by x and y': () => hs256(point(), 'HS512'),
    'ES256 by another key under our kid': async () => jws(header, payload, await es256()),
    'ES384 by another key': async () =>
      jws(
        { ...header, alg: 'ES384' },
        payload,
        byKey((await stranger('ES384')).key, { name: 'ECDSA', hash: 'SHA-384' }),
      ),
    'ES256K by another key': async () => jws({ ...header, alg: 'ES256K' }, payload, await es256()),
    'RS256 by another key': () => rsa('RS256', { name: 'RSASSA-PKCS1-v1_5' }),
    'PS256 by another key': () => rsa('PS256', { name: 'RSA-PSS', saltLength: 32 }),
    'EdDSA by another key': () => rsa('EdDSA', { name: 'Ed25519' }),
    'an embedded jwk': async () => {
      const { key, jwk } = await stranger();
      return jws({ ...header, jwk }, payload, byKey(key, ES256));
    },
    'an embedded jwk under its own kid': async () => {
      const { key, jwk } = await stranger();
      return jws({ ...header, jwk, kid: 'mine' }, payload, byKey(key, ES256));
    },
    'an embedded jwk without kid': async () => {
      const { key, jwk } = await stranger();
      const { kid: _, ...rest } = header;
      return jws({ ...rest, jwk }, payload, byKey(key, ES256));
    },
    jku: async () => jws({ ...header, jku: 'https://evil.example/jwks.json' }, payload, await es256()),
    x5u: async () => jws({ ...header, x5u: 'https://evil.example/cert.pem' }, payload, await es256()),
    x5c: async () => jws({ ...header, x5c: ['MIIB'] }, payload, await es256()),
    'alg twice': async () => {
      const twice = JSON.stringify(header).replace('{', '{"alg":"none",');
      return jws(twice, payload, await es256());
    },
    // CVE-2022-21449.
    'a signature of zeros': () => withSignature(new Uint8Array(64)),
    'a signature of the order': () => withSignature(new Uint8Array([...order, ...order])),
    'a signature of r = 1 and s = 1': () => withSignature(new Uint8Array(64).fill(1, 31, 32).fill(1, 63, 64)),
    'a signature in DER': () => withSignature(derOf(base64url.decode(parts[2]))),
    'half a signature': () => withSignature(base64url.decode(parts[2]).slice(0, 32)),
    'a signature and a byte': () => withSignature(new Uint8Array([...base64url.decode(parts[2]), 0])),
    'a signature twice': () => good + parts[2],
    'another token’s signature': async () =>
      `${parts[0]}.${parts[1]}.${taken(await getToken(service, client)).parts[2]}`,
    'another token’s payload': async () =>
      `${parts[0]}.${taken(await getToken(service, client)).parts[1]}.${parts[2]}`,
    'a later end': () => `${parts[0]}.${part({ ...payload, exp: now() + 9_999 })}.${parts[2]}`,
    'another header': () => `${part({ ...header, x: 1 })}.${parts[1]}.${parts[2]}`,
  };

  test.for(Object.keys(FORGERIES))('%s', async (name) => isJunk((await FORGERIES[name]?.()) ?? ''));
});

describe('what is signed by its key, but is no access token, is as junk:', () => {
  const others: readonly EntranceName[] = ['the token of introspection'];
  const headers: Record<string, unknown> = {
    'an ID token’s type': { typ: 'JWT' },
    'no type': { typ: undefined },
    'a type that begins so': { typ: 'at+jwt2' },
    'a type in a list': { typ: ['at+jwt'] },
    'a logout token’s type': { typ: 'logout+jwt' },
    'alg ES384': { alg: 'ES384' },
    'alg ES256K': { alg: 'ES256K' },
    'alg es256': { alg: 'es256' },
    'alg RS256': { alg: 'RS256' },
    'alg HS256': { alg: 'HS256' },
    'alg none': { alg: 'none' },
    'alg in a list': { alg: ['ES256'] },
    'an empty crit': { crit: [] },
    'a crit that nobody knows': { crit: ['urn:example:x'], 'urn:example:x': true },
    'a crit of what is there': { crit: ['exp'], exp: 1 },
    'a payload that is not encoded': { b64: false, crit: ['b64'] },
    'no kid': { kid: undefined },
    'an unknown kid': { kid: 'x'.repeat(43) },
    'a kid that is a path': { kid: '../../../../etc/passwd' },
    'a kid that is SQL': { kid: "' UNION SELECT 1 --" },
    'a kid that ends a header': { kid: 'x\r\nSet-Cookie: a=b' },
    'a kid of every object’s': { kid: '__proto__' },
    'a kid that is a number': { kid: 1 },
    'a kid in a list': { kid: ['x'] },
    'an empty kid': { kid: '' },
  };
  test.for(Object.entries(headers))('in its header %s', async ([, changed]) => {
    await isJunk(await jws({ ...header, ...(changed as Json) }, payload, genuinely));
  });

  const claims: Record<string, Json> = {
    'no issuer': { iss: undefined },
    'another issuer': { iss: 'https://keys.example.com' },
    'an issuer that begins so': { iss: 'http://localhost.evil.example' },
    'an issuer with a slash': { iss: 'http://localhost/' },
    'an issuer in a list': { iss: ['http://localhost'] },
    'an issuer that is a number': { iss: 1 },
    'no audience': { aud: undefined },
    'an audience that is a number': { aud: 1 },
    'an audience of numbers': { aud: [1] },
    'no end': { exp: undefined },
    'an end that is null': { exp: null },
    'an end that is text': { exp: '9999999999' },
    'an end that is a fraction': { exp: 9_999_999_999.5 },
    'an end past all numbers': { exp: 1e300 },
    'an end past all dates': { exp: Number.MAX_SAFE_INTEGER },
    'no beginning': { iat: undefined },
    'a beginning that is text': { iat: '0' },
    'a beginning that is a fraction': { iat: 0.5 },
    'no jti': { jti: undefined },
    'a jti that is a number': { jti: 1 },
    'a jti of another form': { jti: 'x' },
    'no subject': { sub: undefined },
    'a subject that is a list': { sub: [] },
    'a subject that is a key': { sub: 'key_0000000000000000000000000' },
    'a subject that ends a header': { sub: 'sa_\r\nSet-Cookie: a=b' },
    'a subject that is root': { sub: 'root' },
    'no key': { key_id: undefined },
    'a key that is SQL': { key_id: "key_' OR 1=1 --" },
    'a key that is a pattern': { key_id: 'key_%' },
    'a key that is a number': { key_id: 1 },
    'a key in a list': { key_id: ['key_'] },
    'no client': { client_id: undefined },
    'scopes in a list': { scope: ['*'] },
    'scopes that are a number': { scope: 1 },
  };
  test.for(Object.entries(claims))('in its claims %s', async ([, changed]) => {
    await isJunk(await jws(header, { ...payload, ...changed }, genuinely));
  });

  test.for([
    ['nobody', []],
    ['somebody else', 'https://api.example.com'],
    ['a list of others', ['https://api.example.com', 'https://b.example']],
    ['whose name begins so', 'http://localhost.evil.example'],
    ['this deployment and a slash', 'http://localhost/'],
    ['whom it calls so in other letters', 'HTTP://LOCALHOST'],
  ] as const)('one for %s: but to introspection, which any resource server asks', async ([, aud]) => {
    await isJunk(await jws(header, { ...payload, aud }, genuinely), others);
  });

  const texts: Record<string, unknown> = {
    'a list': [],
    null: 'null',
    'a number': '1',
    'a text': '"x"',
    'no JSON': '{',
    'not UTF-8': new Uint8Array([0xff, 0xfe]),
    'a token': 'x',
  };
  test.for(Object.entries(texts))('where its payload is %s', async ([name, text]) => {
    await isJunk(await jws(header, name === 'a token' ? good : text, genuinely));
  });

  test.for(['null', '[]', '1', '{', '"x"'])('where its header is %s', async (text) => {
    await isJunk(await jws(text, payload, genuinely));
  });

  test('one that is longer than a header line may be', async () => {
    const padded = (length: number) => jws(header, { ...payload, x: 'x'.repeat(length) }, genuinely);
    const long = await padded(MAX_TOKEN_LENGTH);
    await isJunk(long);
    // The longest that the contract's `key` takes is another matter than the longest token.
    const room = Math.floor(((MAX_TOKEN_LENGTH - good.length - 20) * 3) / 4);
    await allows(service, await padded(room));
  });
});

describe('what is no compact JWS is as junk:', () => {
  const SHAPES: Record<string, () => string | Promise<string>> = {
    'two parts': () => `${parts[0]}.${parts[1]}`,
    'a fourth part': () => `${good}.${parts[2]}`,
    'five parts, as a JWE has': () => `${parts[0]}..${parts[1]}.${parts[2]}.${parts[2]}`,
    'a dot after it': () => `${good}.`,
    'a dot before it': () => `.${good}`,
    'two dots in it': () => good.replace('.', '..'),
    'padding after the header': () => good.replace('.', '=.'),
    'padding after the signature': () => `${good}==`,
    'a blank in it': () => good.replace('.', ' .'),
    'a tab in it': () => good.replace('.', '\t.'),
    'standard base64': () => `${parts[0]}+/.${parts[1]}.${parts[2]}`,
    'a percent sign': () => good.replace('.', '%2E'),
    'a comma': () => `${good},${good}`,
    JSON: () => JSON.stringify({ payload: parts[1], protected: parts[0], signature: parts[2] }),
    '8 KB of one letter': () => 'a'.repeat(8_192),
    '8 KB in three parts': () => `${'a'.repeat(2_730)}.${'b'.repeat(2_730)}.${'c'.repeat(2_730)}`,
    '8 KB of dots': () => '.'.repeat(8_192),
    '8 KB of nesting': () => jws('['.repeat(5_000), payload, genuinely),
    'a key and a token': () => `${client.secret}.${parts[1]}.${parts[2]}`,
  };
  test.for(Object.keys(SHAPES))('%s', async (name) => isJunk((await SHAPES[name]?.()) ?? ''));
});

describe('a token that is well-signed', () => {
  test('for a key that never was, or is another organization’s, is told the same', async () => {
    const { slug } = await service.organization();
    const account = await service.call('POST', '/v1/service-accounts', {
      headers: { 'Mintmark-Organization': slug },
      body: { name: 'theirs', role: 'admin', permissions: ['*'] },
    });
    const theirs = await service.call('POST', '/v1/api-keys', {
      headers: { 'Mintmark-Organization': slug },
      body: { name: 'key', serviceAccountId: account.body.id },
    });
    const foreign = await getToken(service, { id: account.body.id, secret: theirs.body.secret });
    const key_id = client.keyId.slice(0, -4) + (client.keyId.endsWith('0000') ? '1111' : '0000');
    const never = await jws(header, { ...payload, key_id }, genuinely);
    for (const entrance of [
      'the key of verify',
      'the token of introspection',
      'forward-auth',
    ] satisfies EntranceName[]) {
      const answers = await Promise.all([foreign, never].map((token) => ENTRANCES[entrance](service, token)));
      const tellings = answers.map(({ told }) => told.replaceAll(/"source":"\w+","ageSeconds":\d+/g, ''));
      expect(tellings[0], entrance).toBe(tellings[1]);
      expect(answers.map(({ isTaken }) => isTaken)).toEqual([false, false]);
    }
    await refuses(service, never);
    const asked = await introspect(service, client.secret, foreign);
    expect(asked.text).toBe('{"active":false}');
    expect((await introspect(service, client.secret, JUNK)).text).toBe(asked.text);
  });

  test('of an organization names another in vain', async () => {
    const { slug } = await service.organization();
    for (const path of ['/v1/whoami', '/v1/api-keys']) {
      const answer = await service.call('GET', path, {
        credential: good,
        headers: { 'Mintmark-Organization': slug },
      });
      expect(answer, path).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
  });

  test('that says it is of another account than its key is refused', async () => {
    const other = await newClient(service);
    await refuses(service, await jws(header, { ...payload, sub: other.id, client_id: other.id }, genuinely));
  });

  test('that is not yet valid is refused, but for clocks that differ by a second', async () => {
    const later = now() + 3_600;
    await refuses(service, await jws(header, { ...payload, nbf: later, exp: later + 300 }, genuinely));
    await refuses(service, await jws(header, { ...payload, iat: later, exp: later + 300 }, genuinely));
    await allows(service, await jws(header, { ...payload, iat: now() + 1 }, genuinely));
    await allows(service, await jws(header, { ...payload, nbf: now() }, genuinely));
  });

  test('that has expired is refused everywhere, however long ago', async () => {
    for (const exp of [now(), now() - 1, 0, -1, -(10 ** 12)]) {
      await refuses(service, await jws(header, { ...payload, exp }, genuinely));
    }
    await allows(service, await jws(header, { ...payload, exp: now() + 60 }, genuinely));
  });

  test('and claims more than its key has gains nothing', async () => {
    const weak = await newClient(service, { permissions: ['files:read'] });
    const { payload: own } = taken(await getToken(service, weak));
    const scope = '* mintmark:* files:* files:read mail:send mintmark:keys:write';
    const bold = await jws(header, { ...own, scope }, genuinely);
    expect((await whoami(service, bold)).body.scopes).toEqual(['files:read']);
    expect(await service.verify(bold, { scopes: ['mail:send'] })).toMatchObject({
      code: 'INSUFFICIENT_SCOPE',
    });
    expect(await takenBy(service, bold)).not.toContain('a list');
  });

  test('and holds what would end a header ends none', async () => {
    const scope = 'files:a\r\nSet-Cookie:x=1';
    const answer = await service.call('GET', '/v1/forward-auth/default/-', {
      credential: await jws(header, { ...payload, scope }, genuinely),
    });
    expect(answer.status).toBe(204);
    expect(answer.headers.has('Set-Cookie')).toBe(false);
    expect(answer.headers.get('Mintmark-Scopes')).toBe('files:a%0D%0ASet-Cookie:x%3D1');
  });

  test('ends by its id, however its text was altered without breaking it', async () => {
    const doomed = await getToken(service, client);
    const [head, body, signature] = taken(doomed).parts;
    // (r, s) and (r, n − s) sign the same.
    const raw = base64url.decode(signature);
    const malleable = `${head}.${body}.${part(new Uint8Array([...raw.slice(0, 32), ...negated(raw.slice(32))]))}`;
    // 64 bytes leave four bits of the last letter to nobody.
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = letters[(letters.indexOf(signature.at(-1) ?? '') & 0b110000) + 0b1111] ?? '';
    const uncanonical = doomed.slice(0, -1) + last;
    expect(malleable).not.toBe(doomed);
    await allows(service, malleable);
    expect(
      (
        await service.call('POST', '/oauth/revoke', {
          credential: client.secret,
          body: new URLSearchParams({ token: malleable }).toString(),
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        })
      ).status,
    ).toBe(200);
    for (const text of [doomed, malleable, uncanonical]) await refuses(service, text);
    await allows(service, good);
  });
});

describe('a deployment with another issuer and the same signing key', () => {
  const named = new TestService({ MINTMARK_ISSUER: 'https://keys.example.com' });

  test('takes none of these, and gives none that are taken here', async () => {
    const theirs = await getToken(named, client);
    expect(taken(theirs).payload).toMatchObject({
      iss: 'https://keys.example.com',
      aud: 'https://keys.example.com',
    });
    await allows(named, theirs);
    await refuses(named, good);
    await isJunk(theirs);
  });

  test('takes its own name alone', async () => {
    for (const iss of ['https://keys.example.com/', 'http://keys.example.com', 'https://KEYS.example.com']) {
      await refuses(named, await jws(header, { ...payload, iss, aud: iss }, genuinely));
    }
  });
});

test('one and the same text is never both a key and a token, nor the root key', async () => {
  expect(await service.verify(client.secret)).toMatchObject({ valid: true, keyId: client.keyId });
  expect((await whoami(service, good)).body).toMatchObject({
    type: 'service_account',
    id: client.id,
    organizationId: DEFAULT_ORGANIZATION,
  });
});

function hex(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** s as n − s, for the order of P-256. */
function negated(s: Uint8Array): Uint8Array {
  const value = BigInt(`0x${[...s].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`);
  return hex((BigInt(`0x${ORDER}`) - value).toString(16).padStart(64, '0'));
}

/** r‖s as ASN.1 has it. */
function derOf(raw: Uint8Array): Uint8Array {
  const integer = (bytes: Uint8Array) => {
    const digits = bytes.slice(bytes.findIndex((byte) => byte !== 0));
    const positive = [...((digits[0] ?? 0) > 127 ? [0] : []), ...digits];
    return [2, positive.length, ...positive];
  };
  const both = [...integer(raw.slice(0, 32)), ...integer(raw.slice(32))];
  return new Uint8Array([48, both.length, ...both]);
}
