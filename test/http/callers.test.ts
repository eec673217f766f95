import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';

import { MANAGEMENT_SCOPES } from '../../src/core/scope.ts';
import { tables } from '../support/attempts.ts';
import { deadKeys } from '../support/dead_keys.ts';
import { strayKey } from '../support/edge.ts';
import { mapped } from '../support/records.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import {
  ENDPOINTS,
  invoke,
  outcomeOf,
  routesOf,
  titled,
  titleOf,
  UNKNOWN_IDS,
  withoutRequestId,
  type Endpoint,
} from './endpoints.ts';

const CHALLENGE = 'Bearer realm="mintmark"';
const DEFAULT_ORGANIZATION = `org_${'0'.repeat(24)}`;
const OTHER_ORGANIZATION = `org_${'1'.repeat(24)}`;
const IN_OTHER = { 'Mintmark-Organization': OTHER_ORGANIZATION };

const service = new TestService();

/** Keys that would be allowed everything but for what their name says, by that name. */
const refused: Record<string, string> = {};
/** A live key for each management scope, holding it alone; for each, one holding all the others; one holding none. */
const holdingOnly = new Map<string, string>();
const holdingAllBut = new Map<string, string>();
let holdingNothing = '';
/** Of an administrator of the other organization. */
let foreigner = '';
/** A key of the default organization, by which a person of it was given one too. */
let ours = { id: '', serviceAccountId: '', start: '', secret: '' };

const REFUSED = [
  'an unknown key',
  'a malformed key',
  'a mistyped key',
  'a revoked key',
  'an expired key',
  'a disabled key',
  'a deleted key',
  'a key of a disabled account',
  'a key of a deleted account',
] as const;

const guarded = ENDPOINTS.filter(({ scope }) => scope !== 'public');
const scoped = ENDPOINTS.filter(({ scope }) => scope?.startsWith('mintmark:'));
const roots = ENDPOINTS.filter(({ scope }) => scope === 'root');
const forKeys = guarded.filter(({ scope }) => scope !== 'root');
const managing = [...scoped, ...roots].filter(({ path }) => path !== '/v1/api-keys/verify');
const open = ENDPOINTS.filter(({ scope }) => scope === 'public');

beforeAll(async () => {
  const found: Record<(typeof REFUSED)[number], string> = await deadKeys(service);
  Object.assign(refused, found);

  for (const scope of MANAGEMENT_SCOPES) {
    const others = MANAGEMENT_SCOPES.filter((other) => other !== scope);
    holdingOnly.set(scope, (await service.key({}, { permissions: [scope] })).secret);
    holdingAllBut.set(
      scope,
      (await service.key({ scopes: ['*', ...others] }, { permissions: ['*'], role: 'admin' })).secret,
    );
  }
  holdingNothing = (await service.key({ scopes: [] }, { role: 'admin' })).secret;

  await env.DB.prepare(
    `INSERT INTO organizations (id, slug, name, key_prefix, personal_key_permissions, created_at, created_by, updated_at, updated_by, revision)
     VALUES (?, 'other', 'Other', 'mk', '[]', 0, 'system', 0, 'system', 1)`,
  )
    .bind(OTHER_ORGANIZATION)
    .run();
  const account = await service.call('POST', '/v1/service-accounts', {
    headers: IN_OTHER,
    body: { name: 'an administrator', role: 'admin' },
  });
  const minted = await service.call('POST', `/v1/service-accounts/${account.body.id}/api-keys`, {
    headers: IN_OTHER,
    body: { name: 'a key' },
  });
  foreigner = minted.body.secret;

  const { key, secret } = await service.key({ name: 'a key of ours' }, { role: 'admin' });
  ours = { ...key, start: secret.slice(0, 12), secret };
  await service.key({ userId: 'a-person-of-ours', scopes: [] });
  await service.call('PATCH', `/v1/api-keys/${key.id}`, { credential: secret, body: { metadata: { a: 1 } } });
});

test('every route of the app has a row, and every row a route', async () => {
  expect(ENDPOINTS.map(titleOf).toSorted()).toEqual(await routesOf(service));
});

type Options = NonNullable<Parameters<typeof invoke>[3]>;
type Sent = Options & { readonly id?: string };

/** Makes each call to one and the same target, and sees that nothing changed. */
async function refuses(endpoint: Endpoint, calls: Record<string, Sent>): Promise<Record<string, Answer>> {
  const valid = await endpoint.valid(service);
  const before = await tables(service);
  const answers: Record<string, Answer> = {};
  for (const [title, { id, ...options }] of Object.entries(calls)) {
    answers[title] = await invoke(
      service,
      endpoint,
      { ...valid, ...(id === undefined ? {} : { id }) },
      options,
    );
  }
  expect(await tables(service)).toEqual(before);
  return answers;
}

/** Makes a call on a target of its own. */
async function invokeAnew(endpoint: Endpoint, options: Options): Promise<Answer> {
  return invoke(service, endpoint, await endpoint.valid(service), options);
}

const outcomesOf = (answers: Record<string, Answer>): Record<string, string> =>
  mapped(answers, (answer) => `${outcomeOf(answer)} | ${answer.headers.get('WWW-Authenticate')}`);

describe('who is refused', () => {
  test.for(titled(guarded))('by %s: without a credential, as RFC 6750 says', async ([, endpoint]) => {
    const answers = await refuses(endpoint, { none: { credential: null } });
    expect(outcomesOf(answers)).toEqual({ none: `401 missing_credential | ${CHALLENGE}` });
  });

  test.for(titled(guarded))('by %s: whose credential is not good, all in one voice', async ([, endpoint]) => {
    const answers = await refuses(
      endpoint,
      mapped(refused, (credential) => ({ credential })),
    );
    expect(outcomesOf(answers)).toEqual(
      Object.fromEntries(
        REFUSED.map((title) => [title, `401 invalid_credential | ${CHALLENGE}, error="invalid_token"`]),
      ),
    );
    const [first, ...others] = Object.values(answers).map(withoutRequestId);
    for (const other of others) expect(other).toEqual(first);
  });

  test.for(titled(roots))('by %s: whoever is not root, whatever it may do', async ([, endpoint]) => {
    const everything = (await service.key({}, { permissions: ['*'], role: 'admin' })).secret;
    const answers = await refuses(endpoint, {
      everything: { credential: everything },
      none: { credential: holdingNothing },
      'of another organization': { credential: foreigner },
      'an unknown id': { credential: everything, id: UNKNOWN_IDS.organization },
      "the caller's own organization": { credential: everything, id: DEFAULT_ORGANIZATION },
    });
    expect(outcomesOf(answers)).toEqual(mapped(answers, () => '403 root_required | null'));
    const [first, ...others] = Object.values(answers).map(withoutRequestId);
    for (const other of others) expect(other).toEqual(first);
  });

  test.for(titled(scoped))('by %s: whose scopes are too few', async ([, endpoint]) => {
    const needed = String(endpoint.scope);
    const answers = await refuses(endpoint, {
      'all others': { credential: holdingAllBut.get(needed) ?? '' },
      none: { credential: holdingNothing },
    });
    const refusal = `403 insufficient_scope | ${CHALLENGE}, error="insufficient_scope", scope="${needed}"`;
    expect(outcomesOf(answers)).toEqual({ 'all others': refusal, none: refusal });
  });
});

describe('who is served', () => {
  test.for(titled(scoped))('by %s: who holds its scope alone, or all, or is root', async ([, endpoint]) => {
    const everything = (await service.key({}, { role: 'admin' })).secret;
    for (const credential of [holdingOnly.get(String(endpoint.scope)) ?? '', everything, ROOT_KEY]) {
      const answer = await invokeAnew(endpoint, { credential });
      expect(answer.status, answer.text).toBe(endpoint.success);
      expect(answer.headers.get('WWW-Authenticate')).toBe(null);
    }
  });

  test.for(titled(roots))('by %s: root', async ([, endpoint]) => {
    const answer = await invokeAnew(endpoint, { credential: ROOT_KEY });
    expect(answer.status, answer.text).toBe(endpoint.success);
  });

  test.for(titled(guarded.filter(({ scope }) => scope === null)))(
    'by %s: whose credential is good, whatever it may do',
    async ([, endpoint]) => {
      for (const credential of [holdingNothing, ...holdingOnly.values(), ROOT_KEY]) {
        expect((await invokeAnew(endpoint, { credential })).status).toBe(endpoint.success);
      }
    },
  );

  test.for(titled(open))('by %s: everyone', async ([, endpoint]) => {
    for (const credential of [null, holdingNothing, ROOT_KEY, ...Object.values(refused)]) {
      expect((await invokeAnew(endpoint, { credential })).status).toBe(endpoint.success);
    }
  });
});

describe('Mintmark-Organization', () => {
  test.for(titled(forKeys))("%s: a key's own organization may be named", async ([, endpoint]) => {
    for (const organization of [DEFAULT_ORGANIZATION, 'default']) {
      const answer = await invokeAnew(endpoint, naming(organization, enoughFor(endpoint)));
      expect(answer.status, answer.text).toBe(endpoint.success);
    }
  });

  test.for(titled(guarded))(
    '%s: any other is not found for a key, whether it exists or not',
    async ([, endpoint]) => {
      const names = [OTHER_ORGANIZATION, 'other', UNKNOWN_ORGANIZATION, 'unknown', 'DEFAULT', ''];
      const answers = await refuses(
        endpoint,
        Object.fromEntries(names.map((name) => [name, naming(name, enoughFor(endpoint))])),
      );
      expect(mapped(answers, withoutRequestId)).toEqual(
        Object.fromEntries(names.map((name) => [name, notFound('organization')])),
      );
    },
  );

  test.for(titled(guarded))('%s: root may name any that exists', async ([, endpoint]) => {
    for (const organization of [DEFAULT_ORGANIZATION, 'default']) {
      expect((await invokeAnew(endpoint, naming(organization, ROOT_KEY))).status).toBe(endpoint.success);
    }
    const names = [UNKNOWN_ORGANIZATION, 'unknown', 'DEFAULT', 'org_', ''];
    const answers = await refuses(
      endpoint,
      Object.fromEntries(names.map((name) => [name, naming(name, ROOT_KEY)])),
    );
    expect(mapped(answers, withoutRequestId)).toEqual(
      Object.fromEntries(names.map((name) => [name, notFound('organization')])),
    );
  });

  test('root acts in the organization that it names', async () => {
    for (const organization of [OTHER_ORGANIZATION, 'other']) {
      const headers = { 'Mintmark-Organization': organization };
      const whoami = await service.call('GET', '/v1/whoami', { headers });
      expect(whoami.body).toMatchObject({ type: 'root', organizationId: OTHER_ORGANIZATION });
      const account = await service.call('POST', '/v1/service-accounts', {
        headers,
        body: { name: `in ${organization}` },
      });
      expect(account.body.organizationId).toBe(OTHER_ORGANIZATION);
    }
  });
});

describe('an organization sees nothing of another', () => {
  test.for(titled(guarded))(
    '%s: what is of another is as what never was, in answer, headers and cost',
    async ([, endpoint]) => {
      const columns = otherOrganization(endpoint);
      expect(Object.keys(columns)).not.toEqual([]);
      const valid = await endpoint.valid(service);
      await service.settle();
      const before = await tables(service);
      for (const [title, { foreign, unknown, status }] of Object.entries(columns)) {
        const [theirs, never] = [
          await observed(endpoint, valid, foreign),
          await observed(endpoint, valid, unknown),
        ];
        expect(theirs.answer.status, title).toBe(status);
        expect(theirs, title).toEqual(never);
      }
      expect(await tables(service)).toEqual(before);
    },
  );

  test.for(titled(forKeys.filter(({ query, target }) => query !== undefined && target === undefined)))(
    '%s lists its own alone',
    async ([, endpoint]) => {
      await endpoint.valid(service);
      const listed = await invokeAnew(endpoint, { credential: foreigner });
      expect(listed.body.data.length).toBeGreaterThan(0);
      for (const { organizationId } of listed.body.data) expect(organizationId).toBe(OTHER_ORGANIZATION);
    },
  );

  test('a name is free in each', async () => {
    const body = { name: 'the same name' };
    expect((await service.call('POST', '/v1/service-accounts', { body })).status).toBe(201);
    const there = await service.call('POST', '/v1/service-accounts', { credential: foreigner, body });
    expect(there.status).toBe(201);
  });

  test('a foreign key is NOT_FOUND, as one that never was, live or not', async () => {
    const live = await service.key({ metadata: { of: 'default' } }, { permissions: ['files:read'] });
    const ask = async (key: string, asking: { credential?: string; headers?: Record<string, string> }) =>
      (await service.call('POST', '/v1/api-keys/verify', { ...asking, body: { key } })).body;
    const stray = strayKey();
    // What was asked for in vain before is forgotten.
    await service.advance(5_000);
    for (const asking of [{ credential: foreigner }, { headers: IN_OTHER }]) {
      const never = await ask(stray, asking);
      for (const key of [
        live.secret,
        ...['a revoked key', 'a disabled key', 'a key of a disabled account'].map((of) => refused[of] ?? ''),
      ]) {
        const verdict = await ask(key, asking);
        expect(verdict).toMatchObject({ valid: false, code: 'NOT_FOUND' });
        expect(verdict).toEqual(never);
      }
    }
    expect(await service.verify(live.secret)).toMatchObject({ valid: true });
  });
});

describe('management is judged on D1, never on a cache', () => {
  const endings = {
    'a revoked key': ({ id }: Key) => service.call('POST', `/v1/api-keys/${id}/revoke`),
    'a deleted key': ({ id }: Key) => service.call('DELETE', `/v1/api-keys/${id}`),
    'a disabled key': ({ id }: Key) =>
      service.call('PATCH', `/v1/api-keys/${id}`, { body: { enabled: false } }),
    'a shortened key': ({ id }: Key) =>
      service.call('PATCH', `/v1/api-keys/${id}`, {
        body: { expiresAt: new Date(service.now() + 1_000).toISOString() },
      }),
    'a key of a disabled account': ({ serviceAccountId }: Key) =>
      service.call('POST', `/v1/service-accounts/${serviceAccountId}/disable`),
    'a key of a deleted account': ({ serviceAccountId }: Key) =>
      service.call('DELETE', `/v1/service-accounts/${serviceAccountId}`),
  };

  test.for(Object.entries(endings))(
    '%s can do nothing while KV still says that it is live',
    async ([, end]) => {
      const { key, secret } = await service.key({}, { role: 'admin' });
      await service.settle();
      const live = await cached();
      expect((await end(key)).status).toBeLessThan(300);
      await service.advance(1_000);
      await Promise.all([...live].map(([name, value]) => env.CACHE.put(name, value)));

      // Another isolate knows only what KV tells it.
      const elsewhere = new TestService();
      await elsewhere.advance(service.now() - elsewhere.now());
      const whoami = await elsewhere.call('GET', '/v1/whoami', { credential: secret });
      expect(whoami.status, 'KV holds the live record').toBe(200);

      for (const endpoint of managing) {
        const valid = await endpoint.valid(service);
        const before = await tables(service);
        const answer = await invoke(elsewhere, endpoint, valid, { credential: secret });
        expect(outcomeOf(answer), titleOf(endpoint)).toBe('401 invalid_credential');
        expect(await tables(service)).toEqual(before);
      }
    },
  );
});

interface Column {
  readonly foreign: Sent;
  readonly unknown: Sent;
  readonly status: number;
}

/** Every way in which a call can name something of another organization, each beside one that names nothing. */
function otherOrganization({
  path,
  scope,
  target,
  fields = {},
  query = {},
}: Endpoint): Record<string, Column> {
  const byKey = { credential: foreigner };
  const byRoot = { headers: IN_OTHER };
  const callers = { 'to a key': byKey, 'to root': byRoot };
  const each = (title: string, foreign: Sent, unknown: Sent, status: number): [string, Column][] =>
    Object.entries(callers).map(([caller, sent]) => [
      `${title}, ${caller}`,
      { foreign: { ...foreign, ...sent }, unknown: { ...unknown, ...sent }, status },
    ]);
  const asked = (name: string, theirs: string, never: string) =>
    each(`?${name}`, { query: `?${name}=${theirs}` }, { query: `?${name}=${never}` }, 200);
  return Object.fromEntries([
    // The organization itself, which a header names.
    [
      'the organization',
      {
        foreign: { ...naming(OTHER_ORGANIZATION, holdingNothing) },
        unknown: naming(UNKNOWN_ORGANIZATION, holdingNothing),
        status: 404,
      },
    ],
    [
      "the organization's slug",
      { foreign: naming('other', holdingNothing), unknown: naming('unknown', holdingNothing), status: 404 },
    ],
    ...(scope === 'root' && target !== undefined
      ? [
          [
            'the id in the path, to a key',
            {
              foreign: { ...byKey, id: DEFAULT_ORGANIZATION },
              unknown: { ...byKey, id: UNKNOWN_IDS.organization },
              status: 403,
            },
          ] as const,
        ]
      : []),
    ...(target === 'API key' || target === 'service account'
      ? each('the id in the path', {}, { id: UNKNOWN_IDS[target] }, 404)
      : []),
    ...('serviceAccountId' in fields
      ? each(
          'serviceAccountId',
          { body: { name: 'a key', serviceAccountId: ours.serviceAccountId } },
          { body: { name: 'a key', serviceAccountId: UNKNOWN_IDS['service account'] } },
          404,
        )
      : []),
    ...('key' in fields
      ? Object.entries(secretsOfOurs()).flatMap(([title, key]) =>
          // A new one each time: what was asked for in vain is remembered for a while.
          each(title, { body: { key } }, { body: { key: strayKey() } }, 200),
        )
      : []),
    ...('serviceAccountId' in query
      ? asked('serviceAccountId', ours.serviceAccountId, UNKNOWN_IDS['service account'])
      : []),
    ...('userId' in query ? asked('userId', 'a-person-of-ours', 'nobody') : []),
    ...('search' in query && target === undefined
      ? [
          ...asked('search', ours.id, UNKNOWN_IDS['API key']),
          ...asked('search', ours.start, 'mk_live_----'),
          ...asked('search', 'a%20key%20of%20ours', 'nothing%20of%20ours'),
        ]
      : []),
    ...('targetId' in query
      ? [
          ...asked('targetId', ours.id, UNKNOWN_IDS['API key']),
          ...asked('targetId', ours.serviceAccountId, UNKNOWN_IDS['service account']),
          ...asked('targetId', DEFAULT_ORGANIZATION, UNKNOWN_ORGANIZATION),
          ...asked('actorId', ours.serviceAccountId, UNKNOWN_IDS['service account']),
          ...asked('actorId', 'a-person-of-ours', 'nobody'),
        ]
      : []),
    // A place in our list is a place in theirs, whoever's the id is.
    ...('cursor' in query && target === undefined && scope !== 'root' && !path.endsWith('audit-events')
      ? asked(
          'cursor',
          cursorOf(path.endsWith('service-accounts') ? ours.serviceAccountId : ours.id),
          cursorOf(
            (path.endsWith('service-accounts') ? ours.serviceAccountId : ours.id).slice(0, -1) +
              (ours.id.endsWith('0') ? '1' : '0'),
          ),
        )
      : []),
  ]);
}

const cursorOf = (id: string): string => btoa(id).replaceAll('=', '');

/** Our keys, live and dead, that another organization may get hold of. */
const secretsOfOurs = (): Record<string, string> => ({
  'a live key': ours.secret,
  'a revoked key': refused['a revoked key'] ?? '',
  'an expired key': refused['an expired key'] ?? '',
  'a disabled key': refused['a disabled key'] ?? '',
  'a deleted key': refused['a deleted key'] ?? '',
  'a key of a disabled account': refused['a key of a disabled account'] ?? '',
  'a key of a deleted account': refused['a key of a deleted account'] ?? '',
});

/** All that a caller can observe of a call, and what it cost. */
async function observed(
  endpoint: Endpoint,
  valid: Awaited<ReturnType<Endpoint['valid']>>,
  { id, ...sent }: Sent,
) {
  let answer: Answer | undefined;
  const io = await service.ioOf(async () => {
    answer = await invoke(service, endpoint, { ...valid, ...(id === undefined ? {} : { id }) }, sent);
  });
  if (answer === undefined) throw new Error('no answer');
  const { requestId: _, ...body } = answer.body;
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => name !== 'x-request-id'));
  return {
    answer: { status: answer.status, headers, body },
    d1: io.d1.map(({ sql }) => sql),
    kv: io.kv.map(({ operation }) => operation),
  };
}

function naming(organization: string, credential: string): Options {
  return { credential, headers: { 'Mintmark-Organization': organization } };
}

function enoughFor({ scope }: Endpoint): string {
  return holdingOnly.get(String(scope)) ?? holdingNothing;
}

type Key = Awaited<ReturnType<TestService['key']>>['key'];

const UNKNOWN_ORGANIZATION = `org_${'z'.repeat(24)}`;

function notFound(what: string): unknown {
  return {
    type: 'urn:mintmark:problem:not_found',
    title: 'Not found',
    status: 404,
    detail: `There is no such ${what}.`,
    code: 'not_found',
    challenge: null,
  };
}

async function cached(): Promise<Map<string, string>> {
  const { keys } = await env.CACHE.list();
  const values = await Promise.all(
    keys.map(async ({ name }) => [name, (await env.CACHE.get(name)) ?? ''] as const),
  );
  return new Map(values);
}
