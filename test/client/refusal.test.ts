import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Carrier } from '../../src/client/carriers.ts';
import {
  refusalByVerdict,
  refusalOf,
  refusalResponse,
  type Refusal,
  type RefusalCode,
} from '../../src/client/refusal.ts';
import type { RefusedVerdict } from '../../src/client/verdict.ts';
import { VERDICT_CODES } from '../../src/core/decide.ts';

/** Each refusal's status, the error of its challenge where it makes one, and when to come back. */
const REFUSALS: Readonly<
  Record<RefusalCode, { status: number; error?: string | null; retryAfter?: string }>
> = {
  missing_credential: { status: 401, error: null },
  multiple_credentials: { status: 400, error: 'invalid_request' },
  invalid_credential: { status: 401, error: 'invalid_token' },
  insufficient_scope: { status: 403, error: 'insufficient_scope' },
  ip_denied: { status: 403 },
  rate_limited: { status: 429, retryAfter: '10' },
  usage_exceeded: { status: 429 },
  unavailable: { status: 503, retryAfter: '5' },
};
const CODES = Object.keys(REFUSALS) as RefusalCode[];
/** Each scheme, by how a key comes. */
const CARRIERS = { Bearer: 'bearer', Basic: 'basic', ApiKey: { header: 'X-API-Key' } } as const;

const nasty = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom('"', '\\', '\r', '\n', '\0', ',', '=', ' ', 'é', '🔑', '\ud800', 'a', 'files:read'),
    )
    .map((parts) => parts.join('')),
);

/** RFC 9110 §11.6.1, in its narrowest form: one challenge of quoted parameters without escapes. */
const PARAMETER = /(?:realm|error|scope)="[\x20\x21\x23-\x5b\x5d-\x7e]*"/;
const CHALLENGE = new RegExp(`^(Bearer|Basic|ApiKey) (${PARAMETER.source}(?:, ${PARAMETER.source})*)$`);

function parametersOf(response: Response): Record<string, string> {
  const [, scheme = '', written = ''] = CHALLENGE.exec(response.headers.get('WWW-Authenticate') ?? '') ?? [];
  const parameters = [...written.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [
    name,
    value,
  ]);
  expect(new Set(parameters.map(([name]) => name)).size, 'no parameter twice').toBe(parameters.length);
  return { scheme, ...Object.fromEntries(parameters) };
}

async function expectWellFormed(response: Response, { code, status, retryAfter }: Refusal): Promise<void> {
  expect(response.status).toBe(status);
  expect(response.headers.get('Content-Type')).toBe('application/problem+json');
  expect(response.headers.get('Cache-Control')).toBe('no-store');
  expect(await response.json()).toEqual({
    type: `urn:mintmark:problem:${code}`,
    title: expect.stringMatching(/./),
    status,
    detail: expect.stringMatching(/./),
    code,
  });
  const written = response.headers.get('Retry-After');
  expect(written).toEqual(retryAfter === null ? null : expect.stringMatching(/^\d+$/));
  if (status === 401) expect(response.headers.has('WWW-Authenticate')).toBe(true);
  const challenge = response.headers.get('WWW-Authenticate');
  if (challenge !== null) expect(challenge).toMatch(CHALLENGE);
}

describe('the answer to a refusal', () => {
  test.for(CODES)('%s has its status and its headers', async (code) => {
    const { status, error, retryAfter = null } = REFUSALS[code];
    const refusal = refusalOf(code, 'a reason of one’s own');
    expect(refusal).toMatchObject({ code, status, keyId: null, scopes: [] });
    const response = refusalResponse(refusal, ['bearer'], 'api');
    expect(response.headers.get('Retry-After')).toBe(retryAfter);
    expect(response.headers.has('WWW-Authenticate')).toBe(error !== undefined);
    if (error !== undefined) {
      expect(parametersOf(response)).toEqual({
        scheme: 'Bearer',
        realm: 'api',
        ...(error === null ? {} : { error }),
      });
    }
    await expectWellFormed(response, refusal);
  });

  test('is well-formed whatever the realm, the scopes and the reason', async () => {
    const cases = fc.record({
      code: fc.constantFrom(...CODES),
      scheme: fc.constantFrom(...(['Bearer', 'Basic', 'ApiKey'] as const)),
      realm: nasty,
      scopes: fc.array(nasty),
      reason: nasty,
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ code, scheme, realm, scopes, reason }) => {
        const refusal = refusalOf(code, reason, { scopes });
        await expectWellFormed(refusalResponse(refusal, [CARRIERS[scheme]], realm), refusal);
      }),
      { numRuns: 500 },
    );
  });

  test('tells nothing of why: neither the reason nor the verdict', async () => {
    const verdict: RefusedVerdict = {
      valid: false,
      code: 'REVOKED',
      keyId: 'key_secret',
      name: 'nightly',
      source: 'd1',
      ageSeconds: 0,
    };
    const answers = (['NOT_FOUND', 'REVOKED', 'EXPIRED', 'DISABLED'] as const).map(async (code) => {
      const response = refusalResponse(refusalByVerdict({ ...verdict, code }, []), ['bearer'], 'api');
      return JSON.stringify([await response.text(), ...response.headers]);
    });
    expect(new Set(await Promise.all(answers)).size).toBe(1);
    expect(await answers[0]).not.toMatch(/key_secret|nightly|REVOKED/);
  });

  test('names the scopes that were asked for, as far as a challenge can', () => {
    const refusal = (scopes: readonly string[]) => refusalOf('insufficient_scope', '', { scopes });
    const challenge = (scheme: keyof typeof CARRIERS, ...scopes: string[]) =>
      parametersOf(refusalResponse(refusal(scopes), [CARRIERS[scheme]], 'api'));
    const told = { realm: 'api', error: 'insufficient_scope' };
    expect(challenge('Bearer', 'files:read', 'b')).toEqual({
      scheme: 'Bearer',
      ...told,
      scope: 'files:read b',
    });
    expect(challenge('ApiKey', 'files:read')).toEqual({ scheme: 'ApiKey', ...told, scope: 'files:read' });
    expect(challenge('Basic', 'files:read')).toEqual({ scheme: 'Basic', realm: 'api' });
    expect(
      challenge('Bearer', ...Array.from({ length: 100 }, (_, index) => `scope:${index}`.padEnd(20, 'x'))),
    ).toEqual({
      scheme: 'Bearer',
      ...told,
    });
    expect(challenge('Bearer', 'a b', 'a"b', 'a\\b', 'é', '', 'a\nb')).toEqual({ scheme: 'Bearer', ...told });
  });

  test('asks for a key in each of the ways that it may come', () => {
    const asks = (...carriers: readonly Carrier[]) =>
      refusalResponse(refusalOf('invalid_credential', ''), carriers, 'api').headers.get('WWW-Authenticate');
    const invalid = 'realm="api", error="invalid_token"';
    expect(asks('bearer', 'basic')).toBe(`Bearer ${invalid}, Basic realm="api"`);
    expect(asks('basic', { header: 'X-API-Key' }, { header: 'X-Key' })).toBe(
      `Basic realm="api", ApiKey ${invalid}`,
    );
  });

  test('names the realm without what would end it', () => {
    const realmOf = (realm: string) =>
      parametersOf(refusalResponse(refusalOf('missing_credential', ''), ['bearer'], realm))['realm'];
    expect(realmOf('Acme API')).toBe('Acme API');
    expect(realmOf('a", error="x')).toBe('a, error=x');
    expect(realmOf('a\r\nSet-Cookie: b=c')).toBe('aSet-Cookie: b=c');
    expect(realmOf('caf\u00e9 🔑 \\')).toBe('caf  ');
  });
});

describe('a verdict that refuses', () => {
  const CODE_OF: Readonly<Record<Exclude<(typeof VERDICT_CODES)[number], 'VALID'>, RefusalCode>> = {
    MALFORMED: 'invalid_credential',
    NOT_FOUND: 'invalid_credential',
    REVOKED: 'invalid_credential',
    ACCOUNT_DISABLED: 'invalid_credential',
    DISABLED: 'invalid_credential',
    EXPIRED: 'invalid_credential',
    WRONG_ENVIRONMENT: 'invalid_credential',
    IP_DENIED: 'ip_denied',
    INSUFFICIENT_SCOPE: 'insufficient_scope',
    RATE_LIMITED: 'rate_limited',
    USAGE_EXCEEDED: 'usage_exceeded',
  };
  const verdictOf = (code: string) =>
    ({ valid: false, code, source: 'd1', ageSeconds: 0 }) as unknown as RefusedVerdict;

  test('is of a code that is known here', () => {
    expect(Object.keys(CODE_OF).toSorted()).toEqual(
      VERDICT_CODES.filter((code) => code !== 'VALID').toSorted(),
    );
  });

  test.for(Object.entries(CODE_OF))('%s is answered with %s', ([code, answered]) => {
    const asked = ['files:read'];
    expect(refusalByVerdict(verdictOf(code), asked)).toMatchObject({
      code: answered,
      reason: code,
      scopes: answered === 'insufficient_scope' ? asked : [],
    });
  });

  test.for(['OF_A_NEWER_VERSION', '', 'toString', '__proto__', 'constructor', 'valid'])(
    'is a no, although its code %j is not known here',
    (code) => {
      expect(refusalByVerdict(verdictOf(code), [])).toMatchObject({
        code: 'invalid_credential',
        reason: code,
      });
    },
  );
});
