import { env } from 'cloudflare:workers';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { auditEvent, type AuditEventResource } from '../../src/contract/audit_events.ts';
import { digestOf } from '../../src/core/secret.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';

const DEFAULT_ORGANIZATION = `org_${'0'.repeat(24)}`;
const FROM = { 'CF-Connecting-IP': '192.0.2.9', 'User-Agent': 'terraform/1' };

let service: TestService;
/** An administrator: who does what follows. */
let admin: Awaited<ReturnType<TestService['key']>>;

beforeEach(async () => {
  service = new TestService();
  admin = await service.key({}, { role: 'admin' });
});

const at = (ms: number): string => new Date(ms).toISOString();

/** The whole of a list, page by page. */
async function eventsBy(filter: Record<string, string>, limit = 100): Promise<AuditEventResource[]> {
  const events: AuditEventResource[] = [];
  let cursor: string | null = null;
  do {
    const query: string = new URLSearchParams({
      ...filter,
      limit: String(limit),
      ...(cursor === null ? {} : { cursor }),
    }).toString();
    const { status, body } = await service.call('GET', `/v1/audit-events?${query}`);
    expect(status).toBe(200);
    expect(body.data.length).toBeLessThanOrEqual(limit);
    events.push(...body.data.map((each: unknown) => auditEvent.parse(each)));
    cursor = body.nextCursor;
  } while (cursor !== null);
  return events;
}

const idsBy = async (filter: Record<string, string>, limit?: number): Promise<string[]> =>
  (await eventsBy(filter, limit)).map(({ id }) => id);

interface EventRow {
  readonly id: string;
  readonly organization_id: string;
  readonly at: number;
  readonly action: string;
  readonly actor_type: string;
  readonly actor_id: string;
  readonly credential_id: string | null;
  readonly target_type: string;
  readonly target_id: string;
  readonly request_id: string;
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly changes: string;
}

/** Every event of every organization, as it is stored. */
async function stored(): Promise<EventRow[]> {
  const { results } = await env.DB.prepare('SELECT * FROM audit_events ORDER BY id').all<EventRow>();
  return results;
}

type Changes = AuditEventResource['changes'];
interface Told {
  readonly action: string;
  readonly target: string;
  readonly changes: Changes;
}
interface Mutation {
  readonly call: (as: Caller) => Promise<Answer>;
  /** The events that it leaves, in any order; of `changes` all that is there, or a part where it says so. */
  readonly told: (answer: Answer) => readonly Told[];
}
interface Caller {
  readonly credential: string;
  readonly headers: Record<string, string>;
}

const as =
  (method: string, path: string, body?: object) =>
  ({ credential, headers }: Caller): Promise<Answer> =>
    service.call(method, path, { credential, headers, ...(body === undefined ? {} : { body }) });

const to = (value: unknown): { from: null; to: unknown } => ({ from: null, to: value });

/** Every call that changes something, on something of its own: what it is, and what it must leave in the trail. */
const MUTATIONS: Record<string, () => Promise<Mutation>> = {
  'POST /v1/service-accounts': async () => {
    const name = crypto.randomUUID();
    return {
      call: as('POST', '/v1/service-accounts', { name, permissions: ['files:*'], role: 'reader' }),
      told: ({ body }) => [
        {
          action: 'service_account.created',
          target: body.id,
          changes: {
            name: to(name),
            permissions: to(['files:*']),
            role: to('reader'),
            metadata: to({}),
          },
        },
      ],
    };
  },
  'PATCH /v1/service-accounts/{id}': async () => {
    const { id } = await service.account({ description: 'first', permissions: ['a'] });
    return {
      call: as('PATCH', `/v1/service-accounts/${id}`, {
        description: null,
        permissions: ['a', 'b'],
        role: null,
      }),
      told: () => [
        {
          action: 'service_account.updated',
          target: id,
          changes: {
            description: { from: 'first', to: null },
            permissions: { from: ['a'], to: ['a', 'b'] },
          },
        },
      ],
    };
  },
  'POST /v1/service-accounts/{id}/disable': async () => {
    const { id } = await service.account();
    return {
      call: as('POST', `/v1/service-accounts/${id}/disable`),
      told: () => [
        { action: 'service_account.disabled', target: id, changes: { disabledAt: to(at(service.now())) } },
      ],
    };
  },
  'POST /v1/service-accounts/{id}/enable': async () => {
    const { id } = await service.account();
    await service.call('POST', `/v1/service-accounts/${id}/disable`);
    return {
      call: as('POST', `/v1/service-accounts/${id}/enable`),
      told: () => [
        {
          action: 'service_account.enabled',
          target: id,
          changes: { disabledAt: { from: at(service.now()), to: null } },
        },
      ],
    };
  },
  'DELETE /v1/service-accounts/{id}': async () => {
    const { key } = await service.key();
    return {
      call: as('DELETE', `/v1/service-accounts/${key.serviceAccountId}`),
      told: () => [
        {
          action: 'service_account.deleted',
          target: key.serviceAccountId,
          changes: { deletedAt: to(at(service.now())) },
        },
      ],
    };
  },
  'POST /v1/service-accounts/{id}/api-keys': async () => {
    const { id } = await service.account();
    return {
      call: as('POST', `/v1/service-accounts/${id}/api-keys`, { name: 'deploy', expiresIn: '1h' }),
      told: ({ body: { key } }) => [
        {
          action: 'api_key.created',
          target: key.id,
          changes: {
            serviceAccountId: to(id),
            name: to('deploy'),
            environment: to('live'),
            start: to(key.start),
            fingerprint: to(key.fingerprint),
            metadata: to({}),
            enabled: to(true),
            expiresAt: to(key.expiresAt),
          },
        },
      ],
    };
  },
  'POST /v1/api-keys': async () => ({
    call: as('POST', '/v1/api-keys', { name: 'deploy', userId: 'ada', scopes: [], environment: 'test' }),
    told: ({ body: { key } }) => [
      {
        action: 'api_key.created',
        target: key.id,
        changes: {
          userId: to('ada'),
          name: to('deploy'),
          environment: to('test'),
          start: to(key.start),
          fingerprint: to(key.fingerprint),
          scopes: to([]),
          metadata: to({}),
          enabled: to(true),
        },
      },
    ],
  }),
  'PATCH /v1/api-keys/{id}': async () => {
    const { key } = await service.key({ metadata: { a: 1 }, scopes: ['a'] });
    return {
      call: as('PATCH', `/v1/api-keys/${key.id}`, {
        name: 'renamed',
        metadata: null,
        scopes: [],
        enabled: false,
        expiresAt: at(service.now() + 1_000),
      }),
      told: () => [
        {
          action: 'api_key.updated',
          target: key.id,
          changes: {
            name: { from: 'a key', to: 'renamed' },
            metadata: { from: { a: 1 }, to: {} },
            scopes: { from: ['a'], to: [] },
            enabled: { from: true, to: false },
            expiresAt: to(at(service.now() + 1_000)),
          },
        },
      ],
    };
  },
  'POST /v1/api-keys/{id}/revoke': async () => {
    const { key } = await service.key();
    return {
      call: as('POST', `/v1/api-keys/${key.id}/revoke`, { reason: 'leaked' }),
      told: ({ body }) => [revoked(key.id, 'leaked', body.key.revokedBy)],
    };
  },
  'POST /v1/api-keys/{id}/revoke of a lineage': async () => {
    const { key } = await service.key();
    const { body } = await service.call('POST', `/v1/api-keys/${key.id}/rotate`, { body: {} });
    return {
      call: as('POST', `/v1/api-keys/${key.id}/revoke`, { reason: 'leaked', lineage: true }),
      told: (answer) => [
        revoked(key.id, 'leaked', answer.body.key.revokedBy),
        revoked(body.key.id, 'leaked', answer.body.key.revokedBy),
      ],
    };
  },
  'DELETE /v1/api-keys/{id}': async () => {
    const { key } = await service.key();
    return {
      call: as('DELETE', `/v1/api-keys/${key.id}`),
      told: () => [
        {
          action: 'api_key.deleted',
          target: key.id,
          changes: {
            deletedAt: to(at(service.now())),
            revokedAt: to(at(service.now())),
            revokedBy: to(expect.any(String)),
          },
        },
      ],
    };
  },
  'POST /v1/api-keys/{id}/rotate': async () => {
    const { key } = await service.key();
    return {
      call: as('POST', `/v1/api-keys/${key.id}/rotate`, { untilFirstUse: true, gracePeriod: '1h' }),
      told: ({ body }) => [
        {
          action: 'api_key.rotated',
          target: key.id,
          changes: { rotatedTo: to(body.key.id), expiresAt: to(at(service.now() + 3_600_000)) },
        },
        {
          action: 'api_key.created',
          target: body.key.id,
          changes: {
            serviceAccountId: to(key.serviceAccountId),
            name: to('a key'),
            environment: to('live'),
            start: to(body.key.start),
            fingerprint: to(body.key.fingerprint),
            metadata: to({}),
            enabled: to(true),
            rotatedFrom: to(key.id),
            supersedes: to(key.id),
          },
        },
      ],
    };
  },
};

/** Root's alone. */
const OF_ROOT: typeof MUTATIONS = {
  'POST /v1/organizations': async () => {
    const slug = `o-${crypto.randomUUID()}`;
    return {
      call: as('POST', '/v1/organizations', { name: 'Acme', slug, maxLiveKeys: 3 }),
      told: ({ body }) => [
        {
          action: 'organization.created',
          target: body.id,
          changes: {
            name: to('Acme'),
            slug: to(slug),
            keyPrefix: to('mk'),
            personalKeyPermissions: to([]),
            maxLiveKeys: to(3),
          },
        },
      ],
    };
  },
  'PATCH /v1/organizations/{id}': async () => {
    const { id } = await service.organization({ maxLiveKeys: 3 });
    return {
      call: as('PATCH', `/v1/organizations/${id}`, { maxLiveKeys: null, maxKeyLifetime: '90d' }),
      told: () => [
        {
          action: 'organization.updated',
          target: id,
          changes: { maxLiveKeys: { from: 3, to: null }, maxKeyLifetime: to('90d') },
        },
      ],
    };
  },
  'DELETE /v1/organizations/{id}': async () => {
    const { id } = await service.organization();
    return {
      call: as('DELETE', `/v1/organizations/${id}`),
      told: () => [
        { action: 'organization.deleted', target: id, changes: { deletedAt: to(at(service.now())) } },
      ],
    };
  },
};

function revoked(target: string, reason: string, by: unknown): Told {
  return {
    action: 'api_key.revoked',
    target,
    changes: { revokedAt: to(at(service.now())), revokedBy: to(by), revocationReason: to(reason) },
  };
}

const byTarget = (one: { target: string }, other: { target: string }): number =>
  one.target < other.target ? -1 : 1;

describe('a change leaves one event for each row that it changed', () => {
  const callers: Record<string, () => { credential: string; actor: object }> = {
    root: () => ({
      credential: ROOT_KEY,
      actor: { actor_type: 'root', actor_id: 'root', credential_id: null },
    }),
    'a key': () => ({
      credential: admin.secret,
      actor: {
        actor_type: 'service_account',
        actor_id: admin.key.serviceAccountId,
        credential_id: admin.key.id,
      },
    }),
  };
  const table = [
    ...Object.entries(MUTATIONS).flatMap((mutation) =>
      Object.entries(callers).map((caller) => [mutation, caller] as const),
    ),
    ...Object.entries(OF_ROOT).map((mutation) => [mutation, ['root', callers['root']] as const] as const),
  ].map(([[title, prepare], [by, caller]]) => [`${title} by ${by}`, prepare, caller] as const);

  test.for(table)('%s: who, what, from where, before and after', async ([, prepare, caller]) => {
    const { call, told } = await prepare();
    const { credential, actor } = caller?.() ?? {};
    const known = new Set((await stored()).map(({ id }) => id));
    const requestId = crypto.randomUUID();
    const answer = await call({
      credential: credential ?? '',
      headers: { ...FROM, 'X-Request-Id': requestId },
    });
    expect(answer.status, answer.text).toBeLessThan(300);
    await service.settle();

    const added = (await stored()).filter(({ id }) => !known.has(id));
    const events = added.map(({ action, target_id: target, changes }) => ({
      action,
      target,
      changes: JSON.parse(changes),
    }));
    expect(events.toSorted(byTarget)).toEqual([...told(answer)].toSorted(byTarget));
    for (const event of added) {
      expect(event).toMatchObject({
        ...actor,
        at: service.now(),
        request_id: requestId,
        ip: '192.0.2.9',
        user_agent: 'terraform/1',
        target_type: event.action.split('.', 1)[0],
        organization_id: event.target_type === 'organization' ? event.target_id : DEFAULT_ORGANIZATION,
      });
      const { secret } = answer.body ?? {};
      if (secret !== undefined) {
        expect(JSON.stringify(event)).not.toContain(secret);
        expect(JSON.stringify(event)).not.toContain(await digestOf(secret));
      }
      expect(event.changes).not.toMatch(/digest|secret/i);
    }
  });

  test.for(Object.entries({ ...MUTATIONS, ...OF_ROOT }))(
    '%s: what is refused for want of a scope, or changes nothing, leaves none',
    async ([, prepare]) => {
      const powerless = await service.key({ scopes: [] });
      const { call } = await prepare();
      const before = await stored();
      const answer = await call({ credential: powerless.secret, headers: {} });
      expect(answer.status).toBe(403);
      expect(await stored()).toEqual(before);
    },
  );

  test('as the trail tells it, by the contract', async () => {
    const { body: made } = await service.call('POST', '/v1/service-accounts', {
      credential: admin.secret,
      headers: { ...FROM, 'X-Request-Id': 'request-12345' },
      body: { name: crypto.randomUUID() },
    });
    const [event, ...others] = await eventsBy({ targetId: made.id });
    expect(others).toEqual([]);
    expect(event).toEqual({
      id: expect.stringMatching(/^evt_[0-9A-Za-z]{24}$/),
      organizationId: DEFAULT_ORGANIZATION,
      at: at(service.now()),
      action: 'service_account.created',
      actor: {
        type: 'service_account',
        id: admin.key.serviceAccountId,
        credentialId: admin.key.id,
      },
      target: { type: 'service_account', id: made.id },
      requestId: 'request-12345',
      ip: '192.0.2.9',
      userAgent: 'terraform/1',
      changes: { name: to(made.name), permissions: to([]), metadata: to({}) },
    });
  });
});

describe('an attempt to grant what one does not hold', () => {
  const attempts: Record<
    string,
    (holder: { id: string; account: string }) => [string, string, object, string]
  > = {
    'minting for a stronger account': ({ account }) => [
      'POST',
      `/v1/service-accounts/${account}/api-keys`,
      { name: 'key' },
      account,
    ],
    'minting with a list': ({ account }) => [
      'POST',
      '/v1/api-keys',
      { name: 'key', serviceAccountId: account, scopes: ['mintmark:*'] },
      account,
    ],
    'lengthening a stronger key': ({ id }) => ['PATCH', `/v1/api-keys/${id}`, { expiresAt: null }, id],
    'rotating a stronger key': ({ id }) => ['POST', `/v1/api-keys/${id}/rotate`, {}, id],
  };

  test.for(Object.entries(attempts))('is an event: %s', async ([, attempt]) => {
    const member = await service.key({}, { role: 'member' });
    const { key } = await service.key({ expiresIn: '1h' }, { role: 'admin' });
    const [method, path, body, target] = attempt({ id: key.id, account: key.serviceAccountId });
    const before = await idsBy({});
    const answer = await service.call(method, path, { credential: member.secret, headers: FROM, body });
    expect(answer).toMatchObject({ status: 403, body: { code: 'cannot_grant' } });
    const added = (await eventsBy({})).filter(({ id }) => !before.includes(id));
    expect(added).toEqual([
      {
        id: expect.any(String),
        organizationId: DEFAULT_ORGANIZATION,
        at: at(service.now()),
        action: 'grant.refused',
        actor: {
          type: 'service_account',
          id: member.key.serviceAccountId,
          credentialId: member.key.id,
        },
        target: { type: target.startsWith('key_') ? 'api_key' : 'service_account', id: target },
        requestId: answer.headers.get('X-Request-Id'),
        ip: '192.0.2.9',
        userAgent: 'terraform/1',
        changes: { scopes: to(['mintmark:*']) },
      },
    ]);
    expect(await idsBy({ action: 'grant.refused', actorId: member.key.serviceAccountId })).toEqual([
      added[0]?.id,
    ]);
  });

  test('on nothing yet, is told of the organization', async () => {
    const writer = await service.key({}, { permissions: ['mintmark:accounts:write'] });
    await service.call('POST', '/v1/service-accounts', {
      credential: writer.secret,
      body: { name: crypto.randomUUID(), role: 'admin' },
    });
    expect(await eventsBy({ actorId: writer.key.serviceAccountId })).toMatchObject([
      { action: 'grant.refused', target: { type: 'organization', id: DEFAULT_ORGANIZATION } },
    ]);
  });
});

describe('reading the trail', () => {
  test('needs mintmark:audit:read, which no member has', async () => {
    const member = await service.key({}, { role: 'member' });
    expect(await service.call('GET', '/v1/audit-events', { credential: member.secret })).toMatchObject({
      status: 403,
      body: { code: 'insufficient_scope' },
    });
  });

  test('by a person’s own identifier finds what the person did, and what root did not', async () => {
    await service.call('PATCH', `/v1/organizations/${DEFAULT_ORGANIZATION}`, {
      body: { personalKeyPermissions: ['mintmark:accounts:write'] },
    });
    const userId = `person-${crypto.randomUUID()}`;
    const { secret, key } = await service.key({ userId, scopes: ['mintmark:accounts:write'] });
    const { body } = await service.call('POST', '/v1/service-accounts', {
      credential: secret,
      body: { name: crypto.randomUUID() },
    });
    expect(await eventsBy({ actorId: userId })).toMatchObject([
      {
        action: 'service_account.created',
        actor: { type: 'user', id: userId, credentialId: key.id },
        target: { id: body.id },
      },
    ]);
    expect(await idsBy({ actorId: key.id }), 'a credential is no principal').toEqual([]);
  });

  /** A history of which every filter takes a part: one event a second, by two actors, on three targets. */
  describe('by filters', () => {
    const history: { id: string; action: string; actor: string; target: string; ms: number }[] = [];
    let start = 0;
    let historian: TestService;
    let historians: typeof admin;

    beforeEach(() => {
      [service, admin] = [historian, historians];
    });

    beforeAll(async () => {
      historian = new TestService();
      service = historian;
      // Long after all else that happens here.
      service.skip(30 * 86_400_000);
      historians = await service.key({}, { role: 'admin' });
      admin = historians;
      const accounts = [await service.account(), await service.account(), await service.account()];
      await service.advance(1_000);
      start = service.now();
      for (let round = 0; round < 12; round++) {
        const { id = '' } = accounts[round % 3] ?? {};
        const isRoot = round % 2 === 0;
        const disables = round % 4 < 2;
        const answer = await service.call('PATCH', `/v1/service-accounts/${id}`, {
          credential: isRoot ? ROOT_KEY : admin.secret,
          body: { description: `round ${round}` },
        });
        expect(answer.status).toBe(200);
        if (disables) await service.call('POST', `/v1/service-accounts/${id}/disable`);
        if (disables) await service.call('POST', `/v1/service-accounts/${id}/enable`);
        await service.advance(1_000);
      }
      const all = await stored();
      history.push(
        ...all
          .filter((event) => event.at >= start)
          .map((event) => ({
            id: event.id,
            action: event.action,
            actor: event.actor_id,
            target: event.target_id,
            ms: event.at,
          })),
      );
      history.reverse();
      await service.advance(60_000);
    });

    const options: Record<string, (() => string)[]> = {
      action: [() => 'service_account.updated', () => 'service_account.disabled', () => 'api_key.revoked'],
      actorId: [() => 'root', () => history.at(-2)?.actor ?? '', () => 'nobody'],
      targetId: [() => history.at(0)?.target ?? '', () => admin.key.id],
      from: [() => at(start + 3_000), () => at(start + 3_001)],
      to: [() => at(start + 8_000), () => at(start + 7_999)],
    };

    /** What a filter is to find, by the plainest of ways. */
    const expected = (filter: Record<string, string>): string[] =>
      history
        .filter(
          ({ action, actor, target, ms }) =>
            (filter['action'] ?? action) === action &&
            (filter['actorId'] ?? actor) === actor &&
            (filter['targetId'] ?? target) === target &&
            (filter['from'] === undefined || ms >= Date.parse(filter['from'])) &&
            (filter['to'] === undefined || ms < Date.parse(filter['to'])),
        )
        .map(({ id }) => id);

    const combinations = Object.entries(options).reduce<Record<string, () => string>[]>(
      (filters, [name, values]) =>
        filters.flatMap((filter) => [filter, ...values.map((value) => ({ ...filter, [name]: value }))]),
      [{}],
    );

    test('alone and together they find what is theirs, newest first', async () => {
      let found = 0;
      for (const combination of combinations) {
        const filter = Object.fromEntries(
          Object.entries(combination).map(([name, value]) => [name, value()]),
        );
        // What came before the history is no part of it.
        const asked = { from: at(start), to: at(start + 60_000), ...filter };
        const ids = await idsBy(asked);
        expect(ids, JSON.stringify(filter)).toEqual(expected(filter));
        found += ids.length;
      }
      expect(combinations).toHaveLength(4 * 4 * 3 * 3 * 3);
      expect(found).toBeGreaterThan(500);
    });

    test.for([1, 2, 5, 19, 20, 100])('in pages of %i they are whole, each once', async (limit) => {
      for (const filter of [{}, { action: 'service_account.updated' }, { actorId: 'root' }]) {
        const asked = { from: at(start), to: at(start + 60_000), ...filter };
        expect(await idsBy(asked, limit)).toEqual(expected(filter));
      }
    });

    test('their pages are not disturbed by what happens between them', async () => {
      const before = await idsBy({ from: at(start) });
      const seen: string[] = [];
      let cursor = '';
      for (let page = 0; page < 100; page++) {
        const { body } = await service.call(
          'GET',
          `/v1/audit-events?from=${at(start)}&limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`,
        );
        seen.push(...body.data.map(({ id }: { id: string }) => id));
        if (body.nextCursor === null) break;
        cursor = encodeURIComponent(body.nextCursor);
        await service.account();
      }
      expect(seen).toEqual(before);
    });

    test('a time with an offset, and one as far off as can be written, is a time', async () => {
      const offset = at(start + 3_600_000 + 3_000).replace('Z', '+01:00');
      expect(await idsBy({ from: offset, actorId: admin.key.serviceAccountId })).toEqual(
        expected({ from: at(start + 3_000), actorId: admin.key.serviceAccountId }),
      );
      const whole = {
        from: '0000-01-01T00:00:00Z',
        to: '9999-12-31T23:59:59Z',
        actorId: admin.key.serviceAccountId,
      };
      expect(await idsBy(whole)).toEqual(expected({ actorId: admin.key.serviceAccountId }));
    });

    test('a time that ends before it begins holds nothing', async () => {
      expect(await idsBy({ from: at(start + 2_000), to: at(start + 1_000) })).toEqual([]);
    });
  });

  test('by time goes by the time that an event tells, however long its change was under way', async () => {
    const { id } = await service.account();
    await service.advance(1_000);
    const asked = service.now();
    service.d1Hooks.after = (sql) => {
      // The account was read; a second passes before anything is written.
      if (sql.some((text) => text.includes('FROM service_accounts'))) service.skip(1_000);
    };
    await service.call('PATCH', `/v1/service-accounts/${id}`, { body: { description: 'slow' } });
    delete service.d1Hooks.after;
    const [event] = await eventsBy({ targetId: id });
    expect(event?.action).toBe('service_account.updated');
    const told = Date.parse(event?.at ?? '');
    expect(service.now() - asked).toBeGreaterThan(0);
    expect(await idsBy({ targetId: id, from: at(told), to: at(told + 1) })).toEqual([event?.id]);
  });
});

describe('folding the changes of a row’s events, from its creation on,', () => {
  /** What the events say the row is; each must begin where those before it left off. */
  function fold(events: readonly { changes: string }[]): Record<string, unknown> {
    const row = new Map<string, unknown>();
    for (const { changes } of events) {
      for (const [field, edit] of Object.entries(JSON.parse(changes) as Changes)) {
        expect(row.get(field) ?? null, field).toEqual(edit.from ?? null);
        row.set(field, edit.to);
      }
    }
    return Object.fromEntries(row);
  }

  const eventsOf = async (target: string) =>
    (await stored()).filter(({ target_id, action }) => target_id === target && action !== 'grant.refused');

  const time = (ms: unknown): string | null => (typeof ms === 'number' ? at(ms) : null);
  const json = (text: unknown): unknown => (typeof text === 'string' ? JSON.parse(text) : null);
  const row = async (table: string, id: string): Promise<Record<string, unknown>> => {
    const found = await env.DB.prepare(`SELECT * FROM ${table} WHERE id = ?`).bind(id).first();
    if (found === null) throw new Error('no such row');
    return found;
  };

  async function keyRow(id: string): Promise<Record<string, unknown>> {
    const found = await row('api_keys', id);
    return {
      serviceAccountId: found['service_account_id'],
      userId: found['user_id'],
      name: found['name'],
      description: found['description'],
      environment: found['environment'],
      start: found['start'],
      fingerprint: found['fingerprint'],
      scopes: json(found['scopes']),
      metadata: json(found['metadata']),
      enabled: found['enabled'] === 1,
      expiresAt: time(found['expires_at']),
      revokedAt: time(found['revoked_at']),
      revokedBy: found['revoked_by'],
      revocationReason: found['revocation_reason'],
      rotatedFrom: found['rotated_from'],
      rotatedTo: found['rotated_to'],
      supersedes: found['supersedes'],
      deletedAt: time(found['deleted_at']),
    };
  }

  const withoutNulls = (fields: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

  async function foldsToKey(id: string): Promise<void> {
    expect(withoutNulls(fold(await eventsOf(id)))).toEqual(withoutNulls(await keyRow(id)));
  }

  test('gives a key’s', async () => {
    const { key } = await service.key({
      description: 'x',
      metadata: { a: 1 },
      expiresIn: '10d',
      scopes: ['a'],
    });
    const change = (body: object) => service.call('PATCH', `/v1/api-keys/${key.id}`, { body });
    await change({ name: 'one', scopes: null, metadata: null });
    await change({ enabled: false, description: null, expiresAt: null });
    await change({ enabled: true });
    const { body } = await service.call('POST', `/v1/api-keys/${key.id}/rotate`, {
      body: { untilFirstUse: true },
    });
    await foldsToKey(key.id);
    await service.verify(body.secret);
    await service.settle();
    await service.advance(1_000);
    await service.call('POST', `/v1/api-keys/${body.key.id}/revoke`, { body: { reason: 'leaked' } });
    await service.call('DELETE', `/v1/api-keys/${body.key.id}`);
    await foldsToKey(key.id);
    await foldsToKey(body.key.id);
  });

  const meanwhile: Record<string, (id: string, on: TestService) => Promise<Answer>> = {
    'is changed': (id, on) => on.call('PATCH', `/v1/api-keys/${id}`, { body: { name: 'theirs' } }),
    'is revoked': (id, on) => on.call('POST', `/v1/api-keys/${id}/revoke`, { body: { reason: 'theirs' } }),
    'is rotated': (id, on) => on.call('POST', `/v1/api-keys/${id}/rotate`, { body: {} }),
    'is deleted': (id, on) => on.call('DELETE', `/v1/api-keys/${id}`),
  };
  const changes: Record<string, (id: string) => Promise<Answer>> = {
    changed: (id) => service.call('PATCH', `/v1/api-keys/${id}`, { body: { name: 'mine', enabled: false } }),
    revoked: (id) => service.call('POST', `/v1/api-keys/${id}/revoke`, { body: { reason: 'mine' } }),
    rotated: (id) => service.call('POST', `/v1/api-keys/${id}/rotate`, { body: { gracePeriod: '1h' } }),
    deleted: (id) => service.call('DELETE', `/v1/api-keys/${id}`),
  };
  const races = Object.entries(changes).flatMap(([doing, change]) =>
    Object.entries(meanwhile).map(([done, other]) => [`${doing} while it ${done}`, change, other] as const),
  );

  test.for(races)('gives a key’s that is %s', async ([, change, other]) => {
    const { key } = await service.key();
    await service.advance(1_000);
    let done = 0;
    service.d1Hooks.beforeBatch = async () => {
      delete service.d1Hooks.beforeBatch;
      const isolate = new TestService();
      isolate.skip(service.now() - isolate.now() - 500);
      done = (await other(key.id, isolate)).status;
    };
    const answer = await change(key.id);
    expect(done).toBeLessThan(300);
    expect(answer.status).toBeLessThan(500);
    await foldsToKey(key.id);
  });

  test('gives an account’s', async () => {
    const { id } = await service.account({ description: 'x', permissions: ['a'], metadata: { a: 1 } });
    const path = `/v1/service-accounts/${id}`;
    await service.call('PATCH', path, { body: { role: 'admin', permissions: [], description: null } });
    await service.call('POST', `${path}/disable`);
    await service.call('POST', `${path}/enable`);
    await service.call('PATCH', path, { body: { metadata: null, role: null, name: crypto.randomUUID() } });
    await service.call('POST', `${path}/disable`);
    await service.call('DELETE', path);
    const found = await row('service_accounts', id);
    expect(withoutNulls(fold(await eventsOf(id)))).toEqual(
      withoutNulls({
        name: found['name'],
        description: found['description'],
        permissions: json(found['permissions']),
        role: found['role'],
        metadata: json(found['metadata']),
        disabledAt: time(found['disabled_at']),
        deletedAt: time(found['deleted_at']),
      }),
    );
  });

  test('gives an organization’s', async () => {
    const { id } = await service.organization({ maxLiveKeys: 3, personalKeyPermissions: ['a'] });
    const change = (body: object) => service.call('PATCH', `/v1/organizations/${id}`, { body });
    await change({ slug: `o-${crypto.randomUUID()}`, keyPrefix: 'acme', maxLiveKeys: null });
    await change({ maxKeyLifetime: '90d', personalKeyPermissions: ['a', 'b'], name: 'Renamed' });
    await service.call('DELETE', `/v1/organizations/${id}`);
    const found = await row('organizations', id);
    expect(withoutNulls(fold(await eventsOf(id)))).toEqual(
      withoutNulls({
        slug: found['slug'],
        name: found['name'],
        keyPrefix: found['key_prefix'],
        personalKeyPermissions: json(found['personal_key_permissions']),
        maxLiveKeys: found['max_live_keys'],
        maxKeyLifetime: found['max_key_lifetime'],
        deletedAt: time(found['deleted_at']),
      }),
    );
  });
});
