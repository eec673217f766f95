import { beforeAll, describe, expect, test } from 'vitest';

import { mintSecret } from '../../src/core/secret.ts';
import { outcomeOf } from '../http/endpoints.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import { makeKey, TestIssuer, without } from './issuer.ts';
import { inOrganization, judged, trusting, whoIs } from './trusting.ts';

const DEFAULT_ID = 'org_000000000000000000000000';
const BAD = '401 invalid_credential';

const issuer = new TestIssuer([await makeKey('ES256')]);
const service = trusting(issuer);
let [acme, bolt, foreign] = [
  { id: '', slug: '' },
  { id: '', slug: '' },
  { id: '', slug: '' },
];

beforeAll(async () => {
  [acme, bolt, foreign] = [
    await service.organization(),
    await service.organization(),
    await service.organization(),
  ];
});

type Claims = Readonly<Record<string, unknown>>;
const tokenWith = (claims: Claims = {}): Promise<string> => issuer.token({ claims });

type Options = NonNullable<Parameters<TestService['call']>[2]>;
const asBearer = async (method: string, path: string, claims: Claims = {}, options: Options = {}) =>
  service.call(method, path, { credential: await tokenWith(claims), ...options });

const scopesOf = async (trusted: TestService, claims: Claims): Promise<string[]> =>
  (await whoIs(trusted, await tokenWith(claims))).scopes;

describe('takes tokens', () => {
  test.for([
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ])('that are signed by %s', async (alg) => {
    const signed = new TestIssuer([await makeKey(alg)]);
    const trusted = trusting(signed);
    expect(await judged(trusted, await signed.token())).toBe('200');
    // Its kid is enough.
    signed.jwks = () => Response.json({ keys: signed.keys.map(({ jwk }) => without(jwk, 'alg', 'use')) });
    expect(await judged(trusting(signed), await signed.token())).toBe('200');
  });

  test.for([undefined, 'JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt'])('of type %s', async (typ) => {
    expect(await judged(service, await issuer.token({ header: { typ } }))).toBe('200');
  });

  test.for<[string, Claims]>([
    ['whose audience is a list', { aud: ['other', 'mintmark'] }],
    ['with claims that mean nothing here', { azp: 'somebody', nonce: 'x', amr: [], act: { sub: 'x' } }],
    ['whose exp is a fraction', { exp: Math.floor(Date.now() / 1_000) + 300.5 }],
    ['whose exp is far off', { exp: 99_999_999_999 }],
    ['without iat, nbf and jti', { iat: undefined, jti: undefined }],
  ])('%s', async ([, claims]) => expect(await judged(service, await tokenWith(claims))).toBe('200'));

  test('for one of several audiences', async () => {
    const trusted = trusting(issuer, { OIDC_AUDIENCE: 'one, https://keys.example/' });
    const tokenFor = (aud: unknown) => tokenWith({ aud });
    expect(await judged(trusted, await tokenFor('one'))).toBe('200');
    expect(await judged(trusted, await tokenFor(['x', 'https://keys.example/']))).toBe('200');
    expect(await judged(trusted, await tokenFor('https://keys.example'))).toBe(BAD);
    expect(await judged(trusted, await tokenFor('mintmark'))).toBe(BAD);
  });

  test('of an issuer that ends in a slash, and of no other', async () => {
    const slashed = new TestIssuer(issuer.keys, 'https://login.example/');
    const trusted = trusting(slashed);
    expect(await judged(trusted, await slashed.token())).toBe('200');
    expect(await judged(trusted, await slashed.token({ claims: { iss: 'https://login.example' } }))).toBe(
      BAD,
    );
  });

  test('in each place of the contract', async () => {
    const token = await tokenWith();
    for (const headers of [
      { 'X-API-Key': token },
      { Authorization: `Basic ${btoa(`${token}:`)}` },
      { Authorization: `bearer ${token}` },
    ]) {
      const answer = await service.call('GET', '/v1/service-accounts', { credential: null, headers });
      expect(outcomeOf(answer)).toBe('200');
    }
  });

  test('beside keys and root, which are as they were', async () => {
    const { secret } = await service.key({}, { role: 'reader' });
    expect(await judged(service, secret)).toBe('200');
    expect(await whoIs(service, ROOT_KEY)).toMatchObject({ type: 'root' });
  });
});

describe('by the clock', () => {
  const seconds = () => Math.floor(service.now() / 1_000);

  test.for<[string, () => Claims, string]>([
    ['that ended within the tolerance', () => ({ exp: seconds() - 29 }), '200'],
    ['that ended before', () => ({ exp: seconds() - 30 }), BAD],
    ['that begins within the tolerance', () => ({ nbf: seconds() + 30 }), '200'],
    ['that begins later', () => ({ nbf: seconds() + 31 }), BAD],
  ])('a token %s', async ([, claims, outcome]) => {
    expect(await judged(service, await tokenWith(claims()))).toBe(outcome);
  });

  test('of a deployment, with the tolerance that it is given', async () => {
    const trusted = trusting(issuer, { OIDC_CLOCK_TOLERANCE_SECONDS: '0' });
    const now = Math.floor(trusted.now() / 1_000);
    expect(await judged(trusted, await tokenWith({ exp: now + 1 }))).toBe('200');
    expect(await judged(trusted, await tokenWith({ exp: now }))).toBe(BAD);
    expect(await judged(trusted, await tokenWith({ nbf: now + 1 }))).toBe(BAD);
  });

  test('a token ends while it is used', async () => {
    const trusted = trusting(issuer);
    const token = await issuer.token();
    expect(await judged(trusted, token)).toBe('200');
    await trusted.advance(329_000);
    expect(await judged(trusted, token)).toBe('200');
    await trusted.advance(2_000);
    expect(await judged(trusted, token)).toBe(BAD);
    issuer.clock = () => service.now();
  });
});

describe('who it is', () => {
  test('is a person of the organization, without a key', async () => {
    expect(await whoIs(service, await tokenWith())).toEqual({
      type: 'user',
      id: 'ada',
      organizationId: DEFAULT_ID,
      scopes: ['mintmark:*'],
      key: null,
    });
  });

  test('is told by the claim of the settings', async () => {
    const idBy = async (OIDC_SUBJECT_CLAIM: string, claims: Claims) =>
      (await whoIs(trusting(issuer, { OIDC_SUBJECT_CLAIM }), await tokenWith(claims))).id;
    expect(await idBy('email', { email: 'ada@acme.example' })).toBe('ada@acme.example');
    expect(await idBy('https://acme.example/user', { 'https://acme.example/user': 'a' })).toBe('a');
    expect(await idBy('identity.id', { identity: { id: 'b' } })).toBe('b');
    expect(await idBy('identity.id', { 'identity.id': 'whole', identity: { id: 'part' } })).toBe('whole');
    expect(await idBy('emails', { emails: ['first@acme.example', 'second@acme.example'] })).toBe(
      'first@acme.example',
    );
  });

  const key = mintSecret('mk', 'live', (bytes) => crypto.getRandomValues(bytes));
  test.for<[string, unknown]>([
    ['absent', undefined],
    ['empty', ''],
    ['a number', 5],
    ['null', null],
    ['an object', { id: 'ada' }],
    ['a list of nothing', []],
    ['a list of objects', [{ id: 'ada' }]],
    ['more than 255 characters', 'a'.repeat(256)],
    ['10 KB', 'a'.repeat(5_000)],
    ['with a line end', 'ada\r\nMintmark-Subject: root'],
    ['with a lone line feed', 'ada\n'],
    ['with NUL', 'ada\0'],
    ['with an escape', '\u001b[31mada'],
    ['with DEL', 'ada\u007f'],
    ['with a C1 control', 'ada\u0085'],
    ['with a bidi override', 'ada\u202Eroot'],
    ['Unicode', 'àda'],
    ['a lone surrogate', 'ada\ud800'],
    ['a key', key],
    ['around a key', `ada ${key}!`],
    ['a token', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.'],
  ])('is nobody where its claim is %s', async ([, sub]) => {
    expect(await judged(service, await tokenWith({ sub }))).toBe(BAD);
  });

  test.for([
    'a'.repeat(255),
    'auth0|5f7c',
    'CN=Ada, O=Acme',
    '"><script>alert(1)</script>',
    "'; DROP TABLE api_keys;--",
  ])('may be %s', async (sub) => expect((await whoIs(service, await tokenWith({ sub }))).id).toBe(sub));

  test('is no account, whatever else it says', async () => {
    const { key: minted } = await service.key({}, { permissions: ['files:read'] });
    const claims = { key_id: minted.id, client_id: minted.serviceAccountId, scope: '' };
    expect(await whoIs(service, await tokenWith(claims))).toMatchObject({
      type: 'user',
      scopes: [],
      key: null,
    });
  });

  test.for(['root', 'system', `sa_${'0'.repeat(24)}`, `key_${'0'.repeat(24)}`, DEFAULT_ID, 'evt_'])(
    'is nobody by the name of a principal of Mintmark’s: %s',
    async (sub) => expect(await judged(service, await tokenWith({ sub }))).toBe(BAD),
  );

  test('is never root', async () => {
    const trusted = trusting(issuer, { OIDC_SCOPES: '* mintmark:*' });
    const credential = await tokenWith({ sub: 'Root', scope: '* mintmark:*' });
    expect(await whoIs(trusted, credential)).toMatchObject({ type: 'user', id: 'Root' });
    for (const [method, path] of [
      ['GET', '/v1/organizations'],
      ['POST', '/v1/organizations'],
      ['GET', `/v1/organizations/${DEFAULT_ID}`],
      ['DELETE', `/v1/organizations/${acme.id}`],
    ] as const) {
      const body = method === 'POST' ? { body: { name: 'mine' } } : {};
      const answer = await trusted.call(method, path, { credential, ...body });
      expect(outcomeOf(answer), path).toBe('403 root_required');
    }
    const ready = await trusted.call('GET', '/health/ready', { credential });
    expect(ready.body).not.toHaveProperty('database');
  });
});

describe('manages', () => {
  const eventsOf = async (targetId: string): Promise<Answer['body'][]> =>
    (await service.call('GET', `/v1/audit-events?targetId=${targetId}`)).body.data;

  test('accounts and keys, in its own name', async () => {
    const created = await asBearer(
      'POST',
      '/v1/service-accounts',
      {},
      { body: { name: crypto.randomUUID() } },
    );
    expect(created.body).toMatchObject({ createdBy: 'ada', organizationId: DEFAULT_ID });
    const minted = await asBearer(
      'POST',
      `/v1/service-accounts/${created.body.id}/api-keys`,
      { jti: 'token-2' },
      { body: { name: 'key' } },
    );
    expect(minted.status).toBe(201);
    const { key, secret } = minted.body;
    expect((await asBearer('POST', '/v1/api-keys/verify', {}, { body: { key: secret } })).body.code).toBe(
      'VALID',
    );
    expect(
      (await asBearer('PATCH', `/v1/api-keys/${key.id}`, {}, { body: { name: 'x' } })).body.updatedBy,
    ).toBe('ada');
    const rotated = await asBearer('POST', `/v1/api-keys/${key.id}/rotate`, { jti: undefined }, { body: {} });
    expect(rotated.body.key.createdBy).toBe('ada');
    const revoked = await asBearer('POST', `/v1/api-keys/${rotated.body.key.id}/revoke`, { sub: 'eve' });
    expect(revoked.body.key).toMatchObject({ createdBy: 'ada', revokedBy: 'eve' });
    expect((await asBearer('DELETE', `/v1/service-accounts/${created.body.id}`)).status).toBe(204);
    const actors = (await eventsOf(key.id)).map(({ action, actor }) => [action, actor]);
    const ada = { type: 'user', id: 'ada', credentialId: 'token-1' };
    expect(actors.toReversed().slice(0, 3)).toEqual([
      ['api_key.created', { ...ada, credentialId: 'token-2' }],
      ['api_key.updated', ada],
      ['api_key.rotated', { ...ada, credentialId: null }],
    ]);
    const byPerson = await asBearer('GET', '/v1/audit-events?actorId=eve&limit=1');
    expect(byPerson.body.data[0].target.id).toBe(rotated.body.key.id);
  });

  test.for<[string, unknown]>([
    ['not there', undefined],
    ['a number', 7],
    ['a list', ['token-1']],
    ['too long', 'x'.repeat(256)],
    ['of two lines', 'a\r\nb'],
    ['Unicode', 'ü'],
    ['a key', mintSecret('mk', 'live', (bytes) => crypto.getRandomValues(bytes))],
  ])('and leaves no id of a token that is %s', async ([, jti]) => {
    const { body } = await asBearer(
      'POST',
      '/v1/service-accounts',
      { jti },
      { body: { name: crypto.randomUUID() } },
    );
    const [event] = await eventsOf(body.id);
    expect(event.actor).toEqual({ type: 'user', id: 'ada', credentialId: null });
  });

  test('as far as its scopes go', async () => {
    const claims = { scope: 'mintmark:keys:read' };
    expect(outcomeOf(await asBearer('GET', '/v1/api-keys', claims))).toBe('200');
    for (const [method, path] of [
      ['GET', '/v1/service-accounts'],
      ['GET', '/v1/audit-events'],
      ['POST', '/v1/service-accounts'],
      ['POST', '/v1/api-keys/verify'],
    ] as const) {
      const body = path.endsWith('verify') ? { key: 'x' } : { name: 'x' };
      const answer = await asBearer(method, path, claims, method === 'GET' ? {} : { body });
      expect(outcomeOf(answer), path).toBe('403 insufficient_scope');
    }
  });

  test('and grants nothing beyond what it holds', async () => {
    const scope = 'mintmark:accounts:write mintmark:keys:write mintmark:keys:read';
    const grant = async (fields: object) =>
      outcomeOf(
        await asBearer(
          'POST',
          '/v1/service-accounts',
          { scope },
          { body: { name: crypto.randomUUID(), ...fields } },
        ),
      );
    for (const fields of [
      { role: 'admin' },
      { role: 'reader' },
      { permissions: ['mintmark:*'] },
      { permissions: ['mintmark:audit:read'] },
    ])
      expect(await grant(fields)).toBe('403 cannot_grant');
    expect(await grant({ permissions: ['mintmark:keys:read', 'files:*', '*'] })).toBe('201');
    const { id } = await service.account({ role: 'admin' });
    const minted = await asBearer(
      'POST',
      `/v1/service-accounts/${id}/api-keys`,
      { scope },
      { body: { name: 'key' } },
    );
    expect(outcomeOf(minted)).toBe('403 cannot_grant');
  });

  test('no longer where its organization is deleted under way', async () => {
    const doomed = await service.organization();
    const trusted = trusting(issuer, { OIDC_ORGANIZATIONS: doomed.id });
    const credential = await tokenWith();
    trusted.d1Hooks.beforeBatch = async () => {
      delete trusted.d1Hooks.beforeBatch;
      await service.call('DELETE', `/v1/organizations/${doomed.id}`);
    };
    const create = () => trusted.call('POST', '/v1/service-accounts', { credential, body: { name: 'late' } });
    expect(outcomeOf(await create())).toBe('404 not_found');
    expect(outcomeOf(await create())).toBe('404 not_found');
  });

  test('no longer where its token ends under way', async () => {
    const { key } = await service.key();
    const trusted = trusting(issuer);
    const credential = await issuer.token({ claims: { exp: Math.floor(trusted.now() / 1_000) + 5 } });
    issuer.clock = () => service.now();
    await trusted.advance(34_000);
    /** Two seconds pass while D1 answers the so manieth question. */
    const rename = async (name: string, slow: number) => {
      let questions = 0;
      trusted.d1Hooks.after = () => {
        questions += 1;
        if (questions === slow) trusted.skip(2_000);
      };
      const answer = await trusted.call('PATCH', `/v1/api-keys/${key.id}`, { credential, body: { name } });
      trusted.skip(questions < slow ? 0 : -2_000);
      return outcomeOf(answer);
    };
    expect(await rename('in time', Infinity)).toBe('200');
    expect(await rename('late', 1), 'once the caller is known').toBe(BAD);
    expect(await rename('in time', 2), 'with nothing to change').toBe(BAD);
    expect((await service.call('GET', `/v1/api-keys/${key.id}`)).body.name).toBe('in time');
  });
});

describe('scopes', () => {
  const CEILING = { OIDC_SCOPES: 'mintmark:keys:* files:*' };

  test.for<[string, unknown, readonly string[]]>([
    ['of the ceiling', 'mintmark:keys:read files:read', ['mintmark:keys:read', 'files:read']],
    ['as a list', ['mintmark:keys:read', 'files:read'], ['mintmark:keys:read', 'files:read']],
    ['as a list of texts with several', ['files:read files:write'], ['files:read', 'files:write']],
    ['beyond it are cut', 'mintmark:* files:read mintmark:audit:read', ['mintmark:keys:*', 'files:read']],
    ['of everything', '* mintmark:*', ['files:*', 'mintmark:keys:*']],
    ['of the application give none of Mintmark’s', '*', ['files:*']],
    ['that are none', 'openid profile:* mintmark mintmark:root MINTMARK:* files:*:x ü', []],
    ['with blanks around', '  files:read   files:write ', ['files:read', 'files:write']],
    ['in a text with commas', 'files:read,files:write', []],
    ['that are empty', '', []],
    ['that are absent', undefined, []],
    ['that are null', null, []],
    ['that are true', true, []],
    ['that are an object', { 'files:read': true }, []],
    ['in a list of what is no text', [1, null, ['files:read'], { a: 'files:read' }], []],
  ])('%s', async ([, scope, held]) => {
    expect(await scopesOf(trusting(issuer, CEILING), { scope })).toEqual(held);
  });

  test('come from the claim of the settings alone', async () => {
    const trusted = trusting(issuer, { OIDC_SCOPES_CLAIM: 'realm_access.roles' });
    expect(await scopesOf(trusted, { realm_access: { roles: ['mintmark:keys:read'] } })).toEqual([
      'mintmark:keys:read',
    ]);
    expect(await scopesOf(trusted, { scope: 'mintmark:*', roles: ['mintmark:*'], realm_access: {} })).toEqual(
      [],
    );
    expect(await scopesOf(trusted, { realm_access: 'mintmark:*' })).toEqual([]);
    expect(await scopesOf(trusted, { realm_access: null })).toEqual([]);
    expect(await scopesOf(trusted, { realm_access: [{ roles: ['mintmark:*'] }] })).toEqual([]);
  });

  test.for([
    '__proto__',
    'constructor',
    'toString',
    'constructor.name',
    '__proto__.constructor.name',
    'scope.length',
  ])('come from no claim %s that a token does not have', async (OIDC_SCOPES_CLAIM) => {
    const trusted = trusting(issuer, { OIDC_SCOPES: '*', OIDC_SCOPES_CLAIM });
    expect(await scopesOf(trusted, {})).toEqual([]);
  });

  test('of claims with such names are what the token says', async () => {
    const trusted = trusting(issuer, { OIDC_SCOPES_CLAIM: '__proto__' });
    const exp = Math.floor(service.now() / 1_000) + 300;
    const payload = `{"iss":"${issuer.url}","aud":"mintmark","sub":"ada","exp":${exp},"__proto__":"mintmark:keys:read"}`;
    const token = await issuer.token({ payload });
    expect((await whoIs(trusted, token)).scopes).toEqual(['mintmark:keys:read']);
    const polluted = await issuer.token({
      payload: payload.replace('"mintmark:keys:read"', '{"scope":"mintmark:*"}'),
    });
    expect((await whoIs(service, polluted)).scopes).toEqual([]);
    expect(await scopesOf(service, { scope: undefined })).toEqual([]);
  });

  test('are the whole ceiling for everybody where the settings say so', async () => {
    const trusted = trusting(issuer, { ...CEILING, OIDC_SCOPES_CLAIM: '*' });
    expect(await scopesOf(trusted, { scope: 'mintmark:*' })).toEqual(['mintmark:keys:*', 'files:*']);
    expect(await scopesOf(trusted, { scope: '' })).toEqual(['mintmark:keys:*', 'files:*']);
  });

  test('are told by the values of the claim, within the ceiling', async () => {
    const trusted = trusting(issuer, {
      ...CEILING,
      OIDC_SCOPES_CLAIM: 'groups',
      OIDC_SCOPES_BY_VALUE: JSON.stringify({
        'Key Admins': ['mintmark:*'],
        support: ['mintmark:keys:read', 'mintmark:audit:read'],
        nobody: [],
      }),
    });
    const scopesBy = (groups: unknown) => scopesOf(trusted, { groups });
    expect(await scopesBy(['Key Admins'])).toEqual(['mintmark:keys:*']);
    expect(await scopesBy('Key Admins')).toEqual(['mintmark:keys:*']);
    expect(await scopesBy(['support', 'support', 'other'])).toEqual(['mintmark:keys:read']);
    expect(await scopesBy('support nobody')).toEqual([]);
    for (const none of [
      ['nobody'],
      ['mintmark:*'],
      ['key admins'],
      ['constructor', '__proto__'],
      [['support']],
      5,
    ]) {
      expect(await scopesBy(none)).toEqual([]);
    }
  });
});

describe('organizations', () => {
  const forAll = (organizations: string) =>
    trusting(issuer, { OIDC_ORGANIZATIONS: organizations, OIDC_ORGANIZATION_CLAIM: '*' });
  const idOf = async (trusted: TestService, claims: Claims, headers = {}) =>
    (await whoIs(trusted, await tokenWith(claims), headers)).organizationId;

  test('are the one of the settings, by id or slug in either place', async () => {
    for (const set of [acme.id, acme.slug]) {
      const trusted = trusting(issuer, { OIDC_ORGANIZATIONS: set });
      const token = await tokenWith();
      expect(await judged(trusted, token)).toBe('200');
      for (const named of [acme.id, acme.slug]) {
        expect(await judged(trusted, token, inOrganization(named))).toBe('200');
        expect(await idOf(trusted, {}, inOrganization(named))).toBe(acme.id);
      }
    }
  });

  test('that are foreign are not there', async () => {
    const trusted = trusting(issuer, { OIDC_ORGANIZATIONS: acme.slug });
    const token = await tokenWith();
    for (const named of [
      'default',
      DEFAULT_ID,
      foreign.id,
      foreign.slug,
      'no-such',
      '*',
      `${acme.slug} `.repeat(2),
      '__proto__',
    ]) {
      expect(await judged(trusted, token, inOrganization(named)), named).toBe('404 not_found');
    }
    const { key } = await service.key();
    const answer = await trusted.call('GET', `/v1/api-keys/${key.id}`, { credential: token });
    expect(outcomeOf(answer)).toBe('404 not_found');
  });

  test('that are several have to be named', async () => {
    const trusted = forAll(`${acme.slug},${bolt.id}`);
    const token = await tokenWith();
    expect(await judged(trusted, token)).toBe('400 invalid_request Mintmark-Organization');
    expect(await judged(trusted, token, inOrganization(''))).toBe('404 not_found');
    for (const { id, slug } of [acme, bolt]) {
      for (const named of [id, slug]) {
        expect(await judged(trusted, token, inOrganization(named))).toBe('200');
        expect(await idOf(trusted, {}, inOrganization(named))).toBe(id);
      }
    }
    expect(await judged(trusted, token, inOrganization(foreign.id))).toBe('404 not_found');
  });

  test('that a call names twice are one', async () => {
    const trusted = forAll(`${acme.slug},${bolt.slug}`);
    const listed = async (org: string, named: string) =>
      trusted.call('GET', `/compat/kosli/api/v2/service-accounts/${org}`, {
        credential: await tokenWith(),
        headers: inOrganization(named),
      });
    expect((await listed(acme.slug, acme.id)).status).toBe(200);
    expect((await listed(acme.slug, bolt.slug)).status).toBe(403);
    expect((await listed(foreign.slug, foreign.slug)).status).toBe(403);
  });

  test('that do not exist are not there', async () => {
    expect(await judged(trusting(issuer, { OIDC_ORGANIZATIONS: 'no-such' }), await tokenWith())).toBe(
      '404 not_found',
    );
  });

  describe('of a claim', () => {
    const byClaim = (name = 'tenant') =>
      trusting(issuer, { OIDC_ORGANIZATIONS: `${acme.slug},${bolt.slug}`, OIDC_ORGANIZATION_CLAIM: name });

    test('are those of the list alone', async () => {
      const trusted = byClaim();
      expect(await idOf(trusted, { tenant: acme.slug })).toBe(acme.id);
      expect(await idOf(trusted, { tenant: [bolt.slug] })).toBe(bolt.id);
      expect(await idOf(trusted, { tenant: [foreign.slug, bolt.slug] })).toBe(bolt.id);
      const ofAcme = await tokenWith({ tenant: acme.slug });
      for (const { id, slug } of [bolt, foreign]) {
        for (const named of [id, slug]) {
          expect(await judged(trusted, ofAcme, inOrganization(named))).toBe('404 not_found');
        }
      }
    });

    test('are several for who has several', async () => {
      const trusted = byClaim();
      const token = await tokenWith({ tenant: [acme.slug, bolt.slug, foreign.slug] });
      expect(await judged(trusted, token)).toBe('400 invalid_request Mintmark-Organization');
      expect(await judged(trusted, token, inOrganization(bolt.id))).toBe('200');
      expect(await judged(trusted, token, inOrganization(foreign.slug))).toBe('404 not_found');
    });

    test('are written as the settings have them', async () => {
      for (const tenant of [acme.id, acme.slug.toUpperCase(), ` ${acme.slug}`, `${acme.slug},${bolt.slug}`])
        expect(await judged(byClaim(), await tokenWith({ tenant }))).toBe(BAD);
    });

    test.for<[string, unknown]>([
      ['absent', undefined],
      ['empty', ''],
      ['null', null],
      ['a number', 0],
      ['an empty list', []],
      ['an object', { slug: 'default' }],
      ['another organization', 'default'],
      ['*', '*'],
      ['a name that every object has', 'constructor'],
    ])('are none where it is %s', async ([, tenant]) => {
      expect(await judged(byClaim(), await tokenWith({ tenant }))).toBe(BAD);
      expect(await judged(byClaim(), await tokenWith({ tenant }), inOrganization(acme.slug))).toBe(BAD);
    });

    test('may be in a path, or in a name that is a URL', async () => {
      expect(await idOf(byClaim('app.tenant'), { app: { tenant: acme.slug } })).toBe(acme.id);
      expect(await idOf(byClaim('a.b.c'), { a: { b: { c: [acme.slug] } } })).toBe(acme.id);
      const url = 'https://acme.example/tenant.v1';
      expect(await idOf(byClaim(url), { [url]: acme.slug })).toBe(acme.id);
      expect(await judged(byClaim('app.tenant'), await tokenWith({ tenant: acme.slug, app: {} }))).toBe(BAD);
      for (const name of ['__proto__', 'constructor.name', 'app.__proto__', 'app.'])
        expect(await judged(byClaim(name), await tokenWith({ app: { tenant: acme.slug } })), name).toBe(BAD);
    });
  });
});

describe('is for people who manage, and not', () => {
  test('a key that is verified', async () => {
    const key = await tokenWith();
    expect(await service.verify(key)).toMatchObject({ valid: false, code: 'MALFORMED', source: 'none' });
  });

  test('a key that is asked about by introspection, or ended by revocation', async () => {
    const token = await tokenWith();
    const post = (path: string, form: Record<string, string>, credential: string | null) =>
      service.call('POST', path, {
        credential,
        body: String(new URLSearchParams(form)),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      });
    for (const credential of [ROOT_KEY, token]) {
      const introspected = await post('/oauth/introspect', { token }, credential);
      expect([introspected.status, introspected.body]).toEqual([200, { active: false }]);
      expect((await post('/oauth/revoke', { token }, credential)).status).toBe(200);
    }
    expect(await judged(service, token)).toBe('200');
    const { secret } = await service.key();
    expect((await post('/oauth/introspect', { token: secret }, token)).body).toMatchObject({ active: true });
    expect((await post('/oauth/revoke', { token: secret }, token)).status).toBe(200);
    expect(await service.verify(secret)).toMatchObject({ code: 'REVOKED' });
    const form = { grant_type: 'client_credentials', client_id: 'ada', client_secret: token };
    expect((await post('/oauth/token', form, null)).body).toMatchObject({ error: 'invalid_client' });
  });

  test('what a proxy lets pass', async () => {
    for (const headers of [
      { Authorization: `Bearer ${await tokenWith()}` },
      { 'X-API-Key': await tokenWith() },
    ]) {
      const answer = await service.call('GET', '/v1/forward-auth/default/-', { credential: null, headers });
      expect(outcomeOf(answer)).toBe(BAD);
    }
    expect(issuer.asked.jwks).toBeGreaterThan(0);
    const asked = { ...issuer.asked };
    const fresh = trusting(issuer);
    await fresh.call('GET', '/v1/forward-auth/default/-', { credential: await tokenWith() });
    await fresh.verify(await tokenWith());
    expect(issuer.asked, 'the issuer is not asked').toEqual(asked);
    issuer.clock = () => service.now();
  });

  test('what is kept in logs', async () => {
    const token = await issuer.token({ claims: { aud: 'other' } });
    await judged(service, token);
    const logged = JSON.stringify(service.logs);
    expect(logged).toContain('ERR_JWT_CLAIM_VALIDATION_FAILED');
    for (const part of token.split('.').slice(1)) expect(logged).not.toContain(part);
  });
});

test('without the settings it is no credential, and nobody is asked', async () => {
  const untrusting = new TestService();
  untrusting.fetchHook = issuer.fetch;
  const asked = { ...issuer.asked };
  expect(await judged(untrusting, await tokenWith())).toBe(BAD);
  expect(issuer.asked).toEqual(asked);
});
