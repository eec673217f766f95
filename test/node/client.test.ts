import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestHarness } from 'wrangler';
import * as z from 'zod/mini';

import {
  createClient,
  entries,
  MintmarkError,
  orThrow,
  type Client,
  type ClientOptions,
  type Refused,
} from '../../src/client/client.ts';
import { apiKey, mintedKey, revokedKey, rotatedKey } from '../../src/contract/api_keys.ts';
import { auditEvent } from '../../src/contract/audit_events.ts';
import { timestamp } from '../../src/contract/fields.ts';
import { organization } from '../../src/contract/organizations.ts';
import { problem } from '../../src/contract/problem.ts';
import { serviceAccount } from '../../src/contract/service_accounts.ts';
import { verdict, whoami } from '../../src/contract/verdict.ts';

const ROOT_KEY = 'client-test-root-key-0123456789-abcdefghi';

/** Mintmark, and beside it in the same workerd a Worker that has a client over a service binding. */
const harness = createTestHarness({
  workers: [
    { configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY } },
    { configPath: 'test/node/bound_client/wrangler.toml' },
  ],
});
let url: URL;

beforeAll(async () => {
  ({ url } = await harness.listen());
  await harness.getWorker<{ DB: D1Database }>('mintmark').applyD1Migrations('DB');
});
afterAll(() => harness.close());

type Options = Pick<ClientOptions, 'credential' | 'organization' | 'timeoutMs'>;

/** What another Worker's client says: every call of the interface, handed to it by name. */
function boundClient(options: Options): Client {
  const call = async (path: readonly string[], args: readonly unknown[]): Promise<unknown> => {
    const body = JSON.stringify({ options, path, args });
    const response = await harness
      .getWorker('bound-client')
      .fetch('http://bound-client/', { method: 'POST', body });
    const { value, thrown } = (await response.json()) as { value?: unknown; thrown?: string };
    if (thrown !== undefined) throw new Error(thrown);
    return value;
  };
  const member = (path: readonly string[]): object =>
    new Proxy(() => undefined, {
      get: (_, name) => member([...path, String(name)]),
      apply: (_, __, args: unknown[]) => call(path, args),
    });
  return member([]) as Client;
}

const WAYS: Readonly<Record<string, (options: Options) => Client>> = {
  'over HTTP': (options) => createClient({ url, ...options }),
  'over a service binding': boundClient,
};

const effective = z.strictObject({ effectiveBy: timestamp });
const kept = z.strictObject({});
/** A resource out of which something was taken away. */
const weakened = <Schema extends z.ZodMiniObject>(schema: Schema) =>
  z.extend(schema, { effectiveBy: timestamp });
const pageOf = (schema: z.ZodMiniType) =>
  z.strictObject({ data: z.array(schema), nextCursor: z.nullable(z.string()) });

const aName = (): string => `name ${crypto.randomUUID()}`;
const codeOf = (answer: object | Refused): string => ('error' in answer ? answer.error.code : 'no refusal');

describe.for(Object.entries(WAYS))('a client %s', ([, connect]) => {
  const root = (slug?: string): Client =>
    connect({ credential: ROOT_KEY, ...(slug === undefined ? {} : { organization: slug }) });

  async function anAccount(permissions: string[] = ['files:read'], client = root()) {
    return orThrow(await client.serviceAccounts.create({ name: aName(), permissions }));
  }
  async function aKey(permissions?: string[], client = root()) {
    const { id } = await anAccount(permissions, client);
    return orThrow(await client.keys.create({ name: aName(), serviceAccountId: id }));
  }
  async function anOrganization() {
    return orThrow(await root().organizations.create({ name: aName() }));
  }

  it('gives verdicts', async () => {
    const client = root();
    const { key, secret } = await aKey();
    const asked = { scopes: ['files:read'], ip: '192.0.2.7', maxStaleness: 0 };
    const valid = verdict.parse(await client.verify({ key: secret, environment: 'live', ...asked }));
    expect(valid).toMatchObject({ valid: true, keyId: key.id, scopes: ['files:read'], source: 'd1' });
    const saysOf = async (request: Parameters<Client['verify']>[0]) =>
      verdict.parse(await client.verify(request)).code;
    expect(await saysOf({ key: 'nonsense' })).toBe('MALFORMED');
    expect(await saysOf({ key: secret, scopes: ['a'] })).toBe('INSUFFICIENT_SCOPE');
    expect(await saysOf({ key: secret, environment: 'test' })).toBe('WRONG_ENVIRONMENT');
  });

  it('says what its credential is', async () => {
    expect(whoami.parse(await root().whoami())).toMatchObject({ type: 'root', key: null });
    const { key, secret } = await aKey();
    const said = whoami.parse(await connect({ credential: secret }).whoami());
    expect(said).toMatchObject({ type: 'service_account', key: { id: key.id }, scopes: ['files:read'] });
  });

  it('mints, reads, changes, rotates, revokes and deletes keys', async () => {
    const client = root();
    const { keys } = client;
    const { id: serviceAccountId } = await anAccount();
    const written = { name: 'a key', metadata: { plan: 'pro' }, expiresIn: '90d', scopes: ['files:read'] };
    const { key, secret } = mintedKey.parse(await keys.create({ ...written, serviceAccountId }));
    expect(key).toMatchObject({ name: 'a key', metadata: { plan: 'pro' }, createdBy: 'root' });
    expect(apiKey.parse(await keys.get(key.id))).toEqual(key);
    expect(pageOf(apiKey).parse(await keys.list({ serviceAccountId }))).toEqual({
      data: [key],
      nextCursor: null,
    });

    const named = apiKey.parse(await keys.update(key.id, { name: 'renamed', description: 'é' }));
    expect(named).toMatchObject({ name: 'renamed', description: 'é', expiresAt: key.expiresAt });
    expect(weakened(apiKey).parse(await keys.update(key.id, { scopes: [] }))).toMatchObject({ scopes: [] });

    const rotated = rotatedKey.parse(await keys.rotate(key.id, { gracePeriod: '1h' }));
    expect(rotated.previous).toMatchObject({ id: key.id, rotatedTo: rotated.key.id });
    expect(verdict.parse(await client.verify({ key: secret }))).toMatchObject({ valid: true });
    const again = rotatedKey.parse(await keys.rotate(rotated.key.id));

    const revoked = revokedKey.parse(await keys.revoke(again.key.id, { reason: 'leaked', lineage: true }));
    expect(revoked.key).toMatchObject({ status: 'revoked', revocationReason: 'leaked' });
    expect(verdict.parse(await client.verify({ key: secret }))).toMatchObject({ code: 'REVOKED' });
    expect(revokedKey.parse(await keys.revoke(again.key.id)).key).toEqual(revoked.key);

    effective.parse(await keys.delete(again.key.id));
    expect(codeOf(await keys.get(again.key.id))).toBe('not_found');
    expect(codeOf(await keys.delete(again.key.id))).toBe('not_found');
  });

  it('makes, reads, changes, disables, enables and deletes service accounts', async () => {
    const { serviceAccounts } = root();
    const name = aName();
    const account = serviceAccount.parse(
      await serviceAccounts.create({ name, permissions: ['files:*'], role: 'reader', metadata: { a: 1 } }),
    );
    expect(account).toMatchObject({ name, role: 'reader', status: 'active' });
    const { id } = account;
    expect(serviceAccount.parse(await serviceAccounts.get(id))).toEqual(account);
    const page = pageOf(serviceAccount).parse(await serviceAccounts.list({ limit: 1 }));
    expect(page).toMatchObject({ data: [account] });

    const described = await serviceAccounts.update(id, { description: 'nightly' });
    expect(serviceAccount.parse(described)).toMatchObject({ description: 'nightly', role: 'reader' });
    const narrowed = await serviceAccounts.update(id, { permissions: ['files:read'], role: null });
    expect(weakened(serviceAccount).parse(narrowed)).toMatchObject({
      permissions: ['files:read'],
      role: null,
    });
    const disabled = weakened(serviceAccount).parse(await serviceAccounts.disable(id));
    expect(disabled).toMatchObject({ status: 'disabled' });
    expect(serviceAccount.parse(await serviceAccounts.enable(id))).toMatchObject({ status: 'active' });
    effective.parse(await serviceAccounts.delete(id));
    expect(codeOf(await serviceAccounts.get(id))).toBe('not_found');
  });

  it('makes, reads, changes and deletes organizations', async () => {
    const { organizations } = root();
    const settings = { keyPrefix: 'acme', personalKeyPermissions: ['files:*'], maxLiveKeys: 1 };
    const made = organization.parse(await organizations.create({ name: aName(), ...settings }));
    expect(made).toMatchObject(settings);
    expect(organization.parse(await organizations.get(made.id))).toEqual(made);
    const page = pageOf(organization).parse(await organizations.list({ limit: 1 }));
    expect(page).toMatchObject({ data: [made] });
    const renamed = organization.parse(await organizations.update(made.id, { name: 'renamed' }));
    expect(renamed).toMatchObject({ name: 'renamed', ...settings });
    const narrowed = await organizations.update(made.id, { personalKeyPermissions: [] });
    expect(weakened(organization).parse(narrowed)).toMatchObject({ personalKeyPermissions: [] });
    z.union([effective, kept]).parse(orThrow(await organizations.delete(made.id)));
    expect(codeOf(await organizations.get(made.id))).toBe('not_found');
  });

  it('reads the audit trail', async () => {
    const before = new Date().toISOString();
    const { key } = await aKey();
    const list = async (...request: Parameters<Client['auditEvents']['list']>) =>
      pageOf(auditEvent).parse(await root().auditEvents.list(...request)).data;
    const created = { action: 'api_key.created', target: { id: key.id }, actor: { id: 'root' } };
    expect(await list({ targetId: key.id })).toMatchObject([created]);
    expect((await list()).length).toBeGreaterThan(1);
    const narrow = { action: 'api_key.created', actorId: 'root', targetId: key.id, from: before } as const;
    expect(await list(narrow)).toHaveLength(1);
    expect(await list({ ...narrow, to: before })).toEqual([]);
  });

  it('answers a refusal as a value, with what Mintmark says of it', async () => {
    const { id: name } = await anAccount();
    const { key, secret } = await aKey(['mintmark:accounts:write', 'mintmark:keys:write']);
    const [unknown, known] = [connect({ credential: 'nonsense' }), connect({ credential: secret })];
    await root().serviceAccounts.create({ name });
    const long = { name: 'long', userId: 'ada', scopes: [], expiresAt: '2101-01-01T00:00:00Z' };
    const refusals: readonly (readonly [number, string, Promise<object>, string[]?])[] = [
      [401, 'invalid_credential', unknown.whoami()],
      [401, 'invalid_credential', unknown.keys.create({ name: 'key', serviceAccountId: key.id })],
      [403, 'insufficient_scope', known.keys.list()],
      [403, 'root_required', known.organizations.list()],
      [403, 'cannot_grant', known.serviceAccounts.create({ name: aName(), role: 'admin' })],
      [404, 'not_found', root().keys.get(`key_${'0'.repeat(24)}`)],
      [404, 'not_found', root('nobody').keys.list()],
      [409, 'name_taken', root().serviceAccounts.create({ name }), ['name']],
      [409, 'default_organization', root().organizations.delete(`org_${'0'.repeat(24)}`)],
      [400, 'invalid_request', root().keys.create({ name: '', metadata: [] } as never), ['metadata', 'name']],
      [400, 'invalid_request', root().keys.create(long), ['expiresAt']],
      [400, 'invalid_request', root().keys.list({ limit: 0, cursor: 'x' }), ['cursor', 'limit']],
      [400, 'invalid_request', root().keys.list({ nonsense: 'x' } as never), ['nonsense']],
      [400, 'invalid_request', root().verify({ key: 1 } as never), ['key']],
    ];
    for (const [status, code, answered, paths] of refusals) {
      const { error } = (await answered) as Refused;
      const said = problem.parse(error);
      expect(said).toMatchObject({ status, code, requestId: expect.stringMatching(/./) });
      const named = said.errors?.map(({ path }) => path).filter((path) => path !== 'serviceAccountId');
      expect(named?.toSorted(), code).toEqual(paths);
    }
  });

  it('reads a list page by page, and all of it by its entries', async () => {
    const { keys, serviceAccounts } = root();
    const { id: serviceAccountId } = await anAccount();
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      ids.unshift(orThrow(await keys.create({ name, serviceAccountId })).key.id);
    }
    const page = async (cursor?: string) => orThrow(await keys.list({ serviceAccountId, limit: 2, cursor }));
    const first = await page();
    const second = await page(first.nextCursor ?? 'none');
    expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(ids.slice(0, 4));

    const cursors: (string | undefined)[] = [];
    const all = entries((cursor) => {
      cursors.push(cursor);
      return page(cursor);
    });
    expect((await Array.fromAsync(all)).map(({ id }) => id)).toEqual(ids);
    expect(cursors).toEqual([undefined, first.nextCursor, second.nextCursor]);
    const none = entries((cursor) => keys.list({ userId: 'nobody', cursor }));
    expect(await Array.fromAsync(none)).toEqual([]);
    const refused = entries((cursor) => serviceAccounts.list({ cursor, limit: 101 }));
    await expect(Array.fromAsync(refused)).rejects.toThrow(MintmarkError);
  });

  it('means by `organization` the one that root works in, by slug or id', async () => {
    const theirs = await anOrganization();
    const { key, secret } = await aKey(['files:read'], root(theirs.slug));
    expect(key.organizationId).toBe(theirs.id);
    expect(await root(theirs.id).keys.get(key.id)).toEqual(key);
    expect(codeOf(await root().keys.get(key.id))).toBe('not_found');
    expect(await root(theirs.slug).verify({ key: secret })).toMatchObject({ code: 'VALID' });
    expect(await root().verify({ key: secret })).toMatchObject({ code: 'NOT_FOUND' });
    const [own, foreign] = [theirs.id, 'default'].map((slug) =>
      connect({ credential: secret, organization: slug }),
    );
    expect(await own?.whoami()).toMatchObject({ organizationId: theirs.id });
    expect(await foreign?.whoami()).toMatchObject({ error: { code: 'not_found' } });
  });
});

describe('a client', () => {
  it('throws a refusal where one is not expected, and passes the rest on', async () => {
    const refused = await createClient({ url, credential: 'nonsense' }).whoami();
    const thrown = await Promise.resolve(refused)
      .then(orThrow)
      .catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(MintmarkError);
    expect(thrown).toMatchObject({
      name: 'MintmarkError',
      message: expect.stringMatching(/^invalid_credential: /),
      problem: { status: 401, code: 'invalid_credential' },
    });
    expect(orThrow({ id: 'a' })).toEqual({ id: 'a' });
  });

  it.for<[string, object]>([
    ['no address', { credential: 'x' }],
    ['an address of another machine, by plain HTTP', { url: 'http://example.com', credential: 'x' }],
    ['no credential', { url: 'https://example.com' }],
    ['an empty credential', { url: 'https://example.com', credential: '' }],
    ['no binding', { service: undefined, credential: 'x' }],
    ['a binding without a credential', { service: { fetch } }],
  ])('is not made with %s', ([, options]) => {
    expect(() => createClient(options as ClientOptions)).toThrow(TypeError);
  });

  it.for<object>([
    ...[0, -1, 1.5, 600_001, 2 ** 40, NaN, Infinity, '1', null].map((timeoutMs) => ({ timeoutMs })),
    ...['a\nb', '🔑'].map((slug) => ({ organization: slug })),
  ])('is not made with %o', (options) => {
    const good = { url: 'https://example.com', credential: 'x' };
    expect(() => createClient({ ...good, ...options })).toThrow(TypeError);
  });

  describe('asks for nothing', () => {
    const seen: unknown[] = [];
    const server = createServer(({ method, url: path }, response) => {
      seen.push(`${method} ${path}`);
      response.end('{}');
    });
    let client: Client;

    beforeAll(async () => {
      await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
      const { port } = server.address() as AddressInfo;
      client = createClient({ url: `http://127.0.0.1:${port}/base`, credential: 'x' });
    });
    afterEach(() => void seen.splice(0));
    afterAll(() => void server.close());

    async function findsNothing(id: unknown): Promise<void> {
      const { keys, serviceAccounts, organizations } = client;
      const name = id as string;
      const answers = [
        ...[keys, serviceAccounts, organizations].flatMap((resource) => [
          resource.get(name),
          resource.delete(name),
          resource.update(name, { name: 'x' }),
        ]),
        keys.rotate(name),
        keys.revoke(name, { reason: 'leaked' }),
        serviceAccounts.disable(name),
        serviceAccounts.enable(name),
      ];
      const codes = (await Promise.all<object>(answers)).map(codeOf);
      expect({ codes: new Set(codes), seen }).toEqual({ codes: new Set(['not_found']), seen: [] });
    }

    it.for(['', '.', '..', '../keys', 'a/b', 'a\\b', '%2e%2e', '%2F', 'a?b', 'a#b', 'a b', 'a\n', 'é', '🔑'])(
      'by an id that would lead elsewhere: %j',
      findsNothing,
    );

    it.for([{ id: 1 }, { id: true }, { id: null }, { id: undefined }, { id: ['key_1'] }, { id: {} }])(
      'by an id that is no text: %o',
      ({ id }) => findsNothing(id),
    );

    it('and for the rest below the address that it was given', async () => {
      await client.whoami();
      expect(seen).toEqual(['GET /base/v1/whoami']);
    });
  });
});
