import { beforeAll, describe, expect, test } from 'vitest';

import {
  DIALECT_ENDPOINTS,
  invoke as invokeDialect,
  outcomeOf as outcomeOfDialect,
  titled as titledDialects,
} from '../dialects/endpoints.ts';
import { ENDPOINTS, invoke, outcomeOf, titled } from '../http/endpoints.ts';
import { ROOT_KEY, TestService } from '../support/service.ts';
import { makeKey, TestIssuer } from './issuer.ts';
import { saysOf, trusting } from './trusting.ts';

const HEADER = 'Cf-Access-Jwt-Assertion';
const MISSING = '401 missing_credential';
const TWO = '400 multiple_credentials';
const BAD = '401 invalid_credential';

const issuer = new TestIssuer([await makeKey('RS256')]);
/** One that is told of the header, one that trusts the issuer without it, and one that trusts nobody. */
const told = trusting(issuer, { OIDC_HEADER: HEADER });
const untold = trusting(issuer);
const untrusting = new TestService();
let [key, token] = ['', ''];

beforeAll(async () => {
  ({ secret: key } = await told.key({}, { role: 'admin' }));
  token = await issuer.token();
});

type Sent = Readonly<Record<string, string>>;
const asserted = (assertion = token): Sent => ({ [HEADER]: assertion });
const bearer = (credential: string): Sent => ({ Authorization: `Bearer ${credential}` });

describe('where it is not configured', () => {
  test('it is not looked at', async () => {
    for (const service of [untold, untrusting]) {
      for (const assertion of [token, 'nonsense', ROOT_KEY, key, '']) {
        expect(await saysOf(service, asserted(assertion))).toBe(MISSING);
        expect(await saysOf(service, { ...bearer(key), ...asserted(assertion) })).toBe('200');
        expect(await saysOf(service, { 'X-API-Key': ROOT_KEY, ...asserted(assertion) })).toBe('200');
        expect(await saysOf(service, { ...bearer('nonsense'), ...asserted(assertion) })).toBe(BAD);
      }
    }
  });

  test('whose key it is, is whose key is judged', async () => {
    const { body } = await untold.call('GET', '/v1/whoami', { credential: key, headers: asserted() });
    expect(body).toMatchObject({ type: 'service_account', key: { name: 'a key' } });
  });
});

describe('where it is configured', () => {
  test('it is a credential by itself, in any case', async () => {
    for (const name of [HEADER, HEADER.toLowerCase(), HEADER.toUpperCase()])
      expect(await saysOf(told, { [name]: token })).toBe('200');
    expect(await saysOf(trusting(issuer, { OIDC_HEADER: HEADER.toLowerCase() }), asserted())).toBe('200');
    expect(await saysOf(trusting(issuer, { OIDC_HEADER: 'X-Assertion' }), { 'X-Assertion': token })).toBe(
      '200',
    );
    issuer.clock = () => told.now();
  });

  test('it carries what any credential is, as it is', async () => {
    expect(await saysOf(told, asserted(key))).toBe('200');
    for (const bad of ['nonsense', `Bearer ${token}`, `${token}x`, `"${token}"`])
      expect(await saysOf(told, asserted(bad)), bad).toBe(BAD);
    for (const none of ['', '  ']) expect(await saysOf(told, asserted(none))).toBe(MISSING);
    expect(await saysOf(told, asserted(`${token}, ${token}`))).toBe(TWO);
    expect(await saysOf(told, asserted(await issuer.token({ claims: { aud: 'other' } })))).toBe(BAD);
  });

  test('it is a second credential beside any other, even the same', async () => {
    for (const first of [key, ROOT_KEY, token, 'nonsense']) {
      for (const assertion of [token, first, 'nonsense', '']) {
        expect(await saysOf(told, { ...bearer(first), ...asserted(assertion) })).toBe(TWO);
        expect(await saysOf(told, { 'X-API-Key': first, ...asserted(assertion) })).toBe(TWO);
        expect(
          await saysOf(told, { Authorization: `Basic ${btoa(`${first}:`)}`, ...asserted(assertion) }),
        ).toBe(TWO);
      }
    }
  });

  test('credentials go where they went before', async () => {
    expect(await saysOf(told, bearer(key))).toBe('200');
    expect(await saysOf(told, bearer(token))).toBe('200');
    expect(await saysOf(told, {})).toBe(MISSING);
    expect(await saysOf(told, { Cookie: `CF_Authorization=${token}` })).toBe(MISSING);
    const query = await told.call('GET', `/v1/service-accounts?${HEADER}=${token}`, { credential: null });
    expect(outcomeOf(query)).toBe(MISSING);
  });

  test.for(titled(ENDPOINTS.filter(({ scope }) => scope !== 'public' && scope !== 'root')))(
    '%s takes it alone',
    async ([, endpoint]) => {
      const valid = await endpoint.valid(told);
      const both = { credential: key, headers: asserted() };
      expect(outcomeOf(await invoke(told, endpoint, valid, both))).toBe(TWO);
      const alone = { credential: null, headers: asserted() };
      expect(outcomeOf(await invoke(untold, endpoint, valid, alone))).toBe(MISSING);
      expect(outcomeOf(await invoke(told, endpoint, valid, alone))).toBe(String(endpoint.success));
    },
  );

  test.for(titledDialects(DIALECT_ENDPOINTS))('%s takes it alone', async ([, endpoint]) => {
    const valid = await endpoint.valid(told);
    const both = { credential: key, headers: asserted() };
    expect(outcomeOfDialect(endpoint, await invokeDialect(told, endpoint, valid, both))).toBe('400');
    const alone = { credential: null, headers: asserted() };
    expect(outcomeOfDialect(endpoint, await invokeDialect(untold, endpoint, valid, alone))).toBe('401');
    expect((await invokeDialect(told, endpoint, valid, alone)).status).toBe(endpoint.success);
  });

  test.for(['/oauth/introspect', '/oauth/revoke'])('%s takes it alone', async (path) => {
    const { key: account, secret } = await told.key();
    const asked = async (service: TestService, headers: Sent, form: Sent = {}) => {
      const { status, body } = await service.call('POST', path, {
        credential: null,
        body: String(new URLSearchParams({ token: secret, ...form })),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      });
      return [status, body?.error ?? body?.active ?? null].join(' ').trim();
    };
    const client = { client_id: account.serviceAccountId, client_secret: key };
    const basic = { Authorization: `Basic ${btoa(`${client.client_id}:${key}`)}` };
    expect(await asked(told, { ...bearer(key), ...asserted() })).toBe('400 invalid_request');
    expect(await asked(told, { 'X-API-Key': key, ...asserted() })).toBe('400 invalid_request');
    expect(await asked(told, { ...basic, ...asserted() })).toBe('400 invalid_request');
    expect(await asked(told, asserted(), client)).toBe('400 invalid_request');
    expect(await asked(untold, asserted())).toMatch(/^401/);
    expect(await asked(told, asserted())).toBe(path.endsWith('introspect') ? '200 true' : '200');
  });

  test('forward-auth does not look at it', async () => {
    const pass = async (headers: Sent) =>
      outcomeOf(await told.call('GET', '/v1/forward-auth/default/-', { credential: null, headers }));
    expect(await pass(asserted())).toBe(MISSING);
    expect(await pass(asserted(key))).toBe(MISSING);
    expect(await pass({ ...bearer(key), ...asserted() })).toBe('204');
    expect(await pass({ 'X-API-Key': key, ...asserted('nonsense') })).toBe('204');
    expect(await pass({ ...bearer('nonsense'), ...asserted() })).toBe(BAD);
  });

  test('it is one credential too many beside those of a client that wants a token', async () => {
    const { key: minted, secret } = await told.key({}, { role: 'reader' });
    const form = {
      grant_type: 'client_credentials',
      client_id: minted.serviceAccountId,
      client_secret: secret,
    };
    const asked = async (service: TestService, headers: Sent) =>
      service.call('POST', '/oauth/token', {
        credential: null,
        body: String(new URLSearchParams(form)),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      });
    expect((await asked(told, asserted())).body.error).toBe('invalid_request');
    expect((await asked(untold, asserted())).status).toBe(200);
    const { access_token } = (await asked(told, {})).body;
    expect(await saysOf(told, asserted(access_token))).toBe('200');
  });

  describe('what a page of another site has a browser send', () => {
    const create = async (headers: Sent, service = told) =>
      outcomeOf(
        await service.call('POST', '/v1/service-accounts', {
          credential: null,
          body: { name: crypto.randomUUID() },
          headers,
        }),
      );

    test.for<[Sent, string]>([
      [{}, '201'],
      [{ 'Sec-Fetch-Site': 'same-origin' }, '201'],
      [{ 'Sec-Fetch-Site': 'none' }, '201'],
      [{ 'Sec-Fetch-Site': 'same-site' }, BAD],
      [{ 'Sec-Fetch-Site': 'cross-site' }, BAD],
      [{ 'Sec-Fetch-Site': '' }, BAD],
      [{ Origin: 'http://localhost' }, '201'],
      [{ Origin: 'http://localhost:8080' }, BAD],
      [{ Origin: 'https://localhost' }, BAD],
      [{ Origin: 'https://attacker.example' }, BAD],
      [{ Origin: 'null' }, BAD],
      [{ Origin: 'http://localhost', 'Sec-Fetch-Site': 'cross-site' }, BAD],
    ])('changes nothing by it: %j', async ([headers, outcome]) => {
      expect(await create({ ...asserted(), ...headers })).toBe(outcome);
      expect(await create({ ...bearer(key), ...headers }), 'a key is no cookie').toBe('201');
      expect(await create({ ...bearer(token), ...headers }, untold)).toBe('201');
    });

    test('may read by it', async () => {
      expect(await saysOf(told, { ...asserted(), 'Sec-Fetch-Site': 'cross-site' })).toBe('200');
      expect(await saysOf(told, { ...asserted(), Origin: 'https://attacker.example' })).toBe('200');
    });
  });
});

test('Cloudflare Access, as its tokens are', async () => {
  const access = new TestIssuer([await makeKey('RS256')], 'https://acme.cloudflareaccess.com');
  const certs = 'https://acme.cloudflareaccess.com/cdn-cgi/access/certs';
  const service = trusting(access, {
    OIDC_JWKS_URL: certs,
    OIDC_AUDIENCE: '32eafc7626e737ca2c6fbbd7a8a1f2d8e5c1b9a0f4d3e2c1b0a9f8e7d6c5b4a3',
    OIDC_HEADER: HEADER,
    OIDC_SUBJECT_CLAIM: 'email',
    OIDC_SCOPES_CLAIM: '*',
  });
  service.fetchHook = async (url) =>
    url === certs
      ? Response.json({ keys: access.keys.map(({ jwk }) => jwk), public_cert: {}, public_certs: [] })
      : access.fetch(url);
  const claims = {
    aud: ['32eafc7626e737ca2c6fbbd7a8a1f2d8e5c1b9a0f4d3e2c1b0a9f8e7d6c5b4a3'],
    email: 'ada@acme.example',
    type: 'app',
    identity_nonce: '6ei69kawdKzMIAPF',
    sub: '7335d417-61da-459d-899c-0a01c76a2f94',
    country: 'US',
    scope: undefined,
    jti: undefined,
  };
  const assertion = await access.token({ claims, header: { typ: undefined } });
  const { body } = await service.call('GET', '/v1/whoami', {
    credential: null,
    headers: asserted(assertion),
  });
  expect(body).toMatchObject({ type: 'user', id: 'ada@acme.example', scopes: ['mintmark:*'] });
  // A service token of Access has a common_name and no email.
  const machine = await access.token({
    claims: { ...claims, sub: '', email: undefined, common_name: 'x.access' },
  });
  expect(await saysOf(service, asserted(machine))).toBe(BAD);
  expect(access.asked).toEqual({ configuration: 0, jwks: 0 });
});
