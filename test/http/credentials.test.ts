import { beforeAll, describe, expect, test } from 'vitest';

import { mintSecret } from '../../src/core/secret.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import { outcomeOf, withoutRequestId } from './endpoints.ts';

const CHALLENGE = 'Bearer realm="mintmark"';
const MISSING = { outcome: '401 missing_credential', challenge: CHALLENGE };
const BAD = { outcome: '401 invalid_credential', challenge: `${CHALLENGE}, error="invalid_token"` };
const TWO = { outcome: '400 multiple_credentials', challenge: `${CHALLENGE}, error="invalid_request"` };

/** One call that judges its caller as any key, and one that judges it on D1. */
const ENTRANCES = ['/v1/whoami', '/v1/service-accounts'] as const;

const service = new TestService();
let key = { id: '', secret: '' };

beforeAll(async () => {
  const minted = await service.key({}, { role: 'reader' });
  key = { id: minted.key.id, secret: minted.secret };
});

type Sent = Readonly<Record<string, string>>;

const get = (path: string, headers: Sent, of = service): Promise<Answer> =>
  of.call('GET', path, { credential: null, headers });

/** Every entrance takes these headers for the key, or for root. */
async function accepts(headers: Sent, who: 'key' | 'root' = 'key', of = service): Promise<void> {
  for (const path of ENTRANCES) expect((await get(path, headers, of)).status, path).toBe(200);
  const { body } = await get('/v1/whoami', headers, of);
  expect({ type: body.type, key: body.key?.id ?? null }).toEqual(
    who === 'root' ? { type: 'root', key: null } : { type: 'service_account', key: key.id },
  );
}

/** Every entrance refuses these headers, and repeats nothing of what was presented. */
async function refuses(headers: Sent, { outcome, challenge }: typeof MISSING, of = service): Promise<void> {
  for (const path of ENTRANCES) {
    const answer = await get(path, headers, of);
    expect(outcomeOf(answer), path).toBe(outcome);
    expect(answer.headers.get('WWW-Authenticate')).toBe(challenge);
    expect(answer.text).not.toContain(key.secret);
    expect(answer.text).not.toContain(ROOT_KEY);
  }
}

const bearer = (credential: string): Sent => ({ Authorization: `Bearer ${credential}` });
const basic = (text: string): Sent => ({ Authorization: `Basic ${btoa(text)}` });
const apiKey = (credential: string): Sent => ({ 'X-API-Key': credential });

describe('Bearer', () => {
  test.for(['Bearer', 'bearer', 'BEARER', 'bEaReR'])('may be written %s', async (scheme) => {
    await accepts({ Authorization: `${scheme} ${key.secret}` });
    await accepts({ Authorization: `${scheme} ${ROOT_KEY}` }, 'root');
  });

  test('may be followed by several blanks', async () => {
    await accepts({ Authorization: `Bearer   ${key.secret}` });
  });

  test('carries one token and no more', async () => {
    await refuses({ Authorization: `Bearer ${key.secret} ${key.secret}` }, BAD);
    await refuses({ Authorization: `Bearer ${key.secret},` }, BAD);
    await refuses({ Authorization: `Bearer "${key.secret}"` }, BAD);
    await refuses({ Authorization: `Bearer token=${key.secret}` }, BAD);
    await refuses({ Authorization: `Bearer:${key.secret}` }, MISSING);
  });
});

describe('Basic', () => {
  test('carries the credential as its user name, whatever the password', async () => {
    await accepts(basic(`${key.secret}:`));
    await accepts(basic(`${key.secret}:password`));
    await accepts(basic(`${key.secret}:a:b:${ROOT_KEY}`));
    await accepts(basic(`${ROOT_KEY}:`), 'root');
  });

  test.for(['basic', 'BASIC'])('may be written %s', async (scheme) => {
    await accepts({ Authorization: `${scheme} ${btoa(`${key.secret}:`)}` });
  });

  test('may lack the colon', async () => {
    await accepts(basic(key.secret));
  });

  test('does not carry the credential as its password', async () => {
    await refuses(basic(`user:${key.secret}`), BAD);
    await refuses(basic(`:${key.secret}`), MISSING);
  });

  test('is refused where its base64 is not good', async () => {
    for (const rest of ['!!!', 'a', `${btoa(`${key.secret}:`)}!`, key.secret, '%%', 'YQ=Y']) {
      await refuses({ Authorization: `Basic ${rest}` }, BAD);
    }
  });

  test('is refused where it carries control characters or more than ASCII', async () => {
    for (const name of [`${key.secret}\0`, `${key.secret}\n`, ` ${key.secret}`, 'ÿ', '\r\nX-Evil: 1']) {
      await refuses(basic(`${name}:`), BAD);
    }
  });

  test('without anything is no credential', async () => {
    await refuses({ Authorization: 'Basic' }, MISSING);
    await refuses({ Authorization: 'Basic ' }, MISSING);
    await refuses(basic(':'), MISSING);
  });
});

describe('X-API-Key', () => {
  test('carries the credential as it is', async () => {
    await accepts(apiKey(key.secret));
    await accepts(apiKey(ROOT_KEY), 'root');
    await accepts({ 'x-api-key': key.secret });
  });

  test('carries no scheme', async () => {
    await refuses(apiKey(`Bearer ${key.secret}`), BAD);
  });
});

describe('no credential', () => {
  test.for<[string, Sent]>([
    ['no header', {}],
    ['an empty Authorization', { Authorization: '' }],
    ['a blank Authorization', { Authorization: ' ' }],
    ['a Bearer without a token', { Authorization: 'Bearer' }],
    ['an empty X-API-Key', { 'X-API-Key': '' }],
    ['a blank X-API-Key', { 'X-API-Key': '  ' }],
    ['Digest', { Authorization: 'Digest username="x", realm="y"' }],
    ['Negotiate', { Authorization: 'Negotiate YII=' }],
    ['AWS4-HMAC-SHA256', { Authorization: 'AWS4-HMAC-SHA256 Credential=x, Signature=y' }],
    ['a cookie', { Cookie: `key=${ROOT_KEY}; X-API-Key=${ROOT_KEY}` }],
    ['a header of another name', { 'Proxy-Authorization': `Bearer ${ROOT_KEY}`, 'Api-Key': ROOT_KEY }],
  ])('is what %s is', async ([, headers]) => {
    await refuses(headers, MISSING);
  });

  test('is what a credential of an unknown scheme, or of none, is', async () => {
    for (const authorization of [
      `Token ${key.secret}`,
      `ApiKey ${key.secret}`,
      `Bearer${key.secret}`,
      key.secret,
      ROOT_KEY,
    ]) {
      await refuses({ Authorization: authorization }, MISSING);
    }
  });
});

describe('two credentials', () => {
  const other = mintSecret('mk', 'live', (bytes) => crypto.getRandomValues(bytes));

  test('in two headers are refused, even if they are equal', async () => {
    for (const second of [key.secret, other, ROOT_KEY]) {
      await refuses({ ...bearer(key.secret), ...apiKey(second) }, TWO);
      await refuses({ ...basic(`${key.secret}:`), ...apiKey(second) }, TWO);
    }
  });

  test('in one header that is sent twice are refused, in all pairs', async () => {
    const written = [
      `Bearer ${key.secret}`,
      `Bearer ${other}`,
      `Basic ${btoa(`${key.secret}:`)}`,
      `bearer ${ROOT_KEY}`,
    ];
    for (const first of written) {
      for (const second of written) await refuses({ Authorization: `${first}, ${second}` }, TWO);
    }
    for (const second of [key.secret, other]) await refuses(apiKey(`${key.secret}, ${second}`), TWO);
  });

  test('reach the service joined as above', async () => {
    const headers = new Headers();
    headers.append('Authorization', `Bearer ${key.secret}`);
    headers.append('Authorization', `Bearer ${other}`);
    const response = await service.app.request('/v1/whoami', { headers });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'multiple_credentials' });
  });
});

describe('a credential that is not good', () => {
  test('is told in the same words, whatever is wrong with it', async () => {
    const admin = () => service.key({}, { role: 'admin' });
    const revoked = await admin();
    await service.call('POST', `/v1/api-keys/${revoked.key.id}/revoke`);
    const disabled = await admin();
    await service.call('PATCH', `/v1/api-keys/${disabled.key.id}`, { body: { enabled: false } });
    const orphan = await admin();
    await service.call('DELETE', `/v1/service-accounts/${orphan.key.serviceAccountId}`);
    const unknown = mintSecret('mk', 'live', (bytes) => crypto.getRandomValues(bytes));
    const bad = {
      unknown,
      'unknown, of another brand': mintSecret('acme', 'test', (bytes) => crypto.getRandomValues(bytes)),
      revoked: revoked.secret,
      disabled: disabled.secret,
      'without account': orphan.secret,
      mistyped: unknown.slice(0, -1) + (unknown.endsWith('0') ? '1' : '0'),
      malformed: 'nonsense',
      'not ASCII': 'kéy',
      'an id': key.id,
      'a good one, cut': key.secret.slice(0, -1),
      'a good one in capitals': key.secret.toUpperCase(),
      'a good one and more': `${key.secret}x`,
      'the root key, cut': ROOT_KEY.slice(0, -1),
      'the root key and more': `${ROOT_KEY}x`,
      'the root key in capitals': ROOT_KEY.toUpperCase(),
      'of 16 KiB': `mk_live_${'a'.repeat(16_384)}`,
      'a JWT': 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.',
    };
    for (const path of ENTRANCES) {
      const expected = withoutRequestId(await get(path, bearer(unknown)));
      for (const [title, credential] of Object.entries(bad)) {
        for (const headers of [bearer(credential), apiKey(credential)]) {
          const answer = await get(path, headers);
          expect(outcomeOf(answer), title).toBe(BAD.outcome);
          expect(withoutRequestId(answer), title).toEqual(expected);
          expect(answer.text).not.toContain(credential);
        }
      }
    }
  });

  test('of 16 KiB is refused in Basic too', async () => {
    await refuses(basic(`${'a'.repeat(16_384)}:`), BAD);
    await refuses(basic(`:${'a'.repeat(16_384)}`), MISSING);
  });
});

/** What /health/ready says of the root key. */
async function rootKeyOf(of: TestService): Promise<unknown> {
  return (await get('/health/ready', {}, of)).body.rootKey;
}

describe('the root key', () => {
  const current = `current-${'c'.repeat(32)}`;
  const previous = `previous-${'p'.repeat(32)}`;

  test('is good beside the previous one while it is replaced', async () => {
    const replacing = new TestService({ MINTMARK_ROOT_KEY: current, MINTMARK_ROOT_KEY_PREVIOUS: previous });
    for (const headers of [
      bearer(current),
      basic(`${current}:`),
      apiKey(current),
      bearer(previous),
      apiKey(previous),
    ]) {
      await accepts(headers, 'root', replacing);
    }
    await refuses(bearer(ROOT_KEY), BAD, replacing);
    expect(await rootKeyOf(replacing)).toBe('ok');
  });

  test('is no longer good once it is replaced', async () => {
    const replaced = new TestService({ MINTMARK_ROOT_KEY: current });
    await accepts(bearer(current), 'root', replaced);
    await refuses(bearer(previous), BAD, replaced);
  });

  test('has at least 32 characters, else root is refused', async () => {
    const short = 's'.repeat(31);
    const tooShort = new TestService({ MINTMARK_ROOT_KEY: short });
    for (const headers of [bearer(short), basic(`${short}:`), apiKey(short)])
      await refuses(headers, BAD, tooShort);
    expect(await rootKeyOf(tooShort)).toBe('unusable');
    await accepts(bearer(key.secret), 'key', tooShort);

    const long = 's'.repeat(32);
    const longEnough = new TestService({ MINTMARK_ROOT_KEY: long });
    await accepts(bearer(long), 'root', longEnough);
    expect(await rootKeyOf(longEnough)).toBe('ok');
  });

  test.for(['with a blank'.padEnd(40, 'x'), 'é'.repeat(40), `${'s'.repeat(40)}\n`])(
    'is visible ASCII, else root is refused: %j',
    async (unusable) => {
      const odd = new TestService({ MINTMARK_ROOT_KEY: unusable, MINTMARK_ROOT_KEY_PREVIOUS: previous });
      await refuses(bearer(previous), BAD, odd);
      expect(await rootKeyOf(odd)).toBe('unusable');
      await accepts(bearer(key.secret), 'key', odd);
    },
  );

  test('that is previous has at least 32 characters too', async () => {
    const short = 's'.repeat(31);
    const replacing = new TestService({ MINTMARK_ROOT_KEY: current, MINTMARK_ROOT_KEY_PREVIOUS: short });
    await refuses(bearer(short), BAD, replacing);
    await accepts(bearer(current), 'root', replacing);
  });

  test.for([undefined, ''])('that is missing (%j): root is refused, and the rest works', async (missing) => {
    const rootless = new TestService({ MINTMARK_ROOT_KEY: missing });
    for (const credential of [ROOT_KEY, 'undefined', 'root'])
      await refuses(bearer(credential), BAD, rootless);
    await refuses(bearer(''), MISSING, rootless);
    await accepts(bearer(key.secret), 'key', rootless);
    const ready = await get('/health/ready', {}, rootless);
    expect(ready.status).toBe(200);
    expect(ready.body.rootKey).toBe('missing');
  });

  test('alone is told which dependency works', async () => {
    for (const headers of [{}, bearer(key.secret), bearer('nonsense')]) {
      expect(Object.keys((await get('/health/ready', headers)).body).toSorted()).toEqual([
        'rootKey',
        'status',
        'version',
      ]);
    }
    expect((await get('/health/ready', bearer(ROOT_KEY))).body).toMatchObject({
      database: 'ok',
      cache: 'ok',
    });
  });
});
