import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';

import { createMisconfiguredApp } from '../../src/app.ts';
import { MANAGEMENT_SCOPES } from '../../src/core/scope.ts';
import { UNKNOWN_IDS } from '../http/endpoints.ts';
import { tables } from '../support/attempts.ts';
import { deadKeys } from '../support/dead_keys.ts';
import { strayKey } from '../support/edge.ts';
import { IDLE_PLATFORM } from '../support/platform.ts';
import { mapped } from '../support/records.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import {
  accepts,
  DIALECT_ENDPOINTS,
  FORMATS,
  invoke,
  outcomeOf,
  refuses,
  ServiceIn,
  strayParams,
  titled,
  type Attempt,
  type DialectEndpoint,
  type Format,
  type Sent,
  type Valid,
} from './endpoints.ts';
import { misplaced, mistold } from './samples.ts';

const CHALLENGE = 'Bearer realm="mintmark"';
const DEFAULT_ORGANIZATION = `org_${'0'.repeat(24)}`;

/** As many unknown keys as these tables like to present. */
const UNLIMITED = { FLOODS: { limit: async () => ({ success: true }) } };
const service = new TestService(UNLIMITED);
let otherOrganization = { id: '', slug: '' };

/** For what is to be found in the other organization. */
let elsewhere: ServiceIn;

/** Keys that would be allowed everything but for what their name says, by that name. */
const dead: Record<string, string> = {};
/** Live keys of administrators of the default organization and the other. */
let admin = '';
let foreigner = '';
/** A live key without any scope. */
let powerless = '';

/** A key that holds these scopes alone. */
const holding = async (...permissions: readonly string[]): Promise<string> =>
  (await service.key({}, { permissions })).secret;

/** A key that holds all management scopes but one, and all others. */
const holdingAllBut = (scope: string): Promise<string> =>
  holding('*', ...MANAGEMENT_SCOPES.filter((other) => other !== scope));

beforeAll(async () => {
  otherOrganization = await service.organization({ slug: 'other' });
  elsewhere = new ServiceIn(otherOrganization.id, UNLIMITED);
  Object.assign(dead, await deadKeys(service), {
    'of another service': `sk-${'a'.repeat(40)}`,
    'nearly the root key': `${ROOT_KEY.slice(0, -1)}!`,
    'of 60,000 characters': 'x'.repeat(60_000),
  });
  elsewhere.skip(service.now() - elsewhere.now());
  admin = (await service.key({}, { role: 'admin' })).secret;
  foreigner = (await elsewhere.key({}, { role: 'admin' })).secret;
  powerless = (await service.key({ scopes: [] }, { role: 'admin' })).secret;
});

/** A list of each format, to which every way of calling is as to any other call. */
const byFormat = FORMATS.flatMap((format) =>
  titled(DIALECT_ENDPOINTS.filter((it) => it.format === format && it.method === 'GET').slice(0, 1)),
);
const all = titled(DIALECT_ENDPOINTS);

/** Refusals to which there is no difference but the request's id. */
function expectIndistinguishable(answers: readonly Answer[]): void {
  const [first, ...others] = answers.map(observable);
  for (const other of others) expect(other).toEqual(first);
}

/** All that a caller can observe of an answer, but for the request's id. */
function observable({ status, headers, text }: Answer): unknown {
  const requestId = headers.get('X-Request-Id') ?? '';
  return {
    status,
    headers: Object.fromEntries([...headers].filter(([name]) => name !== 'x-request-id')),
    text: text.replaceAll(requestId, 'ID'),
  };
}

describe('who is refused', () => {
  test.for(all)('by %s: without a credential, with a dead one, all in one voice', async ([, endpoint]) => {
    const { carriers } = endpoint.format;
    for (const carry of Object.values(carriers)) {
      const answers = await refuses(service, endpoint, () =>
        mapped(dead, (credential) => ({
          sent: { credential: null, headers: carry(credential) },
          outcome: '401',
        })),
      );
      expectIndistinguishable(answers);
      expect(answers[0]?.headers.get('WWW-Authenticate')).toBe(`${CHALLENGE}, error="invalid_token"`);
      for (const { text } of answers)
        for (const secret of Object.values(dead)) expect(text).not.toContain(secret);
    }
    const silent = await refuses(service, endpoint, () => ({
      none: { sent: { credential: null }, outcome: '401' },
    }));
    expect(silent[0]?.headers.get('WWW-Authenticate')).toBe(CHALLENGE);
  });

  test.for(all)('by %s: whose credential is nowhere that the format has it', async ([, endpoint]) => {
    const { name } = endpoint.format;
    const answers = await refuses(service, endpoint, () =>
      mapped({ ...misplaced(name, ROOT_KEY), ...mistold(name, ROOT_KEY) }, (headers) => ({
        sent: { credential: null, headers },
        outcome: '401',
      })),
    );
    for (const { text, headers } of answers) {
      expect(text).not.toContain(ROOT_KEY);
      expect(headers.get('WWW-Authenticate')).toContain(CHALLENGE);
    }
  });

  test.for(all)('by %s: who presents two', async ([, endpoint]) => {
    const [carry, another = null] = Object.entries(endpoint.format.carriers)
      .filter(([carrier]) => carrier.endsWith('Authorization'))
      .map(([, it]) => it);
    const twice = { Authorization: `Bearer ${ROOT_KEY}, Bearer ${ROOT_KEY}` };
    const pairs = {
      'the same one twice': twice,
      'two of one header': { Authorization: `Bearer ${ROOT_KEY}, Bearer ${powerless}` },
      ...(endpoint.format.name === 'Kosli'
        ? { 'Basic twice': { Authorization: `Basic ${btoa(`${ROOT_KEY}:`)}, Basic ${btoa(`${ROOT_KEY}:`)}` } }
        : {}),
      ...(another === null
        ? {}
        : {
            'one in each header': { ...carry?.(ROOT_KEY), ...another(powerless) },
            'the same in each header': { ...carry?.(ROOT_KEY), ...another(ROOT_KEY) },
          }),
    };
    await refuses(service, endpoint, () =>
      mapped(pairs, (headers) => ({
        sent: { credential: null, headers },
        outcome: '400',
        says: 'one credential',
      })),
    );
  });

  test.for(all)('by %s: whose credential is in the query, which none is taken from', async ([, endpoint]) => {
    const names = [
      'access_token',
      'api_key',
      'apiKey',
      'key',
      'token',
      'Authorization',
      'X-API-Key',
      'authorization',
    ];
    const answers = await refuses(service, endpoint, () =>
      Object.fromEntries(
        names.flatMap((name): [string, Attempt][] => [
          [`${name} alone`, { sent: { query: `?${name}=${ROOT_KEY}`, credential: null }, outcome: '401' }],
          [
            `${name} beside one without power`,
            { sent: { query: `?${name}=${ROOT_KEY}`, credential: powerless }, outcome: '403' },
          ],
        ]),
      ),
    );
    for (const { text } of answers) expect(text).not.toContain(ROOT_KEY);
  });

  test.for(all)('by %s: whose scopes are too few', async ([, endpoint]) => {
    const { scopes, format } = endpoint;
    const [first = ''] = scopes;
    const attempts: Record<string, Attempt & { needed: string }> = {
      none: { sent: { credential: powerless }, outcome: '403', needed: first },
    };
    for (const scope of scopes) {
      const credential = await holdingAllBut(scope);
      attempts[`all but ${scope}`] = { sent: { credential }, outcome: '403', needed: scope };
      // One that holds it elsewhere, or its power over all but Mintmark, has none of it.
      attempts[`all but ${scope}, and X-API-Key`] = {
        sent: { credential, headers: { 'X-API-Key': ROOT_KEY } },
        outcome: '403',
        needed: scope,
      };
    }
    const answers = await refuses(service, endpoint, () =>
      mapped(attempts, (attempt) => ({ says: format.forbidden ?? attempt.needed, ...attempt })),
    );
    for (const [index, { needed }] of Object.values(attempts).entries()) {
      expect(answers[index]?.headers.get('WWW-Authenticate')).toBe(
        `${CHALLENGE}, error="insufficient_scope", scope="${needed}"`,
      );
    }
  });
});

describe('who is served', () => {
  test.for(all)(
    'by %s: who holds its scopes alone, or all, or is root, by each carrier',
    async ([, endpoint]) => {
      const { scopes, grants = [], format } = endpoint;
      const enough = await holding(...scopes, ...grants);
      await accepts(
        service,
        endpoint,
        Object.fromEntries(
          Object.entries(format.carriers).flatMap(([carrier, carry]) =>
            [enough, admin, ROOT_KEY].map((credential, index) => [
              `${carrier} ${index}`,
              (): Sent => ({
                credential: null,
                headers: { ...carry(credential), Cookie: 'a=b', 'X-API-Key': powerless },
              }),
            ]),
          ),
        ),
      );
      if (grants.length === 0) return;
      const valid = await endpoint.valid(service);
      const weak = await holding(...scopes);
      const answer = await changingNothing(() => invoke(service, endpoint, valid, { credential: weak }));
      expect(outcomeOf(endpoint, answer)).toBe('403');
      expect(answer.headers.has('WWW-Authenticate')).toBe(false);
    },
  );

  test.for(byFormat)('%s: whatever the case of the scheme, and the blanks after it', async ([, endpoint]) => {
    await accepts(
      service,
      endpoint,
      mapped({ lower: 'bearer', upper: 'BEARER', blanks: 'Bearer   ' }, (scheme) => () => ({
        credential: null,
        headers: { Authorization: `${scheme} ${admin}` },
      })),
    );
  });
});

describe('the organization', () => {
  test.for(all)("%s: a key's own may be named, and root may name any that exists", async ([, endpoint]) => {
    const { naming } = endpoint.format;
    for (const organization of [DEFAULT_ORGANIZATION, 'default']) {
      await accepts(
        service,
        endpoint,
        mapped({ admin, root: ROOT_KEY }, (credential) => () => ({ ...naming(organization), credential })),
      );
    }
    for (const organization of [otherOrganization.id, otherOrganization.slug]) {
      await accepts(
        elsewhere,
        endpoint,
        mapped({ foreigner, root: ROOT_KEY }, (credential) => () => ({
          ...naming(organization),
          credential,
        })),
      );
    }
  });

  test.for(all)('%s: any other is refused to a key, whether it exists or not', async ([, endpoint]) => {
    const { format } = endpoint;
    const strays = ['unknown', `org_${'z'.repeat(24)}`, 'DEFAULT', 'x'.repeat(8_000)];
    const foreign = await refuses(service, endpoint, () =>
      Object.fromEntries(
        [
          otherOrganization.id,
          otherOrganization.slug,
          ...strays,
          ...inPath(format, ['\0', '%', '🔑', 'a b', "'"]),
        ].map((organization): [string, Attempt] => [
          organization.slice(0, 40),
          { sent: { ...format.naming(organization), credential: admin }, ...format.foreign },
        ]),
      ),
    );
    const toRoot = await refuses(service, endpoint, () =>
      Object.fromEntries(
        [...strays, ...inPath(format, ['\0', '%', '🔑', "'"])].map((organization): [string, Attempt] => [
          organization.slice(0, 40),
          { sent: format.naming(organization), ...format.foreign },
        ]),
      ),
    );
    expectIndistinguishable([...foreign, ...toRoot]);
  });

  const namingOtherwise = DIALECT_ENDPOINTS.filter(({ format }) => format.name !== 'Factory');

  test.for(titled(namingOtherwise))(
    '%s: named by the contract’s header too, it must be the same',
    async ([, endpoint]) => {
      const naming = (organization: string): Sent => {
        const { headers, ...sent } = endpoint.format.naming('default');
        return { ...sent, headers: { ...headers, 'Mintmark-Organization': organization } };
      };
      await refuses(service, endpoint, () =>
        Object.fromEntries(
          [admin, ROOT_KEY].flatMap((credential, index) =>
            [otherOrganization.id, 'other', 'unknown'].map((organization): [string, Attempt] => [
              `${organization} ${index}`,
              { sent: { ...naming(organization), credential }, ...endpoint.format.foreign },
            ]),
          ),
        ),
      );
      await accepts(service, endpoint, {
        'a key': () => ({ ...naming(DEFAULT_ORGANIZATION), credential: admin }),
        root: () => naming(DEFAULT_ORGANIZATION),
      });
    },
  );

  test.for(all)('%s: what is of another is as what never was', async ([, endpoint]) => {
    const { format, targets = {}, fields = {} } = endpoint;
    const theirs = await endpoint.valid(elsewhere);
    const ours = await endpoint.valid(service);
    const params = Object.keys(targets);
    const never = strayParams(endpoint);
    const [account = ''] = params;
    const key = params[1] ?? account;
    const pairs: [Sent, Sent][] = [
      // All of the path, what is below an account of ours, and what a body names.
      ...(params.length === 0 ? [] : [[{ params: theirs.params }, { params: never }] as [Sent, Sent]]),
      ...(params.length < 2
        ? []
        : [
            [{ params: { [key]: theirs.params?.[key] ?? '' } }, { params: { [key]: never[key] ?? '' } }] as [
              Sent,
              Sent,
            ],
          ]),
      ...('serviceAccountId' in fields
        ? [
            [
              { body: theirs.body },
              { body: { ...theirs.body, serviceAccountId: UNKNOWN_IDS['service account'] } },
            ] as [Sent, Sent],
          ]
        : []),
    ];
    const before = await tables(service);
    for (const [foreign, unknown] of pairs) {
      for (const credential of [admin, ROOT_KEY]) {
        const [one, other] = [
          await observed(endpoint, ours, { ...foreign, credential }),
          await observed(endpoint, ours, { ...unknown, credential }),
        ];
        expect(outcomeOf(endpoint, one.answer)).toBe('404');
        expect({ ...one, answer: observable(one.answer) }).toEqual({
          ...other,
          answer: observable(other.answer),
        });
      }
    }
    expect(await tables(service)).toEqual(before);
    // They are there, for who is of their organization.
    const there = await invoke(elsewhere, endpoint, theirs, {
      ...format.naming('other'),
      credential: foreigner,
    });
    expect(there.status, there.text).toBe(endpoint.success);
  });

  test.for(
    titled(DIALECT_ENDPOINTS.filter(({ method, targets }) => method === 'GET' && targets === undefined)),
  )('%s lists its own alone', async ([, endpoint]) => {
    await endpoint.valid(service);
    await endpoint.valid(elsewhere);
    const { naming } = endpoint.format;
    const names = new Map([
      [DEFAULT_ORGANIZATION, admin],
      [otherOrganization.id, foreigner],
    ]);
    for (const [id, credential] of names) {
      const query = endpoint.isPaged ? '?limit=100' : '';
      for (const sent of [{ credential }, {}]) {
        const answer = await invoke(service, endpoint, {}, { ...naming(id), query, ...sent });
        expect(answer.status).toBe(200);
        const { own, others } = await namesIn(id);
        expect(own.some((name) => answer.text.includes(`"${name}"`))).toBe(true);
        for (const name of others) expect(answer.text).not.toContain(`"${name}"`);
      }
    }
  });
});

const KOSLI_ACCOUNTS = '/compat/kosli/api/v2/service-accounts/default';
const B3OS_ACCOUNTS = '/compat/b3os/v1/service-accounts';
const unique = (): string => `name-${crypto.randomUUID()}`;
const MEMBER = [
  'mintmark:accounts:read',
  'mintmark:keys:read',
  'mintmark:keys:write',
  'mintmark:keys:verify',
];

describe('nobody gives what they do not hold', () => {
  test.for([
    ['nothing beside', [], null],
    ['what a reader holds', ['mintmark:accounts:read', 'mintmark:keys:read'], 'reader'],
    ['nearly what a member holds', MEMBER.slice(0, 3), 'reader'],
    ['what a member holds', MEMBER, 'member'],
    ['everything', ['mintmark:*'], 'member'],
  ] as const)('Blaxel: an account made by who holds %s', async ([, scopes, role]) => {
    const credential = await holding('mintmark:accounts:write', 'mintmark:keys:write', ...scopes);
    const { status, body } = await service.call('POST', '/compat/blaxel/v0/service_accounts', {
      credential,
      body: { name: unique() },
    });
    expect(status).toBe(200);
    const account = await service.call('GET', `/v1/service-accounts/${body.client_id}`);
    expect(account.body).toMatchObject({ role, permissions: [] });
    const verdict = await service.verify(body.client_secret);
    expect(verdict).toMatchObject({ valid: true, serviceAccountId: body.client_id });
  });

  test('Kosli: a privilege up to the own one, at birth and later', async () => {
    const rank = ['reader', 'snapshotter', 'member', 'admin'];
    const callers = { reader: MEMBER.slice(0, 2), member: MEMBER, admin: ['mintmark:*'] };
    for (const [own, permissions] of Object.entries(callers)) {
      const credential = await holding('mintmark:accounts:write', ...permissions);
      for (const privilege of rank) {
        const may = rank.indexOf(privilege) <= rank.indexOf(own);
        const name = unique();
        await service.account({ name });
        for (const call of [
          () => service.call('POST', KOSLI_ACCOUNTS, { credential, body: { name: unique(), privilege } }),
          () => service.call('PATCH', `${KOSLI_ACCOUNTS}/${name}`, { credential, body: { privilege } }),
        ]) {
          const answer = may ? await call() : await changingNothing(call);
          if (may) expect(answer.body, `${own} ${privilege}`).toMatchObject({ privilege });
          else
            expect([answer.status, answer.body], `${own} ${privilege}`).toEqual([
              403,
              { message: FORMATS[2].forbidden },
            ]);
        }
      }
    }
  });

  test('B3OS: permissions of Mintmark’s own are given by who holds them, at birth and later', async () => {
    const credential = await holding('mintmark:accounts:write', 'mintmark:keys:read');
    const { id } = await service.account();
    for (const [permissions, may] of [
      [['files:*', '*'], true],
      [['mintmark:keys:read'], true],
      [['files:read', 'mintmark:keys:write'], false],
      [['mintmark:keys:*'], false],
      [['mintmark:*'], false],
    ] as const) {
      for (const call of [
        () => service.call('POST', B3OS_ACCOUNTS, { credential, body: { name: unique(), permissions } }),
        () => service.call('PATCH', `${B3OS_ACCOUNTS}/${id}`, { credential, body: { permissions } }),
      ]) {
        const answer = may ? await call() : await changingNothing(call);
        expect(answer.status, permissions.join()).toBe(may ? 200 : 403);
        expect(answer.body).toMatchObject(may ? { code: 200, data: { permissions } } : { code: 403 });
      }
    }
  });

  const yielding = DIALECT_ENDPOINTS.filter(
    ({ method, path }) => method === 'POST' && /(?:api.keys|rotate)$/.test(path),
  );

  test.for(titled(yielding))('%s: no key of what is stronger than its caller', async ([, endpoint]) => {
    const weak = await holding(...endpoint.scopes);
    const follows = endpoint.format.name === 'B3OS' ? { scope: 'read-write' } : {};
    for (const stronger of [
      { role: 'admin' },
      { role: 'reader' },
      { permissions: ['mintmark:audit:read'] },
    ]) {
      const valid = await endpoint.valid(new (accountsAre(stronger))());
      const sent = { ...valid, body: { ...valid.body, ...follows } };
      const answer = await changingNothing(() => invoke(service, endpoint, sent, { credential: weak }));
      expect(outcomeOf(endpoint, answer), JSON.stringify(stronger)).toBe('403');
      expect((await invoke(service, endpoint, sent, { credential: admin })).status).toBe(endpoint.success);
    }
  });
});

describe('when something is broken', () => {
  test.for(all)('%s: D1 is down, for all or for changes alone', async ([, endpoint]) => {
    const isolate = new TestService();
    for (const isDown of [
      () => true,
      (sql: readonly string[]) => sql.some((text) => /^\s*(?:INSERT|UPDATE)/i.test(text)),
    ]) {
      if (endpoint.method === 'GET' && !isDown([])) continue;
      const valid = await endpoint.valid(service);
      const before = await tables(service);
      isolate.d1Hooks.before = (sql) => {
        if (isDown(sql)) throw new Error('D1_ERROR: Network connection lost: 10.0.0.1.');
      };
      const answer = await invoke(isolate, endpoint, valid, { credential: admin });
      expect(outcomeOf(endpoint, answer)).toBe('503');
      expect(answer.headers.get('Retry-After')).toBe('5');
      expect(answer.text).not.toMatch(/D1|10\.0\.0\.1/);
      expect(await tables(service)).toEqual(before);
    }
  });

  test.for(all)('%s: a defect is told by its request alone', async ([, endpoint]) => {
    const isolate = new TestService();
    const valid = await endpoint.valid(service);
    isolate.d1Hooks.before = () => {
      throw new TypeError('internal detail: table layout');
    };
    const answer = await invoke(isolate, endpoint, valid, { credential: admin });
    expect(outcomeOf(endpoint, answer)).toBe('500');
    expect(answer.text).not.toMatch(/internal detail|TypeError|layout/);
    expect(isolate.logs).toContainEqual(expect.objectContaining({ event: 'request_failed', level: 'error' }));
  });

  test.for(all)('%s: a deployment without its bindings, or without its tables', async ([, endpoint]) => {
    const isolate = new TestService();
    const valid = await endpoint.valid(service);
    isolate.d1Hooks.before = () => {
      throw new Error('D1_ERROR: no such table: api_keys: SQLITE_ERROR');
    };
    const bare = new TestService();
    Object.assign(bare, {
      app: createMisconfiguredApp([{ path: 'DB', message: 'is not bound' }], IDLE_PLATFORM),
    });
    for (const [broken, says] of [
      [isolate, 'DB apply the migrations'],
      [bare, 'DB is not bound'],
    ] as const) {
      const answer = await invoke(broken, endpoint, valid, { credential: admin });
      expect(outcomeOf(endpoint, answer)).toMatch(/^503/);
      expect(endpoint.format.message(answer.body)).toContain(says);
    }
  });

  test('a flood of unknown keys is told to wait, as each format has it', async () => {
    const counts = { times: 0 };
    const edge = new TestService({ FLOODS: { limit: async () => ({ success: ++counts.times <= 5 }) } });
    const headers = { 'CF-Connecting-IP': '192.0.2.1' };
    for (let time = 0; time <= 5; time++) {
      await edge.call('GET', '/v1/api-keys', { credential: strayKey(), headers });
      await edge.settle();
    }
    for (const [title, endpoint] of all) {
      const valid = await endpoint.valid(service);
      const answer = await invoke(edge, endpoint, valid, { credential: strayKey(), headers });
      expect(outcomeOf(endpoint, answer), title).toBe('429');
      expect(answer.headers.get('Retry-After')).toBe('10');
    }
  });
});

/** Nothing but what is told of a grant that was refused. */
async function changingNothing(call: () => Promise<Answer>): Promise<Answer> {
  const { audit_events: _, ...before } = await tables(service);
  const answer = await call();
  const { audit_events: __, ...after } = await tables(service);
  expect(after).toEqual(before);
  return answer;
}

/** What a call answers and what it asks of D1 and KV. */
async function observed(endpoint: DialectEndpoint, valid: Valid, sent: Sent) {
  const answers: Answer[] = [];
  const io = await service.ioOf(async () => answers.push(await invoke(service, endpoint, valid, sent)));
  const [answer] = answers;
  if (answer === undefined) throw new Error('no answer');
  return { answer, d1: io.d1.map(({ sql }) => sql), kv: io.kv.map(({ operation }) => operation) };
}

/** The names and ids by which lists show what an organization has, and what others have. */
async function namesIn(organizationId: string): Promise<{ own: string[]; others: string[] }> {
  const found = await env.DB.batch<{ id: string; name: string; organization_id: string }>([
    env.DB.prepare('SELECT id, name, organization_id FROM service_accounts'),
    env.DB.prepare('SELECT id, id AS name, organization_id FROM api_keys'),
  ]);
  const rows = found.flatMap(({ results }) => results);
  const of = (isOwn: boolean): string[] =>
    rows
      .filter((row) => (row.organization_id === organizationId) === isOwn)
      .flatMap(({ id, name }) => [id, name]);
  const own = of(true);
  return { own, others: of(false).filter((name) => !own.includes(name)) };
}

/** A service whose accounts are of this kind, for a row's valid call to find one. */
function accountsAre(fields: Record<string, unknown>) {
  return class extends TestService {
    override account(asked: Record<string, unknown> = {}): Promise<{ id: string }> {
      return super.account({ ...asked, ...fields });
    }
  };
}

/** What a path can name and a header cannot carry. */
const inPath = ({ name }: Format, organizations: string[]): string[] =>
  name === 'Kosli' ? organizations : [];
