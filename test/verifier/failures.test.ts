import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { Unavailable } from '../../src/core/faults.ts';
import {
  align,
  count,
  cutOff,
  edgeAndOffice,
  emptyKv,
  gate,
  holdUp,
  INTERVAL_MS,
  putKv,
  putSnapshot,
  readKv,
  reconnect,
  refuseKvWrites,
  snapshotInKv,
  strayKey,
  until,
  untilWaiting,
  USABLE_MS,
} from '../support/edge.ts';
import { dumpTables, TestService, type Answer } from '../support/service.ts';

/** How long an edge that is cut off from D1 goes on by what it knows, beyond what it might anyway. */
const GRACE_MS = 600_000;

/** `edge` verifies, and is where things fail. `office` is another isolate, in good order. */
let edge: TestService;
let office: TestService;

beforeEach(async () => {
  ({ edge, office } = await edgeAndOffice());
});

type Minted = Awaited<ReturnType<TestService['key']>>;

/** A new key that KV has. */
async function kept(...fields: Parameters<TestService['key']>): Promise<Minted> {
  const minted = await office.key(...fields);
  await office.settle();
  return minted;
}

/** A new key that edge has in memory, and knowledge that is as young as can be. */
async function warm(...fields: Parameters<TestService['key']>): Promise<Minted> {
  const minted = await kept(...fields);
  await edge.upkeep();
  expect(await edge.verify(minted.secret)).toMatchObject({ valid: true });
  await edge.settle();
  return minted;
}

const ask = (secret: string, fields: object = {}, service = edge): Promise<Answer> =>
  service.call('POST', '/v1/api-keys/verify', { body: { key: secret, ...fields } });

const revoke = (service: TestService, { key }: Minted): Promise<Answer> =>
  service.call('POST', `/v1/api-keys/${key.id}/revoke`);

/** Time goes by for both. */
function skip(ms: number): void {
  edge.skip(ms);
  office.skip(ms);
}

function refusesFor503(answer: Answer): void {
  expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  expect(answer.headers.get('Retry-After')).toMatch(/^[1-9][0-9]*$/);
}

const isLookUp = ([sql = '', second = '']: readonly string[]): boolean =>
  sql.includes('json_each') || second.includes('json_each');

describe('while KV reads fail', () => {
  beforeEach(() => {
    edge.kvHooks.before = (operation) => {
      if (operation === 'get') throw new Error('KV GET failed: 500 Internal Server Error');
    };
  });

  test('a cold isolate is answered by D1, and then by memory', async () => {
    const { secret } = await kept();
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'memory' });
    expect(edge.logs.map(({ event }) => event)).toContain('kv_read_failed');
  });

  test('an isolate that serves is answered by D1 for what memory lacks, and told of what is nobody’s', async () => {
    await edge.upkeep();
    const minted = await kept();
    expect(await edge.verify(minted.secret)).toMatchObject({ valid: true, source: 'd1' });
    expect(await edge.verify(strayKey())).toMatchObject({ code: 'NOT_FOUND', source: 'd1' });
  });

  test('every change is made, and known', async () => {
    const minted = await edge.key();
    expect(await edge.verify(minted.secret)).toMatchObject({ valid: true });
    expect(await revoke(edge, minted)).toMatchObject({ status: 200 });
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED' });
  });
});

describe('while KV does not answer', () => {
  test('a cold isolate waits half a second, for both reads at once, and asks D1', async () => {
    const { secret } = await kept();
    const never = gate();
    edge.kvHooks.before = (operation) => (operation === 'get' ? never.passed : undefined);
    const verdict = edge.verify(secret);
    await untilWaiting(edge, 2);
    await edge.advance(499);
    expect(edge.deadlines()).toBe(2);
    await edge.advance(1);
    expect(await verdict).toMatchObject({ valid: true, source: 'd1', ageSeconds: 0 });
    never.open();
  });

  test('what comes later than that does no harm', async () => {
    const minted = await kept();
    const old = await readKv();
    const late = gate();
    edge.kvHooks.before = (operation) => (operation === 'get' ? late.passed : undefined);
    const verdict = edge.verify(minted.secret);
    await untilWaiting(edge, 2);
    await edge.advance(1_000);
    expect(await verdict).toMatchObject({ valid: true, source: 'd1' });
    await revoke(edge, minted);
    await edge.settle();
    await putKv(old);
    late.open();
    await edge.settle();
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED' });
  });

  test('nor does what comes in time, after the isolate has learned of a change', async () => {
    const minted = await kept();
    await edge.upkeep();
    const late = gate();
    edge.kvHooks.before = (operation) => (operation === 'get' ? late.passed : undefined);
    const verdict = edge.verify(minted.secret);
    await untilWaiting(edge);
    refuseKvWrites(office);
    await revoke(office, minted);
    await edge.upkeep();
    late.open();
    expect(await verdict).toMatchObject({ code: 'REVOKED', source: 'd1' });
  });

  test('nor does what comes in time, after the isolate has made a change itself', async () => {
    const minted = await kept();
    const old = await readKv();
    await edge.upkeep();
    const late = gate();
    edge.kvHooks.before = (operation) => (operation === 'get' ? late.passed : undefined);
    const verdict = edge.verify(minted.secret);
    await untilWaiting(edge);
    await revoke(edge, minted);
    await edge.settle();
    await putKv(old);
    late.open();
    expect(await verdict).toMatchObject({ code: 'REVOKED' });
  });

  test('changes are made and answered, and nobody waits for what is put', async () => {
    const never = gate();
    edge.kvHooks.before = () => never.passed;
    const minted = await edge.key();
    expect(await revoke(edge, minted)).toMatchObject({ status: 200 });
    never.open();
  });
});

describe('while KV lies', () => {
  test('an old record, put back after its key was revoked, is used by nobody who knows better', async () => {
    const minted = await warm();
    const old = await readKv();
    await revoke(office, minted);
    await office.settle();
    const snapshot = await snapshotInKv();
    await putKv(old);
    await putSnapshot(snapshot ?? expect.fail('no snapshot was put'));
    const cold = new TestService();
    align(cold, edge);
    for (const isolate of [office, cold]) {
      expect(await isolate.verify(minted.secret)).toMatchObject({ code: 'REVOKED' });
    }
    await edge.upkeep();
    await putKv(old);
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
  });

  test('and is used no longer than the bound by one that was told old news as well', async () => {
    const minted = await kept();
    await office.upkeep();
    const old = await readKv();
    await revoke(office, minted);
    await office.settle();
    await putKv(old);
    skip(USABLE_MS);
    const cold = new TestService();
    align(cold, edge);
    expect(await cold.verify(minted.secret)).toMatchObject({ valid: true, source: 'kv', ageSeconds: 110 });
    // The next one starts a sync, since knowledge is that old.
    await cold.verify(minted.secret);
    await cold.settle();
    expect(await cold.verify(minted.secret)).toMatchObject({ code: 'REVOKED' });
    skip(1);
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
  });

  test('an absence that KV has cached costs a look into D1, and hides nothing', async () => {
    const minted = await kept();
    await office.upkeep();
    await emptyKv(office);
    expect(await edge.verify(minted.secret)).toMatchObject({ valid: true, source: 'd1' });
  });

  test('a record that outlives its key’s expiry is judged by the clock', async () => {
    const { secret } = await kept({ expiresIn: '90s' });
    const old = await readKv();
    skip(90_000);
    await office.upkeep();
    await putKv(old);
    expect(await edge.verify(secret)).toMatchObject({ code: 'EXPIRED', source: 'kv' });
  });

  test.each(['', 'null', '{}', 'not json', '{"key":{"id":"key_1"}}', '{"generation":1,"knownAt":"now"}'])(
    'what is there but did not come from this version is a miss: %j',
    async (value) => {
      const { secret } = await kept();
      await office.upkeep();
      const { keys } = await env.CACHE.list();
      expect(keys).toHaveLength(2);
      for (const { name } of keys) await env.CACHE.put(name, value);
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
    },
  );
});

describe('while KV takes nothing', () => {
  test('changes are made, and are in force elsewhere within the bound', async () => {
    const minted = await warm();
    refuseKvWrites(office);
    expect(await revoke(office, minted)).toMatchObject({ status: 200 });
    await office.settle();
    expect(office.logs.map(({ event }) => event)).toContain('background_failed');
    edge.skip(INTERVAL_MS);
    await edge.verify(minted.secret);
    await edge.settle();
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
  });

  test('what D1 answered is in memory all the same', async () => {
    refuseKvWrites(edge);
    refuseKvWrites(office);
    const { secret } = await office.key();
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'memory' });
  });
});

describe('an edge that is cut off from D1', () => {
  describe('with memory', () => {
    test('goes on as before for as long as its knowledge is young', async () => {
      const { secret } = await warm();
      cutOff(edge);
      edge.skip(USABLE_MS);
      const verdict = await edge.verify(secret);
      expect(verdict).toMatchObject({ valid: true, source: 'memory', ageSeconds: 110 });
      expect(verdict).not.toHaveProperty('degraded');
    });

    test('then says that it is degraded, and how old what it knows is', async () => {
      const { secret } = await warm();
      cutOff(edge);
      edge.skip(USABLE_MS + 1);
      expect(await edge.verify(secret)).toMatchObject({
        valid: true,
        degraded: true,
        source: 'memory',
        ageSeconds: 110,
      });
      edge.skip(GRACE_MS - 1);
      expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true, ageSeconds: 710 });
    });

    test('and after the grace refuses with 503: never a yes', async () => {
      const { secret } = await warm();
      cutOff(edge);
      edge.skip(USABLE_MS + GRACE_MS + 1);
      refusesFor503(await ask(secret));
    });

    test.each([
      ['0', 0],
      ['60', 60_000],
    ])('OUTAGE_GRACE_SECONDS %s is as long as that', async (seconds, graceMs) => {
      edge = new TestService({ OUTAGE_GRACE_SECONDS: seconds });
      align(edge, office);
      const { secret } = await warm();
      cutOff(edge);
      edge.skip(USABLE_MS + graceMs);
      expect(await edge.verify(secret)).toMatchObject({ valid: true });
      edge.skip(1);
      refusesFor503(await ask(secret));
    });

    test('keeps its word on maxStaleness: 503 rather than what is older', async () => {
      const { secret } = await warm();
      cutOff(edge);
      refusesFor503(await ask(secret, { maxStaleness: 0 }));
      edge.skip(30_000);
      expect(await edge.verify(secret, { maxStaleness: 30 })).toMatchObject({ valid: true, ageSeconds: 30 });
      refusesFor503(await ask(secret, { maxStaleness: 29 }));
      edge.skip(USABLE_MS);
      for (const maxStaleness of [0, 30, 3_600]) refusesFor503(await ask(secret, { maxStaleness }));
      expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true });
    });

    test('never goes by what a change that it knows of contradicts', async () => {
      const minted = await warm();
      refuseKvWrites(office);
      await revoke(office, minted);
      await edge.upkeep();
      cutOff(edge);
      refusesFor503(await ask(minted.secret));
      edge.skip(USABLE_MS + 1);
      refusesFor503(await ask(minted.secret));
    });

    test('never turns a no that it was told by D1 into a yes', async () => {
      const { id } = await office.organization({ personalKeyPermissions: ['files:read'] });
      const headers = { 'Mintmark-Organization': id };
      const { body } = await office.call('POST', '/v1/api-keys', {
        headers,
        body: { name: 'personal', userId: 'ada', scopes: [] },
      });
      await office.settle();
      await edge.upkeep();
      // As over a binding for every organization, which needs no name looked up.
      const verify = (maxStaleness?: number) =>
        edge.verifier.verify({
          key: body.secret,
          organizationId: null,
          scopes: [],
          usedFrom: { ip: null, userAgent: null },
          maxStaleness,
        });
      expect((await verify()).decision.code).toBe('VALID');
      refuseKvWrites(office);
      await office.call('DELETE', `/v1/organizations/${id}`);
      expect(await verify(0)).toMatchObject({ decision: { code: 'NOT_FOUND' }, source: 'd1' });
      cutOff(edge);
      // Not from memory, nor, once the absence is no longer remembered, from what KV still says.
      for (const ms of [0, 5_000, USABLE_MS]) {
        edge.skip(ms);
        const verdict = await verify().catch((error: unknown) => error);
        expect(verdict).not.toMatchObject({ decision: { code: 'VALID' } });
      }
    });

    test('still says no where it said no, and judges expiry by its clock', async () => {
      const revoked = await warm();
      const expiring = await warm({ expiresIn: '300s' });
      await revoke(edge, revoked);
      cutOff(edge);
      edge.skip(299_999);
      expect(await edge.verify(revoked.secret)).toMatchObject({ code: 'REVOKED', degraded: true });
      expect(await edge.verify(expiring.secret)).toMatchObject({ valid: true, degraded: true });
      edge.skip(1);
      expect(await edge.verify(expiring.secret)).toMatchObject({ code: 'EXPIRED', degraded: true });
    });

    test('has no verdict on what it does not know, and tells another organization’s key from it by nothing', async () => {
      const theirs = await office.organization({ personalKeyPermissions: [] });
      const { body } = await office.call('POST', '/v1/api-keys', {
        headers: { 'Mintmark-Organization': theirs.id },
        body: { name: 'theirs', userId: 'eve', scopes: [] },
      });
      await office.settle();
      await warm();
      // It comes by in the other organization, and is in memory.
      await edge.call('POST', '/v1/api-keys/verify', {
        headers: { 'Mintmark-Organization': theirs.id },
        body: { key: body.secret },
      });
      cutOff(edge);
      for (const ms of [0, USABLE_MS + 1]) {
        edge.skip(ms);
        refusesFor503(await ask(strayKey()));
        refusesFor503(await ask(body.secret));
      }
    });

    test('judges a caller’s own key so as well', async () => {
      const caller = await warm({}, { permissions: ['mintmark:keys:verify'] });
      const { secret } = await warm();
      cutOff(edge);
      edge.skip(USABLE_MS + 1);
      const answer = await edge.call('POST', '/v1/api-keys/verify', {
        credential: caller.secret,
        body: { key: secret },
      });
      expect(answer.body).toMatchObject({ valid: true, degraded: true });
      edge.skip(GRACE_MS);
      expect(await edge.call('GET', '/v1/whoami', { credential: caller.secret })).toMatchObject({
        status: 503,
      });
    });

    test('still knows an organization by the slug that it was called by before', async () => {
      const { id, slug } = await office.organization({ personalKeyPermissions: [] });
      const headers = { 'Mintmark-Organization': slug };
      const { body } = await office.call('POST', '/v1/api-keys', {
        headers: { 'Mintmark-Organization': id },
        body: { name: 'personal', userId: 'ada', scopes: [] },
      });
      await office.settle();
      await edge.upkeep();
      const verify = () => edge.call('POST', '/v1/api-keys/verify', { headers, body: { key: body.secret } });
      expect((await verify()).body).toMatchObject({ valid: true });
      cutOff(edge);
      edge.skip(USABLE_MS + 1);
      expect((await verify()).body).toMatchObject({ valid: true, degraded: true });
    });
  });

  describe('and cold', () => {
    test('goes by KV as long as its snapshot is young, and is not degraded', async () => {
      const { secret } = await kept();
      await office.upkeep();
      const { tries } = cutOff(edge);
      edge.skip(USABLE_MS);
      const verdict = await edge.verify(secret);
      expect(verdict).toMatchObject({ valid: true, source: 'kv', ageSeconds: 110 });
      expect(verdict).not.toHaveProperty('degraded');
      expect(tries).toBe(0);
    });

    test('goes by an older snapshot for the grace, and says so', async () => {
      const { secret } = await kept();
      await office.upkeep();
      cutOff(edge);
      edge.skip(USABLE_MS + GRACE_MS);
      expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true, ageSeconds: 710 });
      edge.skip(1);
      refusesFor503(await ask(secret));
      const later = new TestService();
      align(later, edge);
      cutOff(later);
      refusesFor503(await ask(secret, {}, later));
    });

    test('goes by what an older snapshot tells of changes, too', async () => {
      const minted = await kept();
      const old = await readKv();
      await revoke(office, minted);
      await office.settle();
      const snapshot = await snapshotInKv();
      await putKv(old);
      await putSnapshot(snapshot ?? expect.fail('no snapshot was put'));
      cutOff(edge);
      edge.skip(USABLE_MS + 1);
      refusesFor503(await ask(minted.secret));
    });

    test('goes by a record’s own stamp where there is no snapshot', async () => {
      const { secret } = await kept();
      cutOff(edge);
      edge.skip(50_000);
      const young = await edge.verify(secret);
      expect(young).toMatchObject({ valid: true, ageSeconds: 50 });
      expect(young).not.toHaveProperty('degraded');
      edge.skip(USABLE_MS + GRACE_MS - 50_000);
      expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true, ageSeconds: 710 });
      edge.skip(1);
      refusesFor503(await ask(secret));
    });

    test('says that this came from KV, and from memory when it did', async () => {
      const { secret } = await kept();
      cutOff(edge);
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'kv' });
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'memory' });
    });

    test('has no verdict on what KV does not have, nor with maxStaleness, nor without grace', async () => {
      const { secret } = await kept();
      cutOff(edge);
      refusesFor503(await ask(strayKey()));
      refusesFor503(await ask(secret, { maxStaleness: 3_600 }));
      const strict = new TestService({ OUTAGE_GRACE_SECONDS: '0' });
      align(strict, office);
      cutOff(strict);
      refusesFor503(await ask(secret, {}, strict));
    });
  });

  describe('and from KV', () => {
    test('goes on by memory for the same time', async () => {
      const { secret } = await warm();
      const { secret: kvAlone } = await kept();
      cutOff(edge);
      edge.kvHooks.before = () => {
        throw new Error('KV GET failed: 500');
      };
      refusesFor503(await ask(kvAlone));
      edge.skip(USABLE_MS + GRACE_MS);
      expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true });
      edge.skip(1);
      refusesFor503(await ask(secret));
    });

    test('has no verdict at all when cold', async () => {
      const { secret } = await kept();
      cutOff(edge);
      edge.kvHooks.before = () => {
        throw new Error('KV GET failed: 500');
      };
      refusesFor503(await ask(secret));
    });
  });

  describe('tries D1', () => {
    test('once in five seconds for what it can answer without', async () => {
      const { secret } = await warm();
      const outage = cutOff(edge);
      edge.skip(USABLE_MS + 1);
      for (let second = 0; second < 20; second++) {
        for (let time = 0; time < 5; time++) {
          expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true });
        }
        edge.skip(1_000);
      }
      expect(outage.tries).toBe(4);
    });

    test('once in five seconds for what KV can answer, too', async () => {
      const [one, two] = [await kept(), await kept()];
      const outage = cutOff(edge);
      expect(await edge.verify(one.secret)).toMatchObject({ valid: true });
      expect(outage.tries).toBe(1);
      expect(await edge.verify(two.secret)).toMatchObject({ valid: true });
      expect(outage.tries).toBe(1);
    });

    test('by one request at a time; the others do not wait for it', async () => {
      const { secret } = await warm();
      cutOff(edge);
      edge.skip(USABLE_MS + 1);
      await edge.verify(secret);
      edge.skip(5_000);
      const slow = holdUp(edge);
      const trying = edge.verify(secret);
      await until(() => slow.asked === 1);
      expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true });
      expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true });
      expect(slow.asked).toBe(1);
      await edge.advance(5_000);
      expect(await trying).toMatchObject({ valid: true, degraded: true });
      slow.letGo();
    });

    test('each time for what it cannot answer without', async () => {
      await warm();
      const outage = cutOff(edge);
      for (let time = 0; time < 3; time++) refusesFor503(await ask(strayKey()));
      expect(outage.tries).toBe(3);
    });

    test('once an interval in the background while its knowledge is young', async () => {
      const { secret } = await warm();
      const outage = cutOff(edge);
      for (let second = 0; second < 60; second++) {
        edge.skip(1_000);
        expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'memory' });
      }
      await edge.settle();
      expect(outage.tries).toBeGreaterThanOrEqual(4);
      expect(outage.tries).toBeLessThanOrEqual(7);
    });
  });

  test('is itself again within seconds of reaching D1, and knows what it missed', async () => {
    const [revoked, good] = [await warm(), await warm()];
    cutOff(edge);
    skip(USABLE_MS + 1);
    expect(await edge.verify(revoked.secret)).toMatchObject({ valid: true, degraded: true });
    refuseKvWrites(office);
    await revoke(office, revoked);
    reconnect(edge);
    edge.skip(4_999);
    expect(await edge.verify(revoked.secret)).toMatchObject({ valid: true, degraded: true });
    edge.skip(1);
    expect(await edge.verify(good.secret)).toMatchObject({ valid: true, source: 'd1', ageSeconds: 0 });
    const verdict = await edge.verify(revoked.secret);
    expect(verdict).toMatchObject({ code: 'REVOKED', source: 'd1' });
    expect(verdict).not.toHaveProperty('degraded');
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(good.secret)).not.toHaveProperty('degraded');
    });
    expect(count(io)).toEqual({ d1: 0, reads: 0, puts: 0 });
  });

  test('is itself again as soon as others, who reach D1, put a snapshot that it can read', async () => {
    const [revoked, good] = [await warm(), await warm()];
    cutOff(edge);
    skip(USABLE_MS + 1);
    for (const { secret } of [revoked, good]) {
      expect(await edge.verify(secret)).toMatchObject({ valid: true, degraded: true });
    }
    await revoke(office, revoked);
    await office.settle();
    skip(5_000);
    const verdict = await edge.verify(good.secret);
    expect(verdict).toMatchObject({ valid: true, source: 'memory', ageSeconds: 5 });
    expect(verdict).not.toHaveProperty('degraded');
    expect(await edge.verify(revoked.secret)).toMatchObject({ code: 'REVOKED', source: 'kv' });
  });

  test('takes what KV has of a key that it learns has changed, by the same request', async () => {
    const minted = await warm();
    cutOff(edge);
    skip(USABLE_MS + 1);
    await revoke(office, minted);
    await office.settle();
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED', source: 'kv' });
  });
});

describe('management while D1 cannot be reached', () => {
  const CALLS: Readonly<Record<string, (minted: Minted) => readonly [string, string, object?]>> = {
    minting: () => ['POST', '/v1/api-keys', { name: 'key', userId: 'ada', scopes: [] }],
    'making an account': () => ['POST', '/v1/service-accounts', { name: 'account' }],
    'making an organization': () => ['POST', '/v1/organizations', { name: 'organization' }],
    revoking: ({ key }) => ['POST', `/v1/api-keys/${key.id}/revoke`],
    rotating: ({ key }) => ['POST', `/v1/api-keys/${key.id}/rotate`],
    changing: ({ key }) => ['PATCH', `/v1/api-keys/${key.id}`, { enabled: false }],
    'disabling an account': ({ key }) => ['POST', `/v1/service-accounts/${key.serviceAccountId}/disable`],
    reading: ({ key }) => ['GET', `/v1/api-keys/${key.id}`],
    listing: () => ['GET', '/v1/api-keys'],
  };

  // What is not known to have failed is in test/keyring/atomicity.test.ts.
  test.each(Object.entries(CALLS))('%s is refused with 503, and nothing is changed', async (_, call) => {
    const minted = await warm();
    const [method, path, body] = call(minted);
    const before = await dumpTables();
    cutOff(edge);
    refusesFor503(await edge.call(method, path, { body }));
    const admin = await office.key({}, { role: 'admin' });
    const after = await dumpTables();
    refusesFor503(await edge.call(method, path, { body, credential: admin.secret }));
    expect(await dumpTables()).toEqual(after);
    expect(Object.keys(before)).toEqual(Object.keys(after));
  });
});

describe('while D1 is slow', () => {
  test('a verification waits three seconds for it', async () => {
    const { secret } = await kept();
    await emptyKv(office);
    const slow = holdUp(edge);
    const verdict = edge.verify(secret);
    await until(() => slow.asked === 1);
    await edge.advance(2_999);
    slow.letGo();
    expect(await verdict).toMatchObject({ valid: true, source: 'd1', ageSeconds: 2 });
  });

  test('and then gives up with 503', async () => {
    const slow = holdUp(edge);
    const answer = ask(strayKey());
    await until(() => slow.asked === 1);
    await edge.advance(5_000);
    refusesFor503(await answer);
    slow.letGo();
  });

  test('or goes on by what the edge knows', async () => {
    const { secret } = await warm();
    const slow = holdUp(edge);
    edge.skip(USABLE_MS + 1);
    const verdict = edge.verify(secret);
    await until(() => slow.asked === 1);
    await edge.advance(5_000);
    expect(await verdict).toMatchObject({ valid: true, degraded: true, ageSeconds: 115 });
    slow.letGo();
  });

  test('an organization’s name is not waited for any longer', async () => {
    const { slug } = await office.organization();
    const slow = holdUp(edge);
    const answer = edge.call('POST', '/v1/api-keys/verify', {
      headers: { 'Mintmark-Organization': slug },
      body: { key: strayKey() },
    });
    await until(() => slow.asked === 1);
    await edge.advance(5_000);
    const waiting = new Promise<string>((resolve) => setTimeout(resolve, 300, 'still waiting'));
    expect(await Promise.race([answer.then(({ status }) => status), waiting])).toBe(503);
    slow.letGo();
  });

  test('a sync that hangs is retried by another after the interval, and harms nothing when it comes', async () => {
    const minted = await warm();
    edge.skip(INTERVAL_MS);
    const late = gate();
    let syncs = 0;
    edge.d1Hooks.after = () => (syncs++ === 0 ? late.passed : undefined);
    await edge.verify(minted.secret);
    await until(() => syncs === 1);
    edge.skip(9_999);
    expect(await edge.verify(minted.secret)).toMatchObject({ valid: true, ageSeconds: 21 });
    refuseKvWrites(office);
    await revoke(office, minted);
    edge.skip(1);
    await edge.verify(minted.secret);
    await until(() => syncs === 2);
    expect(syncs, 'none began before the interval was over').toBe(2);
    await until(() => edge.io.d1.length >= 3);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED' });
    late.open();
    await edge.settle();
    edge.skip(1_000);
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED', ageSeconds: 1 });
  });
});

describe('D1’s answer that others overtake', () => {
  /** Runs something each time that D1 has answered a look-up of the edge’s, before the answer is there. */
  function meanwhile(action: () => Promise<unknown>): { lookUps: number } {
    const told = { lookUps: 0 };
    edge.d1Hooks.after = async (sql) => {
      if (!isLookUp(sql)) return;
      told.lookUps++;
      await action();
    };
    return told;
  }

  test('is not used: D1 is asked again', async () => {
    await edge.upkeep();
    const minted = await kept();
    await emptyKv(office);
    refuseKvWrites(office);
    let isRevoked = false;
    const told = meanwhile(async () => {
      if (isRevoked) return;
      isRevoked = true;
      await revoke(office, minted);
      await edge.upkeep();
    });
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
    expect(told.lookUps).toBe(2);
  });

  test('is not used after a change of the isolate’s own either', async () => {
    await edge.upkeep();
    const minted = await kept();
    await emptyKv(office);
    let isRevoked = false;
    const told = meanwhile(async () => {
      if (isRevoked) return;
      isRevoked = true;
      await revoke(edge, minted);
    });
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED' });
    expect(told.lookUps).toBeGreaterThanOrEqual(1);
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED', source: 'memory' });
  });

  test('again and again is given up after five times, with 503', async () => {
    await edge.upkeep();
    const minted = await kept();
    await emptyKv(office);
    refuseKvWrites(office);
    const told = meanwhile(async () => {
      await office.call('PATCH', `/v1/api-keys/${minted.key.id}`, { body: { name: crypto.randomUUID() } });
      await edge.upkeep();
    });
    refusesFor503(await ask(minted.secret));
    expect(told.lookUps).toBe(5);
  });
});

describe('where clocks disagree', () => {
  /** An isolate whose clock is so far ahead of the edge's. */
  function ahead(ms: number): TestService {
    const isolate = new TestService();
    align(isolate, edge);
    isolate.skip(ms);
    return isolate;
  }

  test.each([
    [1_000, 'kv'],
    [1_001, 'd1'],
    [50_000, 'd1'],
  ])('a snapshot from %i ms in the future is believed up to a second', async (ms, source) => {
    const { secret } = await kept();
    await ahead(ms).upkeep();
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source, ageSeconds: 0 });
  });

  test.each([
    [1_000, 0],
    [1_001, 50],
    [90_000, 50],
  ])(
    'a record from %i ms in the future is believed, and its stamp up to a second',
    async (ms, ageSeconds) => {
      await edge.upkeep();
      edge.d1Hooks.before = () => expect.fail('the knowledge is to stay as it is');
      edge.skip(50_000);
      const isolate = ahead(ms);
      const { secret } = await isolate.key();
      await isolate.settle();
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'kv', ageSeconds });
      await edge.settle();
    },
  );

  test.each([
    [1_000, 200],
    [1_001, 503],
    [500_000, 503],
  ])('a cold isolate in an outage believes its stamp up to a second as well: %i ms', async (ms, status) => {
    const isolate = ahead(ms);
    const { secret } = await isolate.key();
    await isolate.settle();
    cutOff(edge);
    expect((await ask(secret)).status).toBe(status);
  });

  test('a revocation by an isolate whose clock is far behind is in force as soon as any', async () => {
    const minted = await warm();
    const behind = new TestService();
    align(behind, edge);
    behind.skip(-50_000);
    refuseKvWrites(behind);
    await revoke(behind, minted);
    edge.skip(USABLE_MS + 1);
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED' });
  });
});

describe('many keys at once', () => {
  const many = (keys: readonly string[]) =>
    edge.verifier.verifyMany(
      keys.map((key) => ({ key, organizationId: null, scopes: [], usedFrom: { ip: null, userAgent: null } })),
    );

  test('go by what the edge knows, if it knows them all', async () => {
    const [one, two] = [await warm(), await warm()];
    cutOff(edge);
    edge.skip(USABLE_MS + 1);
    expect(await many([one.secret, 'nonsense', two.secret])).toMatchObject([
      { isDegraded: true, decision: { code: 'VALID' } },
      { isDegraded: false, decision: { code: 'MALFORMED' } },
      { isDegraded: true, decision: { code: 'VALID' } },
    ]);
  });

  test('have no verdicts if it does not', async () => {
    const { secret } = await warm();
    cutOff(edge);
    await expect(many([secret, strayKey()])).rejects.toThrow(Unavailable);
  });
});
