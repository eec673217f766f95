import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';

import { dumpTables, ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import { outcomeOf } from './endpoints.ts';

const DAY_MS = 86_400_000;
const MEMBER_LACKS_OF_ADMIN = ['mintmark:*'];

const service = new TestService();

/** Callers by what they hold. */
const callers = {
  root: ROOT_KEY,
  /** Of an account with the role. */
  admin: '',
  member: '',
  /** Holding nothing but what the name says. */
  keysWrite: '',
  accountsWrite: '',
  /** Everything of the application, and what lets it write. */
  application: '',
  /** Each management scope, but not `mintmark:*`, which also covers what is yet to come. */
  eachOne: '',
};
type Caller = keyof typeof callers;

const EACH_SCOPE = [
  'mintmark:accounts:read',
  'mintmark:accounts:write',
  'mintmark:keys:read',
  'mintmark:keys:write',
  'mintmark:keys:verify',
  'mintmark:audit:read',
];

const holding = async (account: Record<string, unknown>) => (await service.key({}, account)).secret;

beforeAll(async () => {
  callers.admin = await holding({ role: 'admin' });
  callers.member = await holding({ role: 'member' });
  callers.keysWrite = await holding({ permissions: ['mintmark:keys:write'] });
  callers.accountsWrite = await holding({ permissions: ['mintmark:accounts:write'] });
  callers.application = await holding({
    permissions: ['*', 'mintmark:keys:write', 'mintmark:accounts:write'],
  });
  callers.eachOne = await holding({ permissions: EACH_SCOPE });
});

/** One call, by its method, path and body. */
type Call = readonly [method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: Record<string, unknown>];

const mint = (account: { id: string }, fields: Record<string, unknown> = {}): Call => [
  'POST',
  `/v1/service-accounts/${account.id}/api-keys`,
  { name: 'a key', ...fields },
];
const mintFor = (fields: Record<string, unknown>): Call => [
  'POST',
  '/v1/api-keys',
  { name: 'a key', ...fields },
];
const mintPersonal = (scopes: unknown): Call => mintFor({ userId: 'user-1', scopes });
const patchKey = (key: { id: string }, fields: Record<string, unknown>): Call => [
  'PATCH',
  `/v1/api-keys/${key.id}`,
  fields,
];
const newAccount = (fields: Record<string, unknown>): Call => [
  'POST',
  '/v1/service-accounts',
  { name: `account ${crypto.randomUUID()}`, ...fields },
];
const patchAccount = (account: { id: string }, fields: Record<string, unknown>): Call => [
  'PATCH',
  `/v1/service-accounts/${account.id}`,
  fields,
];
const enable = (account: { id: string }): Call => ['POST', `/v1/service-accounts/${account.id}/enable`];

const call = (credential: string, [method, path, body]: Call): Promise<Answer> =>
  service.call(method, path, { credential, ...(body === undefined ? {} : { body }) });

/** The caller cannot grant these scopes and is told which; the attempt is told in the trail, and changes nothing. */
async function refuses(
  caller: Caller | { secret: string },
  made: Call,
  scopes: readonly string[],
): Promise<void> {
  const { audit_events: before = '', ...rest } = await tables();
  const answer = await call(typeof caller === 'string' ? callers[caller] : caller.secret, made);
  expect(outcomeOf(answer)).toBe('403 cannot_grant');
  expect(
    [...String(answer.body.detail).matchAll(/mintmark:[a-z:*]+/g)].map(([scope]) => scope).toSorted(),
  ).toEqual(scopes.toSorted());
  expect(answer.headers.get('WWW-Authenticate')).toBe(null);
  const { audit_events: after = '', ...unchanged } = await tables();
  expect(unchanged).toEqual(rest);
  const known = new Set(eventsIn(before).map(({ id }) => id));
  const added = eventsIn(after).filter(({ id }) => !known.has(id));
  expect(added.map(({ action, request_id }) => [action, request_id])).toEqual([
    ['grant.refused', answer.headers.get('X-Request-Id')],
  ]);
  const { scopes: told } = JSON.parse(added[0]?.changes ?? '{}');
  expect({ ...told, to: told.to.toSorted() }).toEqual({ from: null, to: scopes.toSorted() });
}

interface EventRow {
  readonly id: string;
  readonly action: string;
  readonly request_id: string;
  readonly changes: string;
}

const eventsIn = (table: string): EventRow[] => JSON.parse(table);

async function allows(caller: Caller | { secret: string }, made: Call): Promise<Answer> {
  const answer = await call(typeof caller === 'string' ? callers[caller] : caller.secret, made);
  expect([200, 201, 204], answer.text).toContain(answer.status);
  return answer;
}

async function tables(): Promise<Record<string, string>> {
  await service.settle();
  const { key_usage: _, ...rest } = await dumpTables();
  return rest;
}

const inDays = (days: number): string => new Date(service.now() + days * DAY_MS).toISOString();

/** A key of an account that holds `mintmark:*`, with fields of its own. */
const adminKey = async (fields: Record<string, unknown> = {}) =>
  (await service.key(fields, { role: 'admin' })).key;

async function disabledAccount(fields: Record<string, unknown>): Promise<{ id: string }> {
  const account = await service.account(fields);
  await allows('root', ['POST', `/v1/service-accounts/${account.id}/disable`]);
  return account;
}

async function disabledKey(fields: Record<string, unknown>, account: Record<string, unknown>) {
  const { key } = await service.key(fields, account);
  await allows('root', patchKey(key, { enabled: false }));
  return key;
}

describe('minting', () => {
  test("for an administrator's account, a key that follows it", async () => {
    const admin = await service.account({ role: 'admin' });
    for (const fields of [{}, { scopes: null }]) {
      await refuses('member', mint(admin, fields), MEMBER_LACKS_OF_ADMIN);
      await refuses('member', mintFor({ serviceAccountId: admin.id, ...fields }), MEMBER_LACKS_OF_ADMIN);
    }
    await refuses('keysWrite', mint(admin), ['mintmark:*']);
    await refuses('application', mint(admin), ['mintmark:*']);
    await refuses('eachOne', mint(admin), ['mintmark:*']);
    await allows('admin', mint(admin));
    await allows('root', mint(admin));
  });

  test('a key that follows an account whose permissions hold what the caller does not', async () => {
    const account = await service.account({
      permissions: ['files:*', 'mintmark:audit:read', 'mintmark:keys:read'],
      role: 'reader',
    });
    await refuses('member', mint(account), ['mintmark:audit:read']);
    await refuses('keysWrite', mint(account), [
      'mintmark:accounts:read',
      'mintmark:audit:read',
      'mintmark:keys:read',
    ]);
    await allows('eachOne', mint(account));
  });

  test.for([
    'mintmark:*',
    'mintmark:keys:*',
    'mintmark:accounts:*',
    'mintmark:accounts:write',
    'mintmark:audit:read',
  ])('with %s, which a member lacks', async (scope) => {
    const admin = await service.account({ role: 'admin' });
    await refuses('member', mint(admin, { scopes: ['mintmark:keys:read', scope, 'files:*'] }), [scope]);
    await allows('admin', mint(admin, { scopes: ['mintmark:keys:read', scope, 'files:*'] }));
  });

  test('a list counts as it is written, even on an account that covers none of it today', async () => {
    const plain = await service.account();
    await refuses('member', mint(plain, { scopes: ['mintmark:*'] }), ['mintmark:*']);
    await allows('admin', mint(plain, { scopes: ['mintmark:*'] }));
  });

  test("for the caller's own account, past what the caller's own key may do", async () => {
    const own = await service.key({ scopes: ['mintmark:keys:write'] }, { role: 'admin' });
    const account = { id: own.key.serviceAccountId };
    await refuses(own, mint(account), ['mintmark:*']);
    await refuses(own, mint(account, { scopes: ['mintmark:keys:read'] }), ['mintmark:keys:read']);
    await allows(own, mint(account, { scopes: ['mintmark:keys:write'] }));
  });

  test("within what a member holds, and the application's scopes freely", async () => {
    const admin = await service.account({ role: 'admin' });
    await allows('member', mint(admin, { scopes: ['mintmark:keys:verify', 'mintmark:accounts:read'] }));
    await allows('member', mint(admin, { scopes: [] }));
    await allows('member', mint(await service.account({ role: 'member' })));
    await allows('member', mint(await service.account({ role: 'reader' })));
    for (const caller of ['member', 'keysWrite'] as const) {
      await allows(caller, mint(admin, { scopes: ['*', 'files:*', 'billing:write'] }));
      await allows(caller, mint(await service.account({ permissions: ['*'] })));
    }
  });

  test('is refused before it is told that the account is disabled', async () => {
    const admin = await disabledAccount({ role: 'admin' });
    await refuses('member', mint(admin), ['mintmark:*']);
  });
});

describe('enabling a key', () => {
  test("an administrator's", async () => {
    const key = await disabledKey({}, { role: 'admin' });
    await refuses('member', patchKey(key, { enabled: true }), ['mintmark:*']);
    await refuses('member', patchKey(key, { enabled: true, name: 'renamed', scopes: null }), ['mintmark:*']);
    await allows('admin', patchKey(key, { enabled: true }));
  });

  test('that follows an account which was promoted since', async () => {
    const key = await disabledKey({}, {});
    await allows('root', patchAccount({ id: key.serviceAccountId }, { role: 'admin' }));
    await refuses('member', patchKey(key, { enabled: true }), ['mintmark:*']);
  });

  test('with a list on an account that does not cover it today', async () => {
    const key = await disabledKey({ scopes: ['mintmark:audit:read'] }, {});
    await refuses('member', patchKey(key, { enabled: true }), ['mintmark:audit:read']);
    await allows('eachOne', patchKey(key, { enabled: true }));
  });

  test("of an administrator's account that may no more than a member, by a member", async () => {
    await allows(
      'member',
      patchKey(await disabledKey({ scopes: ['mintmark:keys:read', '*'] }, { role: 'admin' }), {
        enabled: true,
      }),
    );
    await allows('member', patchKey(await disabledKey({}, { role: 'member' }), { enabled: true }));
  });

  test('and narrowing it at once to what a member holds, by a member', async () => {
    const key = await disabledKey({}, { role: 'admin' });
    await allows('member', patchKey(key, { enabled: true, scopes: ['mintmark:keys:read'] }));
  });
});

describe('widening a key', () => {
  test("an administrator's, by a list or by none", async () => {
    const key = await adminKey({ scopes: ['mintmark:keys:read', 'files:read'] });
    await refuses('member', patchKey(key, { scopes: null }), ['mintmark:*']);
    await refuses('member', patchKey(key, { scopes: ['mintmark:*'] }), ['mintmark:*']);
    await refuses('member', patchKey(key, { scopes: ['mintmark:keys:read', 'mintmark:accounts:write'] }), [
      'mintmark:accounts:write',
    ]);
    await allows('member', patchKey(key, { scopes: ['mintmark:keys:read', 'mintmark:keys:write', '*'] }));
    await allows('admin', patchKey(key, { scopes: null }));
  });

  test("the caller's own", async () => {
    const own = await service.key({ scopes: ['mintmark:keys:write'] }, { role: 'admin' });
    await refuses(own, patchKey(own.key, { scopes: null }), ['mintmark:*']);
    await refuses(own, patchKey(own.key, { scopes: ['mintmark:keys:write', 'mintmark:keys:read'] }), [
      'mintmark:keys:read',
    ]);
    await refuses(own, patchKey(own.key, { scopes: ['mintmark:keys:*'] }), ['mintmark:keys:*']);
    await allows(own, patchKey(own.key, { scopes: ['mintmark:keys:write', 'files:*'] }));

    const ofMember = await service.key({ scopes: ['mintmark:keys:write'] }, { role: 'member' });
    await refuses(ofMember, patchKey(ofMember.key, { scopes: null }), [
      'mintmark:accounts:read',
      'mintmark:keys:read',
      'mintmark:keys:verify',
    ]);
  });

  test("with the application's scopes alone, where management scopes beyond the caller's stay", async () => {
    const key = await adminKey({ scopes: ['mintmark:audit:read', 'files:read'] });
    await refuses('member', patchKey(key, { scopes: ['mintmark:audit:read', 'files:*'] }), [
      'mintmark:audit:read',
    ]);
  });

  test('is refused before it is told that the key is revoked', async () => {
    const key = await adminKey({ scopes: [] });
    await allows('root', ['POST', `/v1/api-keys/${key.id}/revoke`]);
    await refuses('member', patchKey(key, { scopes: null }), ['mintmark:*']);
  });
});

describe('lengthening a key', () => {
  test("an administrator's, to a later date or to none", async () => {
    const key = await adminKey({ expiresIn: '10d' });
    await refuses('member', patchKey(key, { expiresAt: inDays(11) }), ['mintmark:*']);
    await refuses('member', patchKey(key, { expiresAt: null }), ['mintmark:*']);
    await refuses('keysWrite', patchKey(key, { expiresAt: null, scopes: ['mintmark:keys:read'] }), [
      'mintmark:keys:read',
    ]);
    await allows('admin', patchKey(key, { expiresAt: inDays(11) }));
    await allows('admin', patchKey(key, { expiresAt: null }));
  });

  test("one that may no more than a member, and a member's own", async () => {
    await allows(
      'member',
      patchKey(await adminKey({ expiresIn: '10d', scopes: ['files:*'] }), { expiresAt: null }),
    );
    const own = await service.key({ expiresIn: '10d' }, { role: 'member' });
    await allows(own, patchKey(own.key, { expiresAt: null }));
  });
});

describe('rotating a key', () => {
  const rotate = (key: { id: string }, fields: Record<string, unknown> = {}): Call => [
    'POST',
    `/v1/api-keys/${key.id}/rotate`,
    fields,
  ];

  test("an administrator's yields a secret as good, so it needs as much", async () => {
    const key = await adminKey();
    await refuses('member', rotate(key), ['mintmark:*']);
    await refuses('keysWrite', rotate(key, { gracePeriod: '0s', expiresIn: '1h' }), ['mintmark:*']);
    await refuses('application', rotate(key), ['mintmark:*']);
    await allows('admin', rotate(key));
  });

  test('with a list counts as it is written, even where its account covers none of it today', async () => {
    const { key } = await service.key({ scopes: ['mintmark:audit:read', 'files:read'] });
    await refuses('member', rotate(key), ['mintmark:audit:read']);
    await allows('eachOne', rotate(key));
  });

  test('that may no more than a member, by a member, and one of the application by whoever writes', async () => {
    await allows('member', rotate(await adminKey({ scopes: ['mintmark:keys:read', '*'] })));
    await allows('keysWrite', rotate(await adminKey({ scopes: ['*'] })));
    await allows('keysWrite', rotate((await service.key({}, { permissions: ['*'] })).key));
  });

  test('needs keys:write at all', async () => {
    const { key, secret } = await service.key({}, { permissions: ['*', 'mintmark:accounts:write'] });
    const before = await tables();
    expect(outcomeOf(await call(secret, rotate(key)))).toBe('403 insufficient_scope');
    expect(await tables()).toEqual(before);
  });
});

describe('weakening a key', () => {
  const weakenings: Record<string, (key: { id: string }) => Call> = {
    disabling: (key) => patchKey(key, { enabled: false }),
    shortening: (key) => patchKey(key, { expiresAt: inDays(1) }),
    'narrowing to a list': (key) => patchKey(key, { scopes: ['mintmark:accounts:write'] }),
    'narrowing to nothing': (key) => patchKey(key, { scopes: [] }),
    revoking: (key) => ['POST', `/v1/api-keys/${key.id}/revoke`],
    deleting: (key) => ['DELETE', `/v1/api-keys/${key.id}`],
    renaming: (key) => patchKey(key, { name: 'renamed', description: 'x', metadata: { a: 1 } }),
  };

  test.for(Object.entries(weakenings))("%s an administrator's needs keys:write alone", async ([, weaken]) => {
    await allows('keysWrite', weaken(await adminKey()));
    await allows('member', weaken(await adminKey({ expiresIn: '10d' })));

    const kept = await adminKey();
    const before = await tables();
    expect(outcomeOf(await call(callers.accountsWrite, weaken(kept)))).toBe('403 insufficient_scope');
    expect(await tables()).toEqual(before);
  });
});

describe('an account', () => {
  test.for([
    [{ role: 'admin' }, ['mintmark:*']],
    [{ role: 'reader' }, ['mintmark:accounts:read', 'mintmark:keys:read']],
    [
      { role: 'member' },
      ['mintmark:accounts:read', 'mintmark:keys:read', 'mintmark:keys:verify', 'mintmark:keys:write'],
    ],
    [{ permissions: ['mintmark:*'] }, ['mintmark:*']],
    [{ permissions: ['mintmark:accounts:*'] }, ['mintmark:accounts:*']],
    [{ permissions: ['mintmark:accounts:write', 'mintmark:keys:write', 'files:*'] }, ['mintmark:keys:write']],
    [{ permissions: ['mintmark:audit:read'], role: 'admin' }, ['mintmark:*', 'mintmark:audit:read']],
  ] as const)('with %j, made or changed, needs a caller who holds as much', async ([fields, lacking]) => {
    const plain = await service.account();
    await refuses('accountsWrite', newAccount(fields), lacking);
    await refuses('accountsWrite', patchAccount(plain, fields), lacking);
    await allows('admin', newAccount(fields));
    await allows('admin', patchAccount(plain, fields));
  });

  test('that holds all of the application is no way to hold anything of Mintmark', async () => {
    const plain = await service.account({ permissions: ['*'] });
    await refuses('application', newAccount({ role: 'admin' }), ['mintmark:*']);
    await refuses('application', patchAccount(plain, { permissions: ['*', 'mintmark:audit:read'] }), [
      'mintmark:audit:read',
    ]);
    const powerless = await service.key({}, { permissions: ['*'] });
    for (const made of [newAccount({}), mint(plain), patchKey(powerless.key, { enabled: false })]) {
      const before = await tables();
      expect(outcomeOf(await call(powerless.secret, made))).toBe('403 insufficient_scope');
      expect(await tables()).toEqual(before);
    }
  });

  test('is promoted neither by itself nor by each scope in turn', async () => {
    const own = await service.key({}, { permissions: ['mintmark:accounts:write', 'mintmark:keys:write'] });
    const account = { id: own.key.serviceAccountId };
    await refuses(own, patchAccount(account, { role: 'admin' }), ['mintmark:*']);
    await refuses('eachOne', patchAccount(account, { role: 'admin' }), ['mintmark:*']);
    await refuses('eachOne', newAccount({ permissions: ['mintmark:*'] }), ['mintmark:*']);
    await allows('eachOne', newAccount({ permissions: EACH_SCOPE, role: 'member' }));
  });

  test('of an administrator is enabled by an administrator', async () => {
    for (const fields of [{ role: 'admin' }, { permissions: ['mintmark:*'] }]) {
      await refuses('accountsWrite', enable(await disabledAccount(fields)), ['mintmark:*']);
      await allows('admin', enable(await disabledAccount(fields)));
    }
    await allows(
      'accountsWrite',
      enable(await disabledAccount({ permissions: ['*', 'mintmark:accounts:write'] })),
    );
  });

  test('of an administrator is not widened by who holds less, not even for the application', async () => {
    const admin = await service.account({ role: 'admin' });
    await refuses('application', patchAccount(admin, { permissions: ['files:*'] }), ['mintmark:*']);
    await allows('admin', patchAccount(admin, { permissions: ['files:*'] }));
  });

  test("gets the application's scopes from whoever may write it", async () => {
    const account = await service.account();
    await allows('accountsWrite', newAccount({ permissions: ['*', 'files:read'] }));
    await allows('accountsWrite', patchAccount(account, { permissions: ['*', 'mintmark:accounts:write'] }));
  });

  const weakenings: Record<string, (account: { id: string }) => Call> = {
    disabled: ({ id }) => ['POST', `/v1/service-accounts/${id}/disable`],
    deleted: ({ id }) => ['DELETE', `/v1/service-accounts/${id}`],
    demoted: (account) => patchAccount(account, { role: 'member' }),
    'stripped of its role': (account) => patchAccount(account, { role: null }),
    'stripped of its permissions': (account) => patchAccount(account, { permissions: [] }),
    renamed: (account) =>
      patchAccount(account, { name: `renamed ${crypto.randomUUID()}`, metadata: { a: 1 } }),
  };

  test.for(Object.entries(weakenings))(
    'of an administrator is %s with accounts:write alone',
    async ([, weaken]) => {
      const fields = { role: 'admin', permissions: ['mintmark:audit:read', 'files:*'] };
      await allows('accountsWrite', weaken(await service.account(fields)));

      const kept = await service.account(fields);
      const before = await tables();
      expect(outcomeOf(await call(callers.keysWrite, weaken(kept)))).toBe('403 insufficient_scope');
      expect(await tables()).toEqual(before);
    },
  );

  test('writes no keys with accounts:write, and no accounts with keys:write', async () => {
    const account = await service.account();
    const { key } = await service.key();
    const before = await tables();
    for (const made of [
      mint(account),
      mintFor({ serviceAccountId: account.id }),
      mintFor({ userId: 'user-1', scopes: [] }),
      patchKey(key, { enabled: false }),
    ]) {
      expect(outcomeOf(await call(callers.accountsWrite, made))).toBe('403 insufficient_scope');
    }
    for (const made of [newAccount({}), patchAccount(account, { name: 'renamed' }), enable(account)]) {
      expect(outcomeOf(await call(callers.keysWrite, made))).toBe('403 insufficient_scope');
    }
    expect(await tables()).toEqual(before);
  });
});

describe('a personal key', () => {
  beforeAll(async () => {
    await env.DB.prepare('UPDATE organizations SET personal_key_permissions = ?, revision = revision + 1')
      .bind(JSON.stringify(['files:*', 'mintmark:keys:read', 'mintmark:keys:write', 'mintmark:audit:read']))
      .run();
  });

  test.for([
    ['no list', undefined, 'scopes'],
    ['null', null, 'scopes'],
    ['a scope outside', ['files:read', 'billing:read'], 'scopes.1'],
    ['the scope above those inside', ['files'], 'scopes.0'],
    ['everything', ['*'], 'scopes.0'],
    ['a management scope outside', ['mintmark:accounts:read'], 'scopes.0'],
    ['all management scopes', ['files:*', 'mintmark:*', 'mintmark:keys:*'], 'scopes.1 scopes.2'],
  ] as const)(
    "needs a list within the organization's personalKeyPermissions: not %s",
    async ([, scopes, paths]) => {
      const { key } = await service.key({ userId: 'user-1', scopes: [] });
      const before = await tables();
      for (const caller of ['root', 'admin', 'member'] as const) {
        // What is undefined is not sent at all: a key without a list when minting, no change of it in a patch.
        for (const made of [
          mintPersonal(scopes),
          ...(scopes === undefined ? [] : [patchKey(key, { scopes })]),
        ]) {
          expect(outcomeOf(await call(callers[caller], made))).toBe(`400 invalid_request ${paths}`);
        }
      }
      expect(await tables()).toEqual(before);
    },
  );

  test('has management scopes from a granter who holds them, though the organization permits them', async () => {
    await refuses('member', mintPersonal(['files:*', 'mintmark:audit:read']), ['mintmark:audit:read']);
    await refuses('keysWrite', mintPersonal(['mintmark:keys:read']), ['mintmark:keys:read']);
    await allows('member', mintPersonal(['files:*', 'mintmark:keys:read']));
    await allows('admin', mintPersonal(['mintmark:audit:read']));
  });

  test("has the application's scopes from whoever may write, and may have none", async () => {
    await allows('keysWrite', mintPersonal(['files:*', 'files:read']));
    await allows('keysWrite', mintPersonal([]));
  });

  test('is widened, enabled and lengthened as any other', async () => {
    const { key } = await service.key({
      userId: 'user-1',
      scopes: ['mintmark:audit:read'],
      expiresIn: '10d',
    });
    await refuses('member', patchKey(key, { expiresAt: null }), ['mintmark:audit:read']);
    await refuses('member', patchKey(key, { scopes: ['mintmark:audit:read', 'files:*'] }), [
      'mintmark:audit:read',
    ]);
    await allows('member', patchKey(key, { enabled: false }));
    await refuses('member', patchKey(key, { enabled: true }), ['mintmark:audit:read']);
    await allows('member', patchKey(key, { scopes: [] }));
    await refuses('member', patchKey(key, { scopes: ['mintmark:audit:read'] }), ['mintmark:audit:read']);
    await allows('member', patchKey(key, { enabled: true }));
  });

  test('grants no more than it holds itself', async () => {
    const own = await service.key({ userId: 'user-1', scopes: ['mintmark:keys:write'] });
    await refuses(own, mintPersonal(['mintmark:keys:read']), ['mintmark:keys:read']);
    await refuses(own, patchKey(own.key, { scopes: ['mintmark:keys:write', 'mintmark:keys:read'] }), [
      'mintmark:keys:read',
    ]);
    await refuses(own, mint(await service.account({ role: 'admin' })), ['mintmark:*']);
    await allows(own, mintPersonal(['mintmark:keys:write']));
  });

  test('loses with the organization what it then no longer permits', async () => {
    const own = await service.key({ userId: 'user-1', scopes: ['mintmark:keys:write', 'files:read'] });
    await env.DB.prepare('UPDATE organizations SET personal_key_permissions = ?, revision = revision + 1')
      .bind(JSON.stringify(['files:*']))
      .run();
    expect(outcomeOf(await call(own.secret, mintPersonal([])))).toBe('403 insufficient_scope');
    expect(await service.verify(own.secret, { maxStaleness: 0 })).toMatchObject({
      valid: true,
      scopes: ['files:read'],
    });
  });
});

test('what a role or a permission repeats of the other must be held too, as it would outlive the other', async () => {
  const fresh = new TestService();
  const writer = await fresh.key({}, { permissions: ['mintmark:accounts:read', 'mintmark:accounts:write'] });
  const byRole = await fresh.account({ role: 'admin' });
  const byPermission = await fresh.account({ permissions: ['mintmark:*'] });
  for (const [id, body] of [
    [byRole.id, { permissions: ['mintmark:*'] }],
    [byPermission.id, { role: 'admin' }],
  ] as const) {
    const answer = await fresh.call('PATCH', `/v1/service-accounts/${id}`, {
      credential: writer.secret,
      body,
    });
    expect(answer).toMatchObject({ status: 403, body: { code: 'cannot_grant' } });
  }
});
