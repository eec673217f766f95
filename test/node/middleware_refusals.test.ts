import type { OutgoingHttpHeaders } from 'node:http';

import { describe, expect, it } from 'vitest';

import type { RefusalCode } from '../../src/client/refusal.ts';
import {
  challengeAt,
  ask,
  askWith,
  basic,
  bearer,
  found,
  lie,
  mint,
  once,
  refusal,
  refusals,
  revoke,
  root,
  send,
  serve,
  verdictIn,
} from './protected/service.ts';
import { strayKey } from './root.ts';

serve();

const challenged = (challenge: string) => ({ 'www-authenticate': challenge });

describe('without a look at it is refused', () => {
  const missing = 'missing_credential';
  const several = 'multiple_credentials';
  const unusable = 'invalid_credential';
  const authorization = (...values: string[]) => ({ Authorization: values });

  it.each<[string, string, (key: string) => OutgoingHttpHeaders, RefusalCode]>([
    ['no key', 'plain', () => ({}), missing],
    ['an empty header', 'plain', () => authorization(''), missing],
    ['a scheme alone', 'plain', () => authorization('Bearer'), missing],
    ['a scheme and spaces', 'plain', () => authorization('Bearer   '), missing],
    ['a key without a scheme', 'plain', (key) => authorization(key), missing],
    ['Basic, where it is not read', 'plain', (key) => basic(key), missing],
    ['Digest', 'plain', (key) => authorization(`Digest ${key}`), missing],
    ['Token', 'plain', (key) => authorization(`Token ${key}`), missing],
    ['Bearer by another delimiter', 'plain', (key) => authorization(`Bearer:${key}`), missing],
    ['a scheme that begins alike', 'plain', (key) => authorization(`BearerX ${key}`), missing],
    ['a header that is not read', 'plain', (key) => ({ 'X-API-Key': key }), missing],
    ['a cookie', 'plain', (key) => ({ Cookie: `access_token=${key}; Authorization=Bearer ${key}` }), missing],
    ['Proxy-Authorization', 'plain', (key) => ({ 'Proxy-Authorization': `Bearer ${key}` }), missing],
    ['a key and more', 'plain', (key) => authorization(`Bearer ${key} ${key}`), unusable],
    [
      'a key in two halves',
      'plain',
      (key) => authorization(`Bearer ${key.slice(0, 9)} ${key.slice(9)}`),
      unusable,
    ],
    ['a tab', 'plain', (key) => authorization(`Bearer ${key}\t${key}`), unusable],
    ['what is no ASCII', 'plain', (key) => authorization(`Bearer ${key}é`), unusable],
    ['UTF-8', 'plain', () => authorization(`Bearer ${Buffer.from('clé 🔑').toString('latin1')}`), unusable],
    ['8,001 characters', 'plain', () => authorization(`Bearer ${'x'.repeat(8_001)}`), unusable],
    ['16 KB', 'plain', (key) => authorization(`Bearer ${key}${'x'.repeat(16_000)}`), unusable],
    ['one key twice', 'plain', (key) => authorization(`Bearer ${key}`, `Bearer ${key}`), several],
    ['two keys', 'plain', (key) => authorization(`Bearer ${key}`, 'Bearer another'), several],
    ['two keys in a line', 'plain', (key) => authorization(`Bearer ${key}, ${key}`), several],
    ['Bearer, then Basic', 'either', (key) => authorization(`Bearer ${key}`, `Basic ${btoa(key)}`), several],
    ['Basic, then Bearer', 'either', (key) => authorization(`Basic ${btoa(key)}`, `Bearer ${key}`), several],
    ['Digest, then Bearer', 'either', (key) => authorization('Digest x', `Bearer ${key}`), missing],
    ['Bearer and a header', 'any', (key) => ({ ...bearer(key), 'X-API-Key': 'another' }), several],
    ['the same by Bearer and a header', 'any', (key) => ({ ...bearer(key), 'X-API-Key': key }), several],
    ['Basic and a header', 'any', (key) => ({ ...basic(key), 'X-API-Key': key }), several],
    ['an empty header beside a key', 'any', (key) => ({ ...bearer(key), 'X-API-Key': '' }), several],
  ] as const)('%s', async (_, guard, headersOf, code) => {
    const { secret } = await mint();
    const answer = await ask(`/${guard}/run`, { headers: headersOf(secret) });
    expect(answer).toEqual(refusal(code, [], challengeAt(guard, code)));
    expect(answer.body).not.toContain(secret);
  });

  it.each(['access_token', 'api_key', 'apikey', 'key', 'token', 'authorization', 'Bearer', 'X-API-Key'])(
    'a key in the query, as %s, or in a body',
    async (name) => {
      const { secret } = await mint();
      const form = `${name}=${secret}`;
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
      for (const guard of ['plain', 'any'])
        expect(await ask(`/${guard}/run?${form}`)).toEqual(refusal(missing, [], challengeAt(guard, missing)));
      expect(await ask('/plain/run', { method: 'POST', headers, body: form })).toEqual(refusal(missing));
      expect((await askWith(`/plain/run?${form}`, 'nonsense')).calls).toEqual(once('nonsense'));
    },
  );

  it.each<[string, OutgoingHttpHeaders, RefusalCode, string]>([
    ['basic', {}, missing, 'Basic realm="api"'],
    ['basic', bearer('x'), missing, 'Basic realm="api"'],
    ['basic', basic(''), missing, 'Basic realm="api"'],
    ['basic', basic('', 'only-a-password'), missing, 'Basic realm="api"'],
    ['basic', { Authorization: 'Basic ***' }, unusable, 'Basic realm="api"'],
    ['basic', basic('clé'), unusable, 'Basic realm="api"'],
    ['basic', basic('two words'), unusable, 'Basic realm="api"'],
    ['basic', { Authorization: [`Basic ${btoa('x')}`, `Basic ${btoa('x')}`] }, several, 'Basic realm="api"'],
    ['header', {}, missing, 'ApiKey realm="api"'],
    ['header', bearer('x'), missing, 'ApiKey realm="api"'],
    ['header', { 'X-API-Key': '' }, missing, 'ApiKey realm="api"'],
    ['header', { 'X-API-Key': 'two words' }, unusable, 'ApiKey realm="api", error="invalid_token"'],
    ['header', { 'X-API-Key': ['x', 'x'] }, several, 'ApiKey realm="api", error="invalid_request"'],
    ['any', {}, missing, 'ApiKey realm="api", Basic realm="api", Bearer realm="api"'],
    ['either', {}, missing, 'Bearer realm="api", Basic realm="api"'],
    ['named', {}, missing, 'Bearer realm="the files api"'],
    ['named', bearer('two words'), unusable, 'Bearer realm="the files api", error="invalid_token"'],
  ])('by %s, what cannot be a key (%j): %s, %s', async (guard, headers, code, challenge) => {
    expect(await ask(`/${guard}/run`, { headers })).toEqual(refusal(code, [], challenged(challenge)));
  });
});

describe('by its verdict is refused', () => {
  const reasonOf = async (work: () => Promise<unknown>) => {
    const before = (await refusals()).length;
    await work();
    return (await refusals()).slice(before).map(({ reason }) => reason);
  };
  const mistyped = (secret: string) => secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0');
  const minted = async (change: (minted: Awaited<ReturnType<typeof mint>>) => Promise<unknown>) => {
    const made = await mint();
    await change(made);
    return made.secret;
  };

  it.each<[string, string, string, () => Promise<string> | string]>([
    ['what is no key', 'MALFORMED', 'noted', () => 'nonsense'],
    ['512 characters', 'MALFORMED', 'noted', () => 'x'.repeat(512)],
    ['a mistyped key', 'MALFORMED', 'noted', async () => mistyped((await mint()).secret)],
    ['a key in other case', 'MALFORMED', 'noted', async () => (await mint()).secret.toUpperCase()],
    ['a stray key', 'NOT_FOUND', 'noted', strayKey],
    [
      'a key of another organization',
      'NOT_FOUND',
      'noted',
      async () => {
        await found('foreign');
        return (await mint({ organization: 'foreign' })).secret;
      },
    ],
    ['a revoked key', 'REVOKED', 'noted', () => minted(revoke)],
    [
      'a key of a disabled account',
      'ACCOUNT_DISABLED',
      'noted',
      () => minted(({ accountId }) => root('POST', `/v1/service-accounts/${accountId}/disable`)),
    ],
    [
      'a disabled key',
      'DISABLED',
      'noted',
      () => minted(({ key }) => root('PATCH', `/v1/api-keys/${key.id}`, { enabled: false })),
    ],
    [
      'an expired key',
      'EXPIRED',
      'noted',
      async () => {
        const { secret } = await mint({ expiresIn: '1s' });
        await new Promise((done) => void setTimeout(done, 1_100));
        return secret;
      },
    ],
    [
      'a live key where one for tests is meant',
      'WRONG_ENVIRONMENT',
      'test',
      async () => (await mint()).secret,
    ],
  ])('%s, as every other: %s', async (_, code, guard, make) => {
    const secret = await make();
    const reasons = await reasonOf(async () => {
      expect(await askWith(`/${guard}/run`, secret)).toEqual(refusal('invalid_credential', once(secret)));
    });
    expect(reasons).toEqual([code]);
  });

  it('a test key where a live one is meant, and passes where one for tests is', async () => {
    const { secret } = await mint({ environment: 'test' });
    expect(await askWith('/live/run', secret)).toEqual(refusal('invalid_credential', once(secret)));
    expect(verdictIn(await askWith('/test/run', secret)).environment).toBe('test');
    expect(verdictIn(await askWith('/plain/run', secret)).environment).toBe('test');
  });

  it.each<[string, (key: string) => OutgoingHttpHeaders, string]>([
    ['basic', (key) => basic(key), 'Basic realm="api"'],
    ['header', (key) => ({ 'X-API-Key': key }), 'ApiKey realm="api", error="invalid_token"'],
    ['either', (key) => basic(key), 'Bearer realm="api", error="invalid_token", Basic realm="api"'],
    ['named', bearer, 'Bearer realm="the files api", error="invalid_token"'],
  ])('a bad key by %s, with the challenges of that', async (guard, headersOf, challenge) => {
    const key = strayKey();
    expect(await ask(`/${guard}/run`, { headers: headersOf(key) })).toEqual(
      refusal('invalid_credential', once(key), challenged(challenge)),
    );
  });

  it('a key that lacks a scope, with the scopes that it takes', async () => {
    const { key, secret } = await mint({ scopes: [] });
    const before = (await refusals()).length;
    expect(await askWith('/noted/run', secret)).toEqual(
      refusal(
        'insufficient_scope',
        once(secret),
        challenged('Bearer realm="api", error="insufficient_scope", scope="files:read"'),
      ),
    );
    expect((await refusals()).slice(before)).toEqual([
      {
        code: 'insufficient_scope',
        status: 403,
        reason: 'INSUFFICIENT_SCOPE',
        keyId: key.id,
        scopes: ['files:read'],
        retryAfter: null,
      },
    ]);
  });

  it('a flood of strays, while known keys and other addresses go on', async () => {
    const { key, secret } = await mint();
    const from = (address: string) => ({ 'CF-Connecting-IP': address });
    const flood = { headers: from('192.0.2.7') };
    await askWith('/noted/run', secret, flood);
    // The counters begin anew with each minute of the wall clock, which may come in between.
    for (let time = 0; time < 3; time++) {
      const strays = Array.from({ length: 100 }, () =>
        send('/plain/run', { headers: { ...bearer(strayKey()), ...flood.headers } }),
      );
      const statuses = (await Promise.all(strays)).map(({ status }) => status);
      expect([401, 429]).toEqual(expect.arrayContaining([...new Set(statuses)]));
    }
    const [stray, another] = [strayKey(), strayKey()];
    const reasons = await reasonOf(async () => {
      expect(await askWith('/noted/run', stray, flood)).toEqual(refusal('rate_limited', once(stray)));
    });
    expect(reasons).toEqual(['RATE_LIMITED']);
    expect(verdictIn(await askWith('/noted/run', secret, flood)).keyId).toBe(key.id);
    expect(await askWith('/noted/run', another, { headers: from('192.0.2.8') })).toEqual(
      refusal('invalid_credential', once(another)),
    );
  });

  it.each<[string, RefusalCode]>([
    ['MALFORMED', 'invalid_credential'],
    ['NOT_FOUND', 'invalid_credential'],
    ['REVOKED', 'invalid_credential'],
    ['ACCOUNT_DISABLED', 'invalid_credential'],
    ['DISABLED', 'invalid_credential'],
    ['EXPIRED', 'invalid_credential'],
    ['WRONG_ENVIRONMENT', 'invalid_credential'],
    ['IP_DENIED', 'ip_denied'],
    ['INSUFFICIENT_SCOPE', 'insufficient_scope'],
    ['RATE_LIMITED', 'rate_limited'],
    ['USAGE_EXCEEDED', 'usage_exceeded'],
    ['QUARANTINED', 'invalid_credential'],
    ['valid', 'invalid_credential'],
    ['', 'invalid_credential'],
    ['__proto__', 'invalid_credential'],
    ['constructor', 'invalid_credential'],
    ['toString', 'invalid_credential'],
  ])('%j, whoever says it and whatever else, as %s', async (code, expected) => {
    const others = { keyId: 'key_1', organizationId: 'org_1', name: 'key', scopes: ['*'], metadata: {} };
    for (const said of [{}, others]) {
      const answer = await askWith('/liarNoted/run', lie({ answer: { valid: false, code, ...said } }));
      expect(answer).toEqual(refusal(expected));
      expect((await refusals()).at(-1)).toMatchObject({ code: expected, reason: code, keyId: null });
    }
  });
});
