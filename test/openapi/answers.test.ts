import { describe, expect, it } from 'vitest';

import { OPERATIONS } from '../../src/openapi/operations.ts';
import { ENDPOINTS, invoke, titled, UNKNOWN_IDS, type Endpoint } from '../http/endpoints.ts';
import { TestService, type Answer } from '../support/service.ts';
import { conforms, DOCUMENT } from './conforms.ts';

const service = new TestService();

/** Calls, and holds the answer to the document. */
async function call(
  method: string,
  path: string,
  options: Parameters<TestService['call']>[2] = {},
): Promise<Answer> {
  const answer = await service.call(method, path, options);
  conforms(answer, method, path);
  return answer;
}

async function invoked(
  endpoint: Endpoint,
  ...rest: Parameters<typeof invoke> extends [unknown, unknown, ...infer Rest] ? Rest : never
): Promise<Answer> {
  const answer = await invoke(service, endpoint, ...rest);
  conforms(answer, endpoint.method, endpoint.path);
  return answer;
}

describe('every answer is in the document, as it is', () => {
  it('has a call for each row', () => {
    const rows = OPERATIONS.map(
      ({ method, path }) => `${method.toUpperCase()} ${path.replace('{id}', ':id')}`,
    );
    expect(ENDPOINTS.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual(rows.toSorted());
  });

  it.for(titled(ENDPOINTS))('%s: success, and each way to be refused', async ([, endpoint]) => {
    const { method, path, scope, target, fields } = endpoint;
    const operation = DOCUMENT.paths[path.replace(':id', '{id}')]?.[method.toLowerCase()];
    const [success] = Object.keys(operation?.responses ?? {});

    const valid = await endpoint.valid(service);
    const done = await invoked(endpoint, valid);
    expect(String(done.status)).toBe(success);

    expect((await invoked(endpoint, valid, { query: '?unknown=1' })).status).toBe(400);
    if (scope !== 'public') {
      expect((await invoked(endpoint, valid, { credential: null })).status).toBe(401);
      expect((await invoked(endpoint, valid, { credential: 'nonsense' })).status).toBe(401);
      expect((await invoked(endpoint, valid, { headers: { 'X-API-Key': 'another' } })).status).toBe(400);
      expect(
        (await invoked(endpoint, valid, { headers: { 'Mintmark-Organization': 'nowhere' } })).status,
      ).toBe(404);
      const { secret } = await service.key();
      if (scope !== null) expect((await invoked(endpoint, valid, { credential: secret })).status).toBe(403);
    }
    if (target !== undefined) {
      const body = (await endpoint.valid(service)).body ?? {};
      const missing = await invoked(
        endpoint,
        { id: UNKNOWN_IDS[target] },
        fields === undefined ? {} : { body },
      );
      expect(missing.status).toBe(404);
    }
    if (fields !== undefined) {
      expect((await invoked(endpoint, valid, { body: { unknown: 1 } })).status).toBe(400);
      expect((await invoked(endpoint, valid, { body: '{' })).status).toBe(400);
      const text = { 'Content-Type': 'text/plain' };
      expect((await invoked(endpoint, valid, { body: 'text', headers: text })).status).toBe(415);
      expect((await invoked(endpoint, valid, { body: 'x'.repeat(70_000) })).status).toBe(413);
    }
  });

  it.for(titled(ENDPOINTS))('%s: while D1 is down', async ([, endpoint]) => {
    const valid = await endpoint.valid(service);
    service.d1Hooks.before = () => {
      throw new Error('down');
    };
    await service.advance(10_000);
    await invoked(endpoint, valid);
    delete service.d1Hooks.before;
  });

  it('a key on its way, and what stands in it', async () => {
    const account = await call('POST', '/v1/service-accounts', {
      body: { name: 'tour', permissions: ['files:*'], metadata: { team: 'one' } },
    });
    const { id } = account.body;
    expect((await call('POST', '/v1/service-accounts', { body: { name: 'tour' } })).status).toBe(409);
    const minted = await call('POST', `/v1/service-accounts/${id}/api-keys`, {
      body: { name: 'a key', expiresIn: '90d', metadata: { deep: { list: [1, null] } } },
    });
    const key = `/v1/api-keys/${minted.body.key.id}`;
    const verify = (fields: object) => call('POST', '/v1/api-keys/verify', { body: fields });
    expect((await verify({ key: minted.body.secret, scopes: ['files:read'] })).body.code).toBe('VALID');
    expect((await verify({ key: minted.body.secret, scopes: ['other'] })).body.code).toBe(
      'INSUFFICIENT_SCOPE',
    );
    expect((await verify({ key: minted.body.secret, environment: 'test' })).body.code).toBe(
      'WRONG_ENVIRONMENT',
    );
    expect((await verify({ key: 'nonsense' })).body.code).toBe('MALFORMED');
    await call('GET', '/v1/whoami', { credential: minted.body.secret });

    const rotated = await call('POST', `${key}/rotate`, { body: { gracePeriod: '1h' } });
    expect((await call('POST', `${key}/rotate`)).body.code).toBe('key_rotated');
    await call('PATCH', key, { body: { scopes: ['files:read'] } });
    await call('PATCH', key, { body: { enabled: false } });
    expect((await verify({ key: minted.body.secret })).body.code).toBe('DISABLED');
    const successor = `/v1/api-keys/${rotated.body.key.id}`;
    expect((await call('PATCH', successor, { body: { enabled: false } })).status).toBe(200);
    expect((await call('POST', `${successor}/rotate`)).body.code).toBe('key_disabled');
    await call('POST', `${key}/revoke`, { body: { reason: 'done', lineage: true } });
    expect((await call('PATCH', key, { body: { name: 'other' } })).body.code).toBe('key_revoked');
    expect((await call('GET', '/v1/api-keys?status=revoked&limit=1')).status).toBe(200);
    await call('POST', `/v1/service-accounts/${id}/disable`);
    const late = { name: 'late' };
    expect((await call('POST', `/v1/service-accounts/${id}/api-keys`, { body: late })).status).toBe(409);
    await call('POST', `/v1/service-accounts/${id}/enable`);
    await call('DELETE', key);
    await call('DELETE', `/v1/service-accounts/${id}`);
    expect((await call('GET', '/v1/audit-events?limit=100')).body.data).not.toEqual([]);
  });

  it('granting what one does not hold', async () => {
    const { secret } = await service.key(
      {},
      { permissions: ['mintmark:keys:write', 'mintmark:accounts:write'] },
    );
    const answer = await call('POST', '/v1/service-accounts', {
      credential: secret,
      body: { name: 'too strong', role: 'admin' },
    });
    expect(answer.body.code).toBe('cannot_grant');
  });

  it('an organization, its limits and its end', async () => {
    const made = await call('POST', '/v1/organizations', {
      body: { name: 'Tour', slug: 'tour', maxLiveKeys: 0 },
    });
    expect((await call('POST', '/v1/organizations', { body: { name: 'Tour', slug: 'tour' } })).status).toBe(
      409,
    );
    const headers = { 'Mintmark-Organization': 'tour' };
    const account = await call('POST', '/v1/service-accounts', { headers, body: { name: 'one' } });
    const body = { name: 'a key', serviceAccountId: account.body.id };
    expect((await call('POST', '/v1/api-keys', { headers, body })).status).toBe(402);
    await call('DELETE', `/v1/organizations/${made.body.id}`);
    expect((await call('DELETE', `/v1/organizations/org_${'0'.repeat(24)}`)).status).toBe(409);
  });

  it('a path and a method that are not there', async () => {
    expect((await call('GET', '/nothing')).status).toBe(404);
    expect((await call('DELETE', '/v1/whoami')).status).toBe(405);
  });

  it('a defect', async () => {
    service.kvHooks.before = () => {
      throw new TypeError('a defect');
    };
    service.d1Hooks.after = () => {
      throw new TypeError('a defect');
    };
    const answer = await call('GET', '/v1/service-accounts');
    expect([500, 503]).toContain(answer.status);
    delete service.kvHooks.before;
    delete service.d1Hooks.after;
  });
});
