import { createLocalJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import { beforeAll, describe, expect, test } from 'vitest';

import { TestService } from '../support/service.ts';

const ISSUER = new URL('http://localhost');
const service = new TestService();
const client = { id: '', key: '', keyId: '' };

/** A client that knows the issuer's address and its own account and key, and nothing of Mintmark. */
const options = {
  [oauth.allowInsecureRequests]: true,
  [oauth.customFetch]: async (url: string, { body, ...init }: { body?: BodyInit | null | undefined }) =>
    service.app.request(url, { ...init, body: body ?? null }),
} as const;

beforeAll(async () => {
  const minted = await service.key(
    { expiresIn: '1h' },
    { permissions: ['files:read', 'files:write', 'mintmark:keys:verify'] },
  );
  Object.assign(client, { id: minted.key.serviceAccountId, key: minted.secret, keyId: minted.key.id });
});

async function discover(): Promise<oauth.AuthorizationServer> {
  const response = await oauth.discoveryRequest(ISSUER, { algorithm: 'oauth2', ...options });
  return oauth.processDiscoveryResponse(ISSUER, response);
}

async function getToken(
  parameters: Record<string, string>,
  authentication = oauth.ClientSecretBasic(client.key),
) {
  const as = await discover();
  const { id: client_id } = client;
  const response = await oauth.clientCredentialsGrantRequest(
    as,
    { client_id },
    authentication,
    parameters,
    options,
  );
  return oauth.processClientCredentialsResponse(as, { client_id }, response);
}

async function introspect(token: string) {
  const as = await discover();
  const { id: client_id } = client;
  const response = await oauth.introspectionRequest(
    as,
    { client_id },
    oauth.ClientSecretPost(client.key),
    token,
    options,
  );
  return oauth.processIntrospectionResponse(as, { client_id }, response);
}

async function revoke(token: string): Promise<void> {
  const as = await discover();
  const response = await oauth.revocationRequest(
    as,
    { client_id: client.id },
    oauth.ClientSecretBasic(client.key),
    token,
    options,
  );
  await oauth.processRevocationResponse(response);
}

describe('an OAuth client', () => {
  test.for([
    ['Basic', () => oauth.ClientSecretBasic(client.key)],
    ['the form', () => oauth.ClientSecretPost(client.key)],
  ] as const)('gets a token by %s that is verified offline', async ([, authentication]) => {
    const { access_token, token_type, expires_in, scope } = await getToken({}, authentication());
    expect([token_type, expires_in, scope]).toEqual([
      'bearer',
      300,
      'files:read files:write mintmark:keys:verify',
    ]);
    const as = await discover();
    const jwks = await (await service.app.request(as.jwks_uri ?? '')).json<{ keys: [] }>();
    const { payload, protectedHeader } = await jwtVerify(access_token, createLocalJWKSet(jwks), {
      issuer: as.issuer,
      audience: as.issuer,
      typ: 'at+jwt',
      algorithms: ['ES256'],
      currentDate: new Date(service.now()),
      requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
    });
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
    expect(payload).toEqual({
      iss: 'http://localhost',
      aud: 'http://localhost',
      sub: client.id,
      client_id: client.id,
      scope: 'files:read files:write mintmark:keys:verify',
      key_id: client.keyId,
      org_id: 'org_000000000000000000000000',
      environment: 'live',
      iat: Math.floor(service.now() / 1_000),
      exp: Math.floor(service.now() / 1_000) + 300,
      jti: expect.stringMatching(new RegExp(`^${client.keyId}\\.[0-9A-Za-z]{16}$`)),
    });
  });

  test('validates a token as a resource server does', async () => {
    const { access_token } = await getToken({});
    const as = await discover();
    const request = new Request('http://localhost/x', {
      headers: { Authorization: `Bearer ${access_token}` },
    });
    const claims = await oauth.validateJwtAccessToken(as, request, as.issuer, options);
    expect(claims.client_id).toBe(client.id);
  });

  test('narrows the scopes, and is refused what the key does not hold', async () => {
    expect(await getToken({ scope: 'files:read' })).toMatchObject({ scope: 'files:read' });
    await expect(getToken({ scope: 'files:read files:erase' })).rejects.toMatchObject({
      error: 'invalid_scope',
      status: 400,
    });
  });

  test('asks what a token is good for, and ends it', async () => {
    const { access_token } = await getToken({ scope: 'files:read' });
    expect(await introspect(access_token)).toMatchObject({
      active: true,
      scope: 'files:read',
      client_id: client.id,
      sub: client.id,
      token_type: 'Bearer',
      iss: 'http://localhost',
      aud: 'http://localhost',
      jti: expect.stringContaining(client.keyId),
    });
    await revoke(access_token);
    expect(await introspect(access_token)).toEqual({ active: false });
    await revoke(access_token);
    expect((await introspect((await getToken({})).access_token)).active).toBe(true);
  });

  test('asks about keys, and ends its own', async () => {
    const { secret, key } = await service.key({ serviceAccountId: client.id, scopes: ['files:read'] });
    expect(await introspect(secret)).toMatchObject({ active: true, scope: 'files:read', jti: key.id });
    await revoke(secret);
    expect(await introspect(secret)).toEqual({ active: false });
    await revoke('never-was-one');
  });

  test('is told what is wrong with its credentials', async () => {
    const wrong = oauth.ClientSecretPost(`${client.key}x`);
    await expect(getToken({}, wrong)).rejects.toThrow('WWW-Authenticate');
    const answer = await service.call('POST', '/oauth/token', {
      credential: null,
      body: `grant_type=client_credentials&client_id=${client.id}&client_secret=no`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    });
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect(answer.headers.get('WWW-Authenticate')).toBe('Basic realm="mintmark"');
  });
});
