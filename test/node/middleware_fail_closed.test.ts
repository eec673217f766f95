import { describe, expect, it } from 'vitest';

import type { Lie } from './protected/liar.ts';
import {
  ask,
  askWith,
  found,
  lie,
  logged,
  mint,
  once,
  refusal,
  refusals,
  saying,
  serve,
  verdictIn,
} from './protected/service.ts';
import type { Guard } from './protected/worker.ts';
import { strayKey } from './root.ts';

serve();

const ORGANIZATION = 'org_000000000000000000000000';
const VALID = {
  valid: true,
  code: 'VALID',
  keyId: 'key_1',
  organizationId: ORGANIZATION,
  name: 'a key',
  environment: 'live',
  scopes: ['files:read'],
  metadata: {},
  source: 'd1',
  ageSeconds: 0,
};
const without = (name: keyof typeof VALID) =>
  Object.fromEntries(Object.entries(VALID).filter(([each]) => each !== name));
const problem = (code: string, more: object = {}) => ({ error: { code, detail: 'why', ...more } });
const answering = (answer: unknown, guard: Guard = 'liar', query = '') =>
  askWith(`/${guard}/run${query}`, lie({ answer }));

describe('an answer that is no verdict lets nobody through', () => {
  it.each([
    ['nothing', undefined],
    ['null', null],
    ['true', true],
    ['1', 1],
    ['a text', 'VALID'],
    ['a verdict as text', JSON.stringify(VALID)],
    ['an empty list', []],
    ['a list of a verdict', [VALID]],
    ['an empty object', {}],
    ['a verdict in an object', { value: VALID }],
    ['valid alone', { valid: true }],
    ['the code alone', { code: 'VALID' }],
    ['both alone', { valid: true, code: 'VALID' }],
    ['valid as text', { ...VALID, valid: 'true' }],
    ['valid as yes', { valid: 'yes' }],
    ['valid as a number', { ...VALID, valid: 1 }],
    ['valid as an object', { ...VALID, valid: {} }],
    ['valid, but revoked', { ...VALID, code: 'REVOKED' }],
    ['valid, by an unknown code', { ...VALID, code: 'PROBABLY' }],
    ['valid, in another case', { ...VALID, code: 'valid' }],
    ['not valid, but of that code', { ...VALID, valid: false }],
    ['not valid, without a code', { valid: false }],
    ['not valid, by a code that is none', { valid: false, code: 1 }],
    ['no valid', without('valid')],
    ['no code', without('code')],
    ['no key', without('keyId')],
    ['no organization', without('organizationId')],
    ['no name', without('name')],
    ['no environment', without('environment')],
    ['no scopes', without('scopes')],
    ['no metadata', without('metadata')],
    ['an empty key', { ...VALID, keyId: '' }],
    ['an empty organization', { ...VALID, organizationId: '' }],
    ['a key that is none', { ...VALID, keyId: 1 }],
    ['an organization that is none', { ...VALID, organizationId: null }],
    ['an unknown environment', { ...VALID, environment: 'prod' }],
    ['scopes as text', { ...VALID, scopes: '*' }],
    ['scopes that are null', { ...VALID, scopes: null }],
    ['scopes that are none', { ...VALID, scopes: [1] }],
    ['metadata as a list', { ...VALID, metadata: [] }],
    ['metadata as text', { ...VALID, metadata: '{}' }],
    ['metadata that is null', { ...VALID, metadata: null }],
    ['a problem', problem('internal')],
    ['a problem beside a verdict', { ...VALID, ...problem('internal') }],
    ['a problem that is none', { error: 'unavailable' }],
    ['a problem without a code', { error: { detail: 'why' } }],
    ['not reached', problem('unavailable')],
    ['misconfigured', problem('misconfigured')],
    ['no such organization', problem('not_found')],
    ['the caller not known', problem('invalid_credential')],
    ['the caller not entitled', problem('insufficient_scope')],
    ['the question not understood', problem('invalid_request')],
    [
      'of the question another field',
      problem('invalid_request', { errors: [{ path: 'organization', message: 'x' }] }),
    ],
    [
      'of the question a scope and another field',
      problem('invalid_request', {
        errors: [
          { path: 'scopes.0', message: 'x' },
          { path: 'ip', message: 'x' },
        ],
      }),
    ],
    ['of the question no field', problem('invalid_request', { errors: [] })],
    ['of another problem a scope', problem('internal', { errors: [{ path: 'scopes.0', message: 'x' }] })],
    ['faults that are none', problem('invalid_request', { errors: 'scopes' })],
    ['a code of a newer Mintmark', problem('on_fire')],
  ])('%s', async (_, answer) => {
    expect(await answering(answer)).toEqual(refusal('unavailable'));
  });

  it.each(['throw', 'hang', 'stub', 'function'] as const)('%s', async (does) => {
    const started = Date.now();
    expect(await askWith('/liar/run', lie({ does }))).toEqual(refusal('unavailable'));
    expect(Date.now() - started).toBeLessThan(8_000);
  });

  it('a verdict that comes too late, then or later', async () => {
    const answer = await askWith('/liar/run', lie({ answer: VALID, afterMs: 2_500 }));
    expect(answer).toEqual(refusal('unavailable'));
    await new Promise((done) => void setTimeout(done, 1_500));
    expect((await askWith('/liar/run', lie({ answer: VALID, afterMs: 1 }))).ran).toBe(1);
  });
});

describe('an answer that is a verdict is taken for what it says', () => {
  it.each([
    ['a whole one', VALID],
    ['one with more than is known', { ...VALID, quota: { left: 3 }, degraded: true }],
    ['one of no scopes', { ...VALID, scopes: [] }],
  ])('%s', async (_, answer) => {
    const { status, ran, body } = await answering(answer);
    expect({ status, ran, verdict: JSON.parse(body) }).toEqual({ status: 200, ran: 1, verdict: answer });
  });

  it('but of the organization that was demanded alone', async () => {
    const of = (organization: string | null) => saying('of', organization);
    expect((await answering(VALID, 'liarTenant', of(ORGANIZATION))).ran).toBe(1);
    for (const organization of ['org_000000000000000000000001', 'org_', `${ORGANIZATION}0`])
      expect(await answering(VALID, 'liarTenant', of(organization))).toEqual(refusal('invalid_credential'));
    expect(await answering(VALID, 'liarTenant', of(null))).toEqual(refusal('invalid_credential'));
  });

  it('but of the environment that was demanded alone', async () => {
    expect((await answering(VALID, 'liarLive')).ran).toBe(1);
    const ofTests = { ...VALID, environment: 'test' };
    expect(await answering(ofTests, 'liarLive')).toEqual(refusal('invalid_credential'));
    expect((await answering(ofTests)).ran).toBe(1);
  });

  it('one that lacks a scope is told of with such scopes as a challenge can carry', async () => {
    const lacking = { valid: false, code: 'INSUFFICIENT_SCOPE' };
    const challengeFor = async (scopes: readonly string[]) => {
      const answer = await answering(lacking, 'liarScoped', saying('scopes', scopes));
      expect(answer).toMatchObject({ status: 403, ran: 0 });
      return answer.headers['www-authenticate'];
    };
    const challenge = 'Bearer realm="api", error="insufficient_scope"';
    expect(await challengeFor(['files:*', 'a"b', 'a\\b', 'two words', 'é', '', 'x\r\nSet-Cookie: a=b'])).toBe(
      `${challenge}, scope="files:*"`,
    );
    expect(await challengeFor(['two words'])).toBe(challenge);
    expect(await challengeFor([])).toBe(challenge);
  });

  it('what no key can hold is lacking', async () => {
    const errors = [{ path: 'scopes.0', message: 'is no scope' }];
    expect(await answering(problem('invalid_request', { errors }))).toEqual(refusal('insufficient_scope'));
  });

  it('a caller that asks too often is told so', async () => {
    for (const said of [{}, { retryAfter: -1 }])
      expect(await answering({ ...problem('rate_limited'), ...said })).toEqual(refusal('rate_limited'));
  });
});

describe('where nobody can be asked, nobody is let through', () => {
  it.each<Guard>([
    'unbound',
    'serviceNull',
    'serviceBroken',
    'misspelt',
    'nobody',
    'keys',
    'notRpc',
    'remoteForbidden',
    'remoteCredentialBroken',
    'remoteDown',
    'remoteNever',
  ])('%s', async (guard) => {
    const { secret } = await mint();
    expect(await askWith(`/${guard}/run`, secret)).toEqual(refusal('unavailable'));
    expect(await ask(`/${guard}/run`)).toEqual(refusal('missing_credential'));
  });

  it('over HTTPS, where Mintmark can be, as over a binding', async () => {
    const other = await found('other');
    const { key, secret, organizationId } = await mint();
    const path = (organization: string | null) => `/remote/run${saying('of', organization)}`;
    expect(verdictIn(await askWith(path(organizationId), secret))).toMatchObject({ keyId: key.id });
    expect(await askWith(path(other), secret)).toEqual(refusal('invalid_credential'));
    expect(await askWith(path(organizationId), strayKey())).toEqual(refusal('invalid_credential'));
    const unknown = 'org_000000000000000000000001';
    expect(await askWith(path(unknown), secret)).toEqual(refusal('invalid_credential'));
    expect(await askWith(path(null), secret)).toEqual(refusal('invalid_credential'));
  });
});

describe('onRefusal', () => {
  it('is told of every refusal, and of nothing that passes', async () => {
    const { secret } = await mint();
    const before = (await refusals()).length;
    await ask('/noted/run');
    await ask('/noted/run', { headers: { Authorization: ['Bearer a', 'Bearer b'] } });
    await askWith('/noted/run', 'nonsense');
    await askWith('/noted/run', secret);
    await answering(undefined, 'liarNoted');
    expect((await refusals()).slice(before)).toEqual([
      {
        code: 'missing_credential',
        status: 401,
        reason: 'missing_credential',
        keyId: null,
        scopes: [],
        retryAfter: null,
      },
      {
        code: 'multiple_credentials',
        status: 400,
        reason: 'multiple_credentials',
        keyId: null,
        scopes: [],
        retryAfter: null,
      },
      {
        code: 'invalid_credential',
        status: 401,
        reason: 'MALFORMED',
        keyId: null,
        scopes: [],
        retryAfter: null,
      },
      {
        code: 'unavailable',
        status: 503,
        reason: 'the answer is no verdict',
        keyId: null,
        scopes: [],
        retryAfter: 5,
      },
    ]);
  });

  it.each([
    ['answered', 'refused: invalid_credential'],
    ['answeredLater', 'later: invalid_credential'],
  ])('may answer itself: %s', async (guard, body) => {
    const key = strayKey();
    expect(await askWith(`/${guard}/run`, key)).toMatchObject({
      status: 418,
      body,
      ran: 0,
      calls: once(key),
    });
    const { secret } = await mint();
    expect(await askWith(`/${guard}/run`, secret)).toMatchObject({ status: 200, ran: 1 });
  });

  it.each(['onRefusalBroken', 'onRefusalRejected'])('that fails lets nobody through: %s', async (guard) => {
    const key = strayKey();
    expect(await askWith(`/${guard}/run`, key)).toMatchObject({ status: 500, ran: 0, calls: once(key) });
    const { secret } = await mint();
    expect(await askWith(`/${guard}/run`, secret)).toMatchObject({ status: 200, ran: 1 });
  });

  it('absent, only what is for want of a verdict is logged', async () => {
    const { secret } = await mint();
    const quiet = await logged(async () => {
      await askWith('/plain/run', secret);
      await ask('/plain/run');
      await askWith('/plain/run', strayKey());
      await askWith('/writer/run', secret);
      await answering({ valid: false, code: 'RATE_LIMITED' });
    });
    expect(quiet).toEqual([]);
    const logs = await logged(() => askWith('/unbound/run', secret));
    expect(logs.map((line) => JSON.parse(line))).toEqual([
      { level: 'error', event: 'mintmark_unavailable', reason: 'TypeError: Mintmark is not bound' },
    ]);
  });

  it.each<Lie>([
    { does: 'throw' },
    { tells: 'code' },
    { tells: 'detail' },
    { tells: 'path' },
    { tells: 'message' },
  ])('is never told the key by a callee’s words, nor is the log: %j', async (told) => {
    const key = lie(told);
    const logs = await logged(async () => {
      expect(await askWith('/liar/run', key)).toEqual(refusal('unavailable'));
    });
    expect(logs).toHaveLength(1);
    expect(logs.join()).not.toContain(key);
    await askWith('/liarNoted/run', key);
    const [last] = (await refusals()).slice(-1);
    expect(last).toMatchObject({ code: 'unavailable' });
    expect(last?.['reason']).not.toContain(key);
  });
});
