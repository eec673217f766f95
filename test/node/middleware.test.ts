import { describe, expect, it } from 'vitest';

import {
  allCalls,
  ask,
  askWith,
  basic,
  bearer,
  lie,
  mint,
  once,
  refusal,
  revoke,
  root,
  serve,
  tokenFor,
  verdictIn,
  type Answer,
} from './protected/service.ts';
import { strayKey } from './root.ts';

serve();

describe('a valid key', () => {
  it('lets the handler run once, with its verdict, for one call that tells of the client', async () => {
    const expiresAt = '2030-01-02T03:04:05.678Z';
    const { key, secret, accountId } = await mint({ metadata: { plan: { seats: 3 } }, expiresAt });
    const answer = await askWith('/plain/run', secret, {
      headers: { 'CF-Connecting-IP': '192.0.2.9', 'User-Agent': 'curl/9' },
    });
    expect(verdictIn(answer)).toEqual({
      valid: true,
      code: 'VALID',
      keyId: key.id,
      organizationId: key.organizationId,
      serviceAccountId: accountId,
      name: 'a key',
      environment: 'live',
      scopes: ['files:read'],
      metadata: { plan: { seats: 3 } },
      expiresAt,
      source: 'd1',
      ageSeconds: 0,
    });
    expect(answer.headers).not.toHaveProperty('www-authenticate');
    expect(answer.calls).toEqual([
      { key: secret, organization: 'own', ip: '192.0.2.9', userAgent: 'curl/9' },
    ]);
  });

  it('is asked about anew by each request', async () => {
    const minted = await mint();
    for (let time = 0; time < 3; time++) {
      const answer = await askWith('/plain/run', minted.secret);
      expect(verdictIn(answer).keyId).toBe(minted.key.id);
      expect(answer.calls).toEqual(once(minted.secret));
    }
    await revoke(minted);
    expect(await askWith('/plain/run', minted.secret)).toEqual(
      refusal('invalid_credential', once(minted.secret)),
    );
  });

  it('may be a token, which is told by its key and dies with it', async () => {
    const minted = await mint();
    const token = await tokenFor(minted.accountId, minted.secret);
    const answer = await askWith('/plain/run', token);
    expect(verdictIn(answer)).toMatchObject({ valid: true, keyId: minted.key.id, scopes: ['files:read'] });
    expect(answer.calls).toEqual(once(token));
    await revoke(minted);
    expect(await askWith('/plain/run', token)).toEqual(refusal('invalid_credential', once(token)));
  });

  it('of a person is told by the person', async () => {
    const { secret } = await root('POST', '/v1/api-keys', { name: 'hers', userId: 'ada', scopes: [] });
    const verdict = verdictIn(await askWith('/plain/run', String(secret)));
    expect(verdict).toMatchObject({ userId: 'ada', scopes: [] });
    expect(verdict).not.toHaveProperty('serviceAccountId');
  });

  it.each([
    ['live', { environment: 'live' }],
    ['unmeant', { scopes: [] }],
    ['scoped', { scopes: ['files:read'] }],
    ['fresh', { maxStaleness: 0 }],
    ['here', { ip: '198.51.100.1' }],
  ] as const)('is asked about as %s demands', async (guard, demands) => {
    const { secret } = await mint();
    const answer = await askWith(`/${guard}/run?scope=files:read`, secret);
    expect(verdictIn(answer)).toMatchObject({ valid: true });
    expect(answer.calls).toEqual([{ key: secret, organization: 'own', ip: '127.0.0.1', ...demands }]);
  });

  it.each(['192.0.2.9', '2001:db8::1', '::ffff:192.0.2.1'])(
    'is asked about with the client’s address %s, unless that is to be kept back',
    async (address) => {
      const { secret } = await mint();
      const forged = {
        'X-Forwarded-For': '203.0.113.1',
        'X-Real-IP': '203.0.113.1',
        Forwarded: 'for=203.0.113.1',
      };
      const headers = { ...forged, 'CF-Connecting-IP': address };
      expect((await askWith('/plain/run', secret, { headers })).calls).toMatchObject([{ ip: address }]);
      const hidden = await askWith('/hidden/run', secret, { headers });
      expect(verdictIn(hidden).valid).toBe(true);
      expect(hidden.calls).toEqual([{ key: secret, organization: 'own' }]);
    },
  );

  it.each([
    ['nonsense', 'nonsense'],
    ['out of range', '192.0.2.999'],
    ['two', '192.0.2.1, 192.0.2.2'],
    ['with a port', '192.0.2.1:80'],
    ['in brackets', '[::1]'],
    ['not hexadecimal', '::g'],
    ['of a zone', 'fe80::1%eth0'],
    ['5 KB', '1'.repeat(5_000)],
  ])('passes though the client’s address is %s', async (_, address) => {
    const { secret } = await mint();
    const answer = await askWith('/plain/run', secret, { headers: { 'CF-Connecting-IP': address } });
    expect(verdictIn(answer).valid).toBe(true);
    expect(answer.calls).toEqual([{ key: secret, organization: 'own' }]);
  });

  const ofUtf8 = (text: string) => Buffer.from(text).toString('latin1');
  it.each([
    ['60 KB', 'x'.repeat(60_000), 'x'.repeat(1_024)],
    ['unicode', ofUtf8('Ωmega 🔑'), expect.stringMatching(/mega/)],
    ['unicode at the cut', ofUtf8(`${'x'.repeat(1_023)}🔑`), expect.stringMatching(/^x{1023}/)],
    ['an injection', '\'); DROP TABLE keys; --"\\', '\'); DROP TABLE keys; --"\\'],
  ])('passes with a user agent that is %s', async (_, sent, kept) => {
    const { secret } = await mint();
    const answer = await askWith('/plain/run', secret, { headers: { 'User-Agent': sent } });
    expect(verdictIn(answer).valid).toBe(true);
    expect(answer.calls).toMatchObject([{ key: secret, userAgent: kept }]);
  });

  it.each([
    ['plain', (key: string) => ({ Authorization: `bearer ${key}` })],
    ['plain', (key: string) => ({ Authorization: `BEARER   ${key}` })],
    ['plain', (key: string) => ({ ...bearer(key), 'X-API-Key': 'another' })],
    ['basic', (key: string) => basic(key)],
    ['basic', (key: string) => basic(key, 'a password: ignored')],
    ['basic', (key: string) => ({ Authorization: `basic ${btoa(key)}` })],
    ['either', bearer],
    ['either', (key: string) => basic(key)],
    ['header', (key: string) => ({ 'X-API-Key': key })],
    ['header', (key: string) => ({ 'x-api-key': key, Authorization: 'Bearer another' })],
    ['any', bearer],
    ['any', (key: string) => basic(key)],
    ['any', (key: string) => ({ 'X-API-Key': key })],
  ] as const)('passes %s where its header is the one that is read', async (guard, headersOf) => {
    const { key, secret } = await mint();
    const answer = await ask(`/${guard}/run`, { headers: headersOf(secret) });
    expect(verdictIn(answer).keyId).toBe(key.id);
    expect(answer.calls).toEqual(once(secret));
  });
});

describe('what is guarded', () => {
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'])('is so by %s', async (method) => {
    const { secret } = await mint();
    const body = ['GET', 'HEAD'].includes(method) ? {} : { body: '{"key":"value"}' };
    expect(await askWith('/plain/run', secret, { method, ...body })).toMatchObject({
      status: 200,
      headers: { 'x-handler': 'ran' },
      ran: 1,
      calls: once(secret),
    });
    const refused = refusal('missing_credential');
    expect(await ask('/plain/run', { method, ...body })).toMatchObject(
      method === 'HEAD'
        ? { ...refused, body: '', headers: { 'www-authenticate': 'Bearer realm="api"' } }
        : refused,
    );
  });

  it('reads a body that nobody touched', async () => {
    const { secret } = await mint();
    const body = 'x'.repeat(100_000);
    expect(await askWith('/plain/echo', secret, { method: 'POST', body })).toMatchObject({ body, ran: 1 });
    const refused = await ask('/plain/echo', { method: 'POST', body });
    expect(refused).toEqual(refusal('missing_credential'));
  });

  it.each([
    ['/plain/broken', { status: 500, ran: 1 }],
    ['/plain/missing', { status: 404, ran: 1 }],
    ['/plain/nowhere', { status: 404, ran: 0 }],
  ])('answers for itself at %s', async (path, expected) => {
    const { secret } = await mint();
    expect(await askWith(path, secret)).toMatchObject({ ...expected, calls: once(secret) });
    expect(await ask(path)).toEqual(refusal('missing_credential'));
  });

  it('may take longer than a verdict may', async () => {
    const answer = { valid: true, code: 'VALID', keyId: 'key_1', organizationId: 'org_1', name: 'a key' };
    const rest = { environment: 'live', scopes: [], metadata: {}, source: 'd1', ageSeconds: 0 };
    const key = lie({ answer: { ...answer, ...rest } });
    expect(await askWith('/liar/slow', key)).toMatchObject({ status: 200, ran: 1 });
  });

  it('twice, demands both, and is told the inner verdict', async () => {
    const [reader, writer] = [await mint(), await mint({ permissions: ['files:*'] })];
    expect(await askWith('/nested/run', reader.secret)).toMatchObject({ status: 200, ran: 1 });
    const challenge = {
      'www-authenticate': 'Bearer realm="api", error="insufficient_scope", scope="files:write"',
    };
    const twice = [...once(reader.secret), ...once(reader.secret)];
    expect(await askWith('/nested/inner/run', reader.secret)).toEqual(
      refusal('insufficient_scope', twice, challenge),
    );
    const passed = await askWith('/nested/inner/run', writer.secret);
    expect(passed).toMatchObject({
      status: 200,
      ran: 1,
      calls: [{ scopes: ['files:read'] }, { scopes: ['files:write'] }],
    });
    expect(JSON.parse(passed.body)).toMatchObject({ verdict: { keyId: writer.key.id } });
    expect(await ask('/nested/inner/run')).toEqual(refusal('missing_credential'));
  });

  it.each(['/beside', '/plainer/run'])('is not %s', async (path) => {
    for (const headers of [{}, bearer('nonsense')]) {
      const answer = await ask(path, { headers });
      expect(answer).toMatchObject({ status: 200, body: '{"verdict":null}', ran: 1, calls: [] });
    }
  });

  it.each([
    '/%70lain/run',
    '/plain/%72un',
    '/plain%2Frun',
    '//plain/run',
    '/plain//run',
    '/PLAIN/run',
    '/./plain/run',
    '/beside/../plain/run',
    '/beside/%2e%2e/plain/run',
    '/plain/run/',
    '/plain/run?',
    '/plain/run#',
    '/plain;x/run',
    '\\plain\\run',
    '/plain/run%00',
  ])('is so by any spelling, such as %s', async (path) => {
    const answer = await ask(path);
    expect([400, 401, 404]).toContain(answer.status);
    expect(answer).toMatchObject({ ran: 0, calls: [] });
  });
});

it('fifty at once are each judged by their own key', async () => {
  const valid = await Promise.all(Array.from({ length: 20 }, () => mint()));
  const lacking = await Promise.all(Array.from({ length: 10 }, () => mint({ permissions: [] })));
  const revoked = await Promise.all(Array.from({ length: 10 }, () => mint()));
  await Promise.all(revoked.map(revoke));
  const before = (await allCalls()).length;

  const asked = (key: string) => askWith('/scoped/run?scope=files:read', key);
  const outcome = ({ status, ran, body }: Answer) =>
    `${status} ${ran} ${status === 200 ? JSON.parse(body).keyId : ''}`;
  const expected: (readonly [string, string])[] = [
    ...valid.map(({ key, secret }) => [secret, `200 1 ${key.id}`] as const),
    ...lacking.map(({ secret }) => [secret, '403 0 '] as const),
    ...revoked.map(({ secret }) => [secret, '401 0 '] as const),
    ...Array.from({ length: 10 }, () => [strayKey(), '401 0 '] as const),
  ].toSorted(() => Math.random() - 0.5);
  const outcomes = await Promise.all(expected.map(async ([key]) => [key, outcome(await asked(key))]));
  expect(outcomes).toEqual(expected);
  const keys = (await allCalls()).slice(before).map(({ key }) => key);
  expect(keys.toSorted()).toEqual(expected.map(([key]) => key).toSorted());
});
