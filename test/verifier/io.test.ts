import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { count, emptyKv, gate, INTERVAL_MS, strayKey, USABLE_MS } from '../support/edge.ts';
import { TestService } from '../support/service.ts';

const NOTHING = { d1: 0, reads: 0, puts: 0 };
/** The generation, the newest and the oldest change, and an empty list: what D1 reads to say that nothing has changed. */
const ROWS_OF_A_SYNC = 4;
/** The digest, its place in the index, the key, its account, its organization, the newest change, the generation. */
const ROWS_OF_A_KEY = 7;

/** Makes changes, and puts what has changed into KV. */
let office: TestService;
/** Verifies. Knows nothing at first. */
let edge: TestService;

beforeEach(async () => {
  await emptyKv();
  office = new TestService();
  edge = new TestService();
});

type Minted = Awaited<ReturnType<TestService['key']>>;

/** A new key that edge has in memory, and knowledge that is as young as can be. */
async function warm(...fields: Parameters<TestService['key']>): Promise<Minted> {
  const minted = await office.key(...fields);
  await office.settle();
  expect(await edge.verify(minted.secret, { maxStaleness: 0 })).toMatchObject({ valid: true });
  await edge.upkeep();
  return minted;
}

/** A new key that KV alone has, and a snapshot beside it if asked for. */
async function inKv({ snapshot }: { snapshot: boolean }): Promise<Minted> {
  const minted = await office.key();
  await office.settle();
  if (snapshot) await office.upkeep();
  return minted;
}

describe('a key that needs no look-up', () => {
  test('a malformed or mistyped one costs nothing, of a cold isolate as well', async () => {
    const { secret } = await office.key();
    const mistyped = secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0');
    for (const key of ['', 'nonsense', mistyped, 'a'.repeat(50_000)]) {
      const io = await edge.ioOf(async () => {
        expect(await edge.verify(key)).toMatchObject({ code: 'MALFORMED', source: 'none', ageSeconds: 0 });
      });
      expect(count(io)).toEqual(NOTHING);
      expect(io.limits).toEqual([]);
    }
  });

  test('one in memory costs nothing, whatever its verdict is', async () => {
    const { secret } = await warm();
    const disabled = await warm({ enabled: undefined });
    await office.call('PATCH', `/v1/api-keys/${disabled.key.id}`, { body: { enabled: false } });
    await edge.verify(disabled.secret, { maxStaleness: 0 });
    for (const [key, code] of [
      [secret, 'VALID'],
      [disabled.secret, 'DISABLED'],
    ]) {
      const io = await edge.ioOf(async () => {
        expect(await edge.verify(key ?? '')).toMatchObject({ code, source: 'memory', ageSeconds: 0 });
      });
      expect(count(io)).toEqual(NOTHING);
      expect(io.limits).toEqual([]);
    }
  });

  test('one that this isolate minted is in memory', async () => {
    await warm();
    const { secret } = await edge.key();
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'memory' });
    });
    expect(count(io)).toEqual(NOTHING);
  });
});

describe('an isolate that serves', () => {
  test('asks D1 what has changed once an interval, and nothing else, however many keys and requests', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => office.key()));
    await office.settle();
    await edge.upkeep();
    for (const { secret } of keys) await edge.verify(secret, { maxStaleness: 0 });
    const minute = await edge.ioOf(async () => {
      for (let second = 0; second < 60; second++) {
        await edge.advance(1_000);
        const verdicts = await Promise.all(keys.map(({ secret }) => edge.verify(secret)));
        expect(verdicts.every(({ valid, source }) => valid && source === 'memory')).toBe(true);
        expect(Math.max(...verdicts.map(({ ageSeconds }) => ageSeconds))).toBeLessThanOrEqual(12);
      }
    });
    const { d1, ...kv } = count(minute);
    expect(kv).toEqual({ reads: 0, puts: 0 });
    // Ten seconds, give or take a fifth; the clock here moves by whole seconds.
    expect(d1).toBeGreaterThanOrEqual(4);
    expect(d1).toBeLessThanOrEqual(8);
  });

  test('answers at once when it is due to ask, by what it knows, and asks in the background', async () => {
    const { secret } = await warm();
    await edge.advance(INTERVAL_MS);
    const reached = gate();
    edge.d1Hooks.before = () => reached.passed;
    expect(await edge.verify(secret)).toMatchObject({ source: 'memory', ageSeconds: 12 });
    expect(await edge.verify(secret), 'one at a time asks').toMatchObject({ ageSeconds: 12 });
    const before = edge.io.d1.length;
    reached.open();
    await edge.settle();
    expect(edge.io.d1.slice(before).map(({ sql }) => sql.length)).toEqual([1]);
    expect(await edge.verify(secret)).toMatchObject({ source: 'memory', ageSeconds: 0 });
  });

  test('does not ask all the time at the same pace as others', async () => {
    const askedAfter = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const isolate = new TestService();
        const { secret } = await office.key();
        await isolate.upkeep();
        await isolate.verify(secret, { maxStaleness: 0 });
        for (let ms = 0; ms < INTERVAL_MS; ms += 100) {
          await isolate.advance(100);
          if (count(await isolate.ioOf(() => isolate.verify(secret))).d1 > 0) return ms + 100;
        }
        return Infinity;
      }),
    );
    expect(Math.min(...askedAfter)).toBeGreaterThanOrEqual(8_000);
    expect(Math.max(...askedAfter)).toBeLessThanOrEqual(12_000);
    expect(new Set(askedAfter).size).toBeGreaterThan(3);
  });

  test('reads no more rows of D1 with thousands of keys and changes there', async () => {
    const { key, secret } = await warm();
    await insertKeys(5_000, key.id);
    await env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
       INSERT INTO changes (subject, at) SELECT 'key_of_others_' || i, i FROM n`,
    ).run();
    const sync = async () => {
      await edge.advance(INTERVAL_MS);
      const { d1 } = await edge.ioOf(() => edge.verify(secret));
      expect(d1).toHaveLength(1);
      return d1[0]?.rowsRead ?? Infinity;
    };
    // Too many to tell: it starts over with the newest thousand.
    expect(await sync()).toBeLessThanOrEqual(1_010);
    await edge.verify(secret);
    await edge.settle();
    expect(await sync()).toBeLessThanOrEqual(ROWS_OF_A_SYNC);
    await office.call('PATCH', `/v1/api-keys/${key.id}`, { body: { name: 'changed' } });
    expect(await sync()).toBeLessThanOrEqual(ROWS_OF_A_SYNC + 1);
  });

  test('asks more often where the deployment says so', async () => {
    edge = new TestService({ SYNC_INTERVAL_SECONDS: '2' });
    const { secret } = await warm();
    await edge.advance(2_400);
    expect(count(await edge.ioOf(() => edge.verify(secret)))).toEqual({ ...NOTHING, d1: 1 });
  });
});

describe('a key that KV has', () => {
  test('costs an isolate that serves one KV read, and is in memory from then on', async () => {
    await warm();
    const { secret } = await inKv({ snapshot: false });
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'kv', ageSeconds: 0 });
    });
    expect(count(io)).toEqual({ ...NOTHING, reads: 1 });
    expect(count(await edge.ioOf(() => edge.verify(secret)))).toEqual(NOTHING);
  });

  test('costs a cold isolate two KV reads, side by side: the key, and the snapshot of what has changed', async () => {
    const { secret } = await inKv({ snapshot: true });
    const bothAsked = gate();
    edge.kvHooks.before = () => {
      if (edge.io.kv.length === 2) bothAsked.open();
      return bothAsked.passed;
    };
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'kv', ageSeconds: 0 });
    });
    expect(count(io)).toEqual({ ...NOTHING, reads: 2 });
    expect(io.kv.flatMap(({ names }) => names).toSorted()).toEqual([
      'changes:1',
      expect.stringMatching(/^key:/),
    ]);
    expect(count(await edge.ioOf(() => edge.verify(secret)))).toEqual(NOTHING);
  });

  test('costs an isolate that was long idle, and has it in memory, the snapshot alone', async () => {
    const { secret } = await warm();
    await edge.advance(USABLE_MS + 1);
    await office.advance(USABLE_MS + 1);
    await office.upkeep();
    let answered = false;
    edge.d1Hooks.before = () => expect(answered, 'D1 is asked in the background at most').toBe(true);
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'memory', ageSeconds: 0 });
      answered = true;
    });
    expect(count(io)).toEqual({ ...NOTHING, reads: 1 });
    expect(io.kv[0]?.names).toEqual(['changes:1']);
  });
});

describe('where KV cannot tell what has changed', () => {
  test('a cold isolate asks D1 for that and the key in one round trip', async () => {
    const { secret } = await inKv({ snapshot: false });
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1', ageSeconds: 0 });
    });
    expect(count(io)).toMatchObject({ d1: 1, reads: 2 });
    expect(io.d1[0]?.sql).toHaveLength(2);
    expect(count(await edge.ioOf(() => edge.verify(secret)))).toEqual(NOTHING);
  });

  test('a snapshot that is too old counts as none', async () => {
    const { secret } = await inKv({ snapshot: true });
    await edge.advance(USABLE_MS + 1);
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(secret)).toMatchObject({ source: 'd1' });
    });
    expect(count(io)).toMatchObject({ d1: 1, reads: 2 });
    expect(io.d1[0]?.sql).toHaveLength(2);
  });

  test('one that was long idle asks D1 for both, though memory has the key', async () => {
    const { secret } = await warm();
    await edge.advance(USABLE_MS + 1);
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(secret)).toMatchObject({ source: 'd1', ageSeconds: 0 });
    });
    expect(count(io)).toMatchObject({ d1: 1, reads: 1 });
    expect(io.d1[0]?.sql).toHaveLength(2);
  });

  test('reading both reads no more rows with thousands of changes there', async () => {
    await env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
       INSERT INTO changes (subject, at) SELECT 'key_of_others_' || i, i FROM n`,
    ).run();
    const { secret } = await office.key();
    const { d1 } = await edge.ioOf(() => edge.verify(secret));
    expect(d1[0]?.rowsRead).toBeLessThanOrEqual(1_010 + ROWS_OF_A_KEY);
  });
});

describe('a key that only D1 has', () => {
  test('costs one KV read and one D1 query by primary keys, and KV is put again', async () => {
    const { key } = await warm();
    const { secret } = await office.key();
    await insertKeys(2_000, key.id);
    await emptyKv(office);
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1', ageSeconds: 0 });
    });
    expect(count(io)).toEqual({ d1: 1, reads: 1, puts: 1 });
    expect(io.d1[0]?.sql).toHaveLength(1);
    expect(io.d1[0]?.rowsRead).toBeLessThanOrEqual(ROWS_OF_A_KEY);
    expect(io.limits).toEqual([]);
    expect(count(await edge.ioOf(() => edge.verify(secret)))).toEqual(NOTHING);
  });

  test('is read for all that ask at once by each of them: nobody waits for another', async () => {
    await warm();
    const { secret } = await office.key();
    await emptyKv(office);
    const io = await edge.ioOf(() => Promise.all([edge.verify(secret), edge.verify(secret)]));
    expect(count(io)).toMatchObject({ d1: 2, reads: 2 });
  });
});

describe('a key that is nobody’s', () => {
  test('costs one KV read and one D1 query, is counted, and is remembered for five seconds', async () => {
    await warm();
    const key = strayKey();
    const ask = (source: string) =>
      edge.ioOf(async () => {
        expect(await edge.verify(key)).toMatchObject({ code: 'NOT_FOUND', source });
      });
    const io = await ask('d1');
    expect(count(io)).toEqual({ ...NOTHING, d1: 1, reads: 1 });
    expect(io.d1[0]?.sql).toHaveLength(1);
    expect(io.d1[0]?.rowsRead).toBeLessThanOrEqual(ROWS_OF_A_KEY);
    expect(io.limits).toHaveLength(1);
    await edge.advance(4_999);
    const again = await ask('memory');
    expect(count(again)).toEqual(NOTHING);
    expect(again.limits).toEqual([]);
    await edge.advance(1);
    expect(count(await ask('d1'))).toMatchObject({ d1: 1, reads: 1 });
  });

  test('costs a cold isolate one D1 round trip for all', async () => {
    const io = await edge.ioOf(() => edge.verify(strayKey()));
    expect(count(io)).toEqual({ ...NOTHING, d1: 1, reads: 2 });
  });

  test('costs what another organization’s key costs, wherever that one lies', async () => {
    const theirs = await edge.organization();
    const theirKey = async () => {
      const headers = { 'Mintmark-Organization': theirs.id };
      const { body: account } = await office.call('POST', '/v1/service-accounts', {
        headers,
        body: { name: crypto.randomUUID() },
      });
      const { body } = await office.call('POST', `/v1/service-accounts/${account.id}/api-keys`, {
        headers,
        body: { name: 'theirs' },
      });
      await office.settle();
      return { secret: String(body.secret), headers };
    };
    await warm();
    const kept = await theirKey();
    const lost = await theirKey();
    const remembered = await theirKey();
    await edge.call('POST', '/v1/api-keys/verify', {
      headers: remembered.headers,
      body: { key: remembered.secret },
    });
    const costs = async (key: string) => {
      const first = await edge.ioOf(async () => {
        expect(await edge.verify(key)).toMatchObject({ code: 'NOT_FOUND', source: 'd1' });
      });
      const second = await edge.ioOf(async () => {
        expect(await edge.verify(key)).toMatchObject({ code: 'NOT_FOUND', source: 'memory' });
      });
      // What is put into KV is put after the answer, and nobody can see it.
      return [first, second].map((io) => {
        const { d1, reads } = count(io);
        return { d1, reads, limits: io.limits.length };
      });
    };
    const unknown = await costs(strayKey());
    expect(unknown).toEqual([
      { d1: 1, reads: 1, limits: 1 },
      { d1: 0, reads: 0, limits: 0 },
    ]);
    expect(await costs(remembered.secret)).toEqual(unknown);
    expect(await costs(kept.secret)).toEqual(unknown);
    await emptyKv(edge, office);
    expect(await costs(lost.secret)).toEqual(unknown);
  });
});

describe('maxStaleness', () => {
  test('0: one D1 query each time, and no cache is asked', async () => {
    const { secret } = await warm();
    for (let time = 0; time < 2; time++) {
      const io = await edge.ioOf(async () => {
        expect(await edge.verify(secret, { maxStaleness: 0 })).toMatchObject({ source: 'd1', ageSeconds: 0 });
      });
      expect(count(io)).toEqual({ ...NOTHING, d1: 1 });
      expect(io.d1[0]?.sql).toHaveLength(1);
    }
  });

  test('0: of a cold isolate what has changed comes along', async () => {
    const { secret } = await inKv({ snapshot: true });
    const io = await edge.ioOf(() => edge.verify(secret, { maxStaleness: 0 }));
    expect(count(io)).toMatchObject({ d1: 1, reads: 0 });
    expect(count(await edge.ioOf(() => edge.verify(secret)))).toEqual(NOTHING);
  });

  test('that memory satisfies costs nothing; one that it does not, one D1 query', async () => {
    const { secret } = await warm();
    await edge.advance(5_000);
    const satisfied = await edge.ioOf(async () => {
      expect(await edge.verify(secret, { maxStaleness: 5 })).toMatchObject({
        source: 'memory',
        ageSeconds: 5,
      });
    });
    expect(count(satisfied)).toEqual(NOTHING);
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(secret, { maxStaleness: 4 })).toMatchObject({ source: 'd1', ageSeconds: 0 });
    });
    expect(count(io)).toEqual({ ...NOTHING, d1: 1 });
  });

  test('above what the deployment allows changes nothing', async () => {
    const { secret } = await warm();
    await edge.advance(USABLE_MS + 1);
    expect(await edge.verify(secret, { maxStaleness: 3_600 })).toMatchObject({ source: 'd1' });
  });
});

describe('where the deployment allows no staleness', () => {
  test.each(['0', '10'])('MAX_STALENESS_SECONDS %s: D1 is asked each time, and KV never', async (seconds) => {
    const strict = new TestService({ MAX_STALENESS_SECONDS: seconds });
    const io = await strict.ioOf(async () => {
      const { key, secret } = await strict.key();
      for (let time = 0; time < 2; time++) {
        expect(await strict.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
      }
      await strict.call('POST', `/v1/api-keys/${key.id}/revoke`);
      expect(await strict.verify(secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
      const stray = strayKey();
      for (let time = 0; time < 2; time++) {
        expect(await strict.verify(stray)).toMatchObject({ code: 'NOT_FOUND', source: 'd1' });
      }
      await strict.upkeep();
    });
    expect(io.kv).toEqual([]);
    const verified = io.d1.filter(({ sql }) => sql[0]?.includes('json_each') ?? false);
    expect(verified.map(({ sql }) => sql.length)).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('many keys at once', () => {
  const ask = (keys: readonly string[]) =>
    edge.verifier.verifyMany(
      keys.map((key) => ({ key, organizationId: null, scopes: [], usedFrom: { ip: null, userAgent: null } })),
    );

  test('a hundred that only D1 has: one KV read and one D1 query', async () => {
    await warm();
    const minted = await Promise.all(Array.from({ length: 100 }, () => office.key()));
    await emptyKv(office);
    const io = await edge.ioOf(() => ask(minted.map(({ secret }) => secret)));
    expect(count(io)).toEqual({ d1: 1, reads: 1, puts: 100 });
    expect(io.d1[0]?.sql).toHaveLength(1);
    expect(io.d1[0]?.rowsRead).toBeLessThanOrEqual(100 * ROWS_OF_A_KEY + 100);
    expect(io.kv[0]?.names).toHaveLength(100);
    expect(count(await edge.ioOf(() => ask(minted.map(({ secret }) => secret))))).toEqual(NOTHING);
  });

  test('of a cold isolate: one more KV read for what has changed, or the same D1 round trip', async () => {
    const minted = await Promise.all(Array.from({ length: 100 }, () => office.key()));
    const secrets = minted.map(({ secret }) => secret);
    await office.settle();
    const io = await edge.ioOf(() => ask(secrets));
    expect(count(io)).toMatchObject({ d1: 1, reads: 2 });
    expect(io.d1[0]?.sql).toHaveLength(2);
    await office.upkeep();
    edge = new TestService();
    expect(count(await edge.ioOf(() => ask(secrets)))).toEqual({ ...NOTHING, reads: 2 });
  });

  test('only what memory lacks is read from KV, and only what KV lacks from D1, each once', async () => {
    const { secret: remembered } = await warm();
    const { secret: lost } = await office.key();
    await emptyKv(office);
    const { secret: kept } = await inKv({ snapshot: false });
    let asked = '';
    edge.d1Hooks.before = ([sql = '']) => {
      asked = sql;
    };
    const io = await edge.ioOf(() => ask([kept, lost, remembered, lost, 'nonsense', kept]));
    expect(count(io)).toEqual({ d1: 1, reads: 1, puts: 1 });
    expect(asked).toContain('json_each');
    expect(io.kv[0]?.names).toHaveLength(2);
    expect(io.d1[0]?.rowsRead).toBeLessThanOrEqual(ROWS_OF_A_KEY + 1);
  });

  test('malformed ones alone, or none, cost nothing', async () => {
    expect(count(await edge.ioOf(() => ask(['nonsense', '', 'mk_live_x'])))).toEqual(NOTHING);
    expect(count(await edge.ioOf(() => ask([])))).toEqual(NOTHING);
  });
});

describe('a caller’s own key', () => {
  test('is in memory like any other', async () => {
    const caller = await warm({}, { permissions: ['mintmark:keys:verify'] });
    const { secret } = await warm();
    const io = await edge.ioOf(async () => {
      const answer = await edge.call('POST', '/v1/api-keys/verify', {
        credential: caller.secret,
        body: { key: secret },
      });
      expect(answer.body).toMatchObject({ valid: true, source: 'memory' });
      expect(await edge.call('GET', '/v1/whoami', { credential: caller.secret })).toMatchObject({
        status: 200,
      });
    });
    expect(count(io)).toEqual(NOTHING);
  });

  test('costs a cold isolate what any other does; root costs nothing', async () => {
    const { secret } = await inKv({ snapshot: true });
    expect(count(await edge.ioOf(() => edge.call('GET', '/v1/whoami')))).toEqual(NOTHING);
    expect(count(await edge.ioOf(() => edge.call('GET', '/v1/whoami', { credential: secret })))).toEqual({
      ...NOTHING,
      reads: 2,
    });
  });
});

describe('what a change asks of D1 and KV', () => {
  test('revoking: one query for the caller, one for the key, one batch; then the key and a snapshot go to KV', async () => {
    const { key, secret } = await warm();
    await edge.advance(1_000);
    const io = await edge.ioOf(() => edge.call('POST', `/v1/api-keys/${key.id}/revoke`));
    // The snapshot is of one more query, after the answer.
    expect(io.d1.map(({ sql }) => sql.length)).toEqual([1, 1, expect.any(Number), 1]);
    expect(io.d1[3]?.rowsRead).toBeLessThanOrEqual(ROWS_OF_A_SYNC + 1);
    expect(io.kv.map(({ operation, names }) => [operation, names[0]?.replace(/:.*/, '')])).toEqual([
      ['put', 'key'],
      ['put', 'changes'],
    ]);
    expect(count(await edge.ioOf(() => edge.verify(secret)))).toEqual(NOTHING);
  });

  test('a change that takes nothing away puts no snapshot', async () => {
    const { key } = await warm();
    const io = await edge.ioOf(() =>
      edge.call('PATCH', `/v1/api-keys/${key.id}`, { body: { name: 'another' } }),
    );
    expect(count(io)).toEqual({ d1: 3, reads: 0, puts: 1 });
  });

  test('minting: caller and account where they are not known, one batch; KV is put', async () => {
    const { id } = await office.account();
    const mint = () => edge.ioOf(() => edge.key({ serviceAccountId: id }));
    expect(count(await mint())).toEqual({ d1: 3, reads: 0, puts: 1 });
    expect(count(await mint())).toEqual({ d1: 1, reads: 0, puts: 1 });
  });

  test('snapshots are put as often as KV takes them: one a second, and the last change is in the last one', async () => {
    const keys = await Promise.all(Array.from({ length: 5 }, () => office.key()));
    await office.settle();
    const puts = () => office.io.kv.filter(({ names }) => names[0] === 'changes:1').length;
    for (const { key } of keys) await office.call('POST', `/v1/api-keys/${key.id}/revoke`);
    await office.settle();
    expect(puts()).toBe(1);
    await office.advance(1_000);
    await office.settle();
    expect(puts()).toBe(2);
    await office.advance(60_000);
    expect(puts()).toBe(2);
    const snapshot = await env.CACHE.get<{ changes: [string, number][] }>('changes:1', 'json');
    const told = snapshot?.changes.map(([subject]) => subject) ?? [];
    expect(keys.filter(({ key }) => !told.includes(key.id))).toEqual([]);
  });

  test('reading and listing: caller, then one query', async () => {
    const { key } = await edge.key();
    for (const path of [
      `/v1/api-keys/${key.id}`,
      '/v1/api-keys',
      '/v1/api-keys?status=active',
      '/v1/service-accounts',
      `/v1/service-accounts/${key.serviceAccountId}`,
    ]) {
      expect(count(await edge.ioOf(() => edge.call('GET', path)))).toEqual({ ...NOTHING, d1: 2 });
    }
  });

  test('each minute, the cron: one query for the snapshot, two to prune, one KV write', async () => {
    await warm();
    const io = await edge.ioOf(() => edge.upkeep());
    expect(count(io)).toEqual({ d1: 3, reads: 0, puts: 1 });
  });
});

describe('disabling an account of ten thousand keys', () => {
  const KEYS = 10_000;

  test('is one change row, and reaches each of them by one small query', async () => {
    const first = await warm();
    const { serviceAccountId } = first.key;
    const others = await Promise.all(Array.from({ length: 4 }, () => office.key({ serviceAccountId })));
    await office.settle();
    await insertKeys(KEYS, first.key.id);
    const keys = [first, ...others];
    for (const { secret } of keys) expect(await edge.verify(secret)).toMatchObject({ valid: true });

    const rows = async () => env.DB.prepare('SELECT count(*) AS count FROM changes').first<number>('count');
    const before = (await rows()) ?? 0;
    const change = await office.ioOf(() =>
      office.call('POST', `/v1/service-accounts/${serviceAccountId}/disable`),
    );
    expect(await rows()).toBe(before + 1);
    expect(change.d1.reduce((sum, { rowsWritten }) => sum + rowsWritten, 0)).toBeLessThan(20);

    await edge.advance(INTERVAL_MS);
    const sync = await edge.ioOf(() => edge.verify(first.secret));
    expect(count(sync).d1).toBe(1);
    expect(sync.d1[0]?.rowsRead).toBeLessThanOrEqual(ROWS_OF_A_SYNC + 1);
    for (const { secret } of keys) {
      const io = await edge.ioOf(async () => {
        expect(await edge.verify(secret)).toMatchObject({ code: 'ACCOUNT_DISABLED' });
      });
      expect(count(io)).toMatchObject({ d1: 1, reads: 1 });
    }
  });
});

/** So many more keys like this one, of the same account. */
async function insertKeys(number: number, id: string): Promise<void> {
  const row = await env.DB.prepare('SELECT * FROM api_keys WHERE id = ?').bind(id).first();
  const run = crypto.randomUUID().replaceAll('-', '');
  const unique: Record<string, string> = {
    id: `'key_${run.slice(0, 16)}' || printf('%08d', i)`,
    digest: `'${run}' || printf('%032d', i)`,
  };
  const columns = Object.keys(row ?? {});
  await env.DB.prepare(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${number})
     INSERT INTO api_keys (${columns.join(', ')})
     SELECT ${columns.map((column) => unique[column] ?? column).join(', ')} FROM api_keys, n WHERE id = ?`,
  )
    .bind(id)
    .run();
}
