import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { timingOf } from '../../src/verifier/feed.ts';
import {
  align,
  count,
  edgeAndOffice,
  emptyKv,
  INTERVAL_MS,
  putKv,
  readKv,
  refuseKvWrites,
  snapshotInKv,
  USABLE_MS,
} from '../support/edge.ts';
import { TestService } from '../support/service.ts';

/** Rows of `changes` that stay, the newest ones. */
const KEPT = 10_000;
/** Rows that one run of the cron removes. */
const PRUNED = 10_000;
/** Changes in one answer of D1, and in the snapshot. */
const TOLD = 1_000;

let edge: TestService;
let office: TestService;

beforeEach(async () => {
  ({ edge, office } = await edgeAndOffice());
});

type Minted = Awaited<ReturnType<TestService['key']>>;

/** A new key that edge has in memory, and knowledge that is as young as can be. */
async function warm(): Promise<Minted> {
  const minted = await office.key();
  await office.settle();
  await edge.upkeep();
  expect(await edge.verify(minted.secret)).toMatchObject({ valid: true });
  await edge.settle();
  return minted;
}

const revoke = (service: TestService, { key }: Minted) =>
  service.call('POST', `/v1/api-keys/${key.id}/revoke`);

/** So many changes of others. */
async function others(number: number): Promise<void> {
  await env.DB.prepare(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
     INSERT INTO changes (subject, at) SELECT 'key_of_others_' || i, i FROM n`,
  )
    .bind(number)
    .run();
}

const seqs = async () =>
  (await env.DB.prepare(
    'SELECT count(*) AS count, min(seq) AS oldest, max(seq) AS newest FROM changes',
  ).first<{
    count: number;
    oldest: number;
    newest: number;
  }>()) ?? expect.fail('no row');

/** Runs the cron until nothing is left to remove. */
async function prune(): Promise<void> {
  const cron = new TestService();
  while ((await seqs()).count > KEPT) await cron.upkeep();
}

/** Lets the interval pass and a sync land. */
async function sync(service: TestService, { secret }: Minted): Promise<void> {
  service.skip(INTERVAL_MS);
  await service.call('POST', '/v1/api-keys/verify', { body: { key: secret } });
  await service.settle();
}

describe('pruning', () => {
  test('keeps the newest changes, and removes a bounded number of the oldest in one run', async () => {
    await prune();
    await others(KEPT + PRUNED + 1_500);
    const before = await seqs();
    const excess = before.count - KEPT;
    const io = await office.ioOf(() => office.upkeep());
    const once = await seqs();
    expect(once).toEqual({
      count: before.count - PRUNED,
      oldest: before.oldest + PRUNED,
      newest: before.newest,
    });
    expect(Math.max(...io.d1.map(({ rowsRead }) => rowsRead))).toBeLessThanOrEqual(4 * PRUNED + 10);
    await office.upkeep();
    expect(await seqs()).toEqual({
      count: KEPT,
      oldest: before.oldest + excess,
      newest: before.newest,
    });
    await office.upkeep();
    expect(await seqs()).toMatchObject({ count: KEPT });
  });

  test('costs next to nothing where there is nothing to remove', async () => {
    await prune();
    const io = await office.ioOf(() => office.upkeep());
    for (const { rowsRead, rowsWritten } of io.d1) {
      expect(rowsRead).toBeLessThanOrEqual(TOLD + 10);
      expect(rowsWritten).toBe(0);
    }
  });

  test('twice at once removes nothing more', async () => {
    await prune();
    await others(2_000);
    await Promise.all([office.upkeep(), edge.upkeep(), office.upkeep()]);
    expect((await seqs()).count).toBe(KEPT);
  });

  test('beside changes that are being made loses none of them', async () => {
    await prune();
    await others(2_000);
    const { newest } = await seqs();
    const keys = await Promise.all(Array.from({ length: 5 }, () => office.key()));
    await Promise.all([edge.upkeep(), ...keys.map((minted) => revoke(office, minted)), edge.upkeep()]);
    const { results } = await env.DB.prepare('SELECT subject FROM changes WHERE seq > ?').bind(newest).all();
    for (const { key } of keys) expect(results).toContainEqual({ subject: key.id });
  });

  test('never gives a number twice, even where all but the newest change is gone', async () => {
    const { newest } = await seqs();
    await env.DB.prepare('DELETE FROM changes WHERE seq < ?').bind(newest).run();
    await office.upkeep();
    expect(await seqs()).toMatchObject({ count: 1, newest });
    await revoke(office, await office.key());
    expect((await seqs()).newest).toBeGreaterThan(newest);
  });

  test('does not stop the cron from putting its snapshot, nor the other way round', async () => {
    await others(KEPT + 500);
    refuseKvWrites(office);
    await office.upkeep().catch(() => {});
    expect((await seqs()).count).toBe(KEPT);
    await emptyKv();
    edge.d1Hooks.before = ([sql = '']) => {
      if (sql.startsWith('DELETE')) throw new Error('D1_ERROR: overloaded');
    };
    await edge.upkeep().catch(() => {});
    expect(await snapshotInKv()).not.toBeNull();
  });
});

describe('an isolate that lags behind', () => {
  test.each([
    ['more changes than one answer tells of', TOLD + 1],
    ['changes that are kept no longer', KEPT + 1],
  ])('by %s starts over, and misses none of them', async (_, number) => {
    const [revoked, good] = [await warm(), await warm()];
    refuseKvWrites(office);
    await revoke(office, revoked);
    await others(number);
    await prune();
    expect((await edge.verify(revoked.secret)).source).toBe('memory');
    await sync(edge, good);
    expect(await edge.verify(revoked.secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
    expect(await edge.verify(good.secret)).toMatchObject({ valid: true, source: 'd1' });
    const io = await edge.ioOf(() => Promise.all([edge.verify(good.secret), edge.verify(revoked.secret)]));
    expect(count(io)).toEqual({ d1: 0, reads: 0, puts: 0 });
  });

  test('by changes that somebody removed by hand starts over, and misses none of them', async () => {
    const [revoked, good] = [await warm(), await warm()];
    refuseKvWrites(office);
    await revoke(office, revoked);
    await others(10);
    const { newest } = await seqs();
    await env.DB.prepare('DELETE FROM changes WHERE seq < ?')
      .bind(newest - 5)
      .run();
    await sync(edge, good);
    expect(await edge.verify(revoked.secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
    expect(await edge.verify(good.secret)).toMatchObject({ valid: true, source: 'd1' });
  });

  test('by as many changes as one answer tells of goes on', async () => {
    const [revoked, good] = [await warm(), await warm()];
    refuseKvWrites(office);
    await revoke(office, revoked);
    await others(TOLD - 1);
    await sync(edge, good);
    expect(await edge.verify(revoked.secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
    expect(await edge.verify(good.secret)).toMatchObject({ valid: true, source: 'memory' });
  });

  test('is no worse off by way of the snapshot in KV', async () => {
    const [revoked, good] = [await warm(), await warm()];
    const old = await readKv();
    refuseKvWrites(office);
    await revoke(office, revoked);
    await others(TOLD);
    office = new TestService();
    align(office, edge);
    office.skip(USABLE_MS + 1);
    await office.upkeep();
    const snapshot = await snapshotInKv();
    expect(snapshot?.changes).toHaveLength(TOLD);
    expect(snapshot?.changes.map(([subject]) => subject)).not.toContain(revoked.key.id);
    old.forEach((_, name) => expect(name).toMatch(/^(key|changes):/));
    await putKv(new Map([...old].filter(([name]) => name.startsWith('key:'))));
    edge.skip(USABLE_MS + 1);
    const cold = new TestService();
    align(cold, edge);
    for (const isolate of [edge, cold]) {
      await putKv(new Map([...old].filter(([name]) => name.startsWith('key:'))));
      expect(await isolate.verify(revoked.secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
      expect(await isolate.verify(good.secret)).toMatchObject({ valid: true, source: 'd1' });
    }
  });
});

describe('the snapshot in KV', () => {
  test('tells of changes up to when it was made, with that time and the life of the database', async () => {
    const minted = await office.key();
    await revoke(office, minted);
    office.skip(30_000);
    await office.upkeep();
    expect(await snapshotInKv()).toMatchObject({
      generation: await generation(),
      newest: (await seqs()).newest,
      knownAt: office.now(),
      changes: expect.arrayContaining([[minted.key.id, (await seqs()).newest]]),
    });
  });

  test('is made from before D1 was asked, not from after its answer', async () => {
    office.d1Hooks.after = ([sql = '']) => {
      if (sql.includes('FROM generation g')) office.skip(3_000);
    };
    const askedAt = office.now();
    await office.upkeep();
    expect(await snapshotInKv()).toMatchObject({ knownAt: askedAt });
  });

  test('is put again after work that the platform ended', async () => {
    const keys = [await office.key(), await office.key(), await office.key()] as const;
    await office.settle();
    await revoke(office, keys[0]);
    await office.settle();
    // Waits for its second, and is ended while it does.
    await revoke(office, keys[1]);
    office.dropSleepers();
    office.skip(1_000);
    await revoke(office, keys[2]);
    await office.settle();
    const snapshot = await snapshotInKv();
    const told = snapshot?.changes.map(([subject]) => subject);
    expect(told).toEqual(expect.arrayContaining(keys.map(({ key }) => key.id)));
  });
});

describe('another life of the database', () => {
  const newLife = () => env.DB.prepare('UPDATE generation SET name = ?').bind(crypto.randomUUID()).run();

  /** As a restore brings a revoked key back, and forgets that there was a change. */
  async function restore({ key }: Minted): Promise<void> {
    await env.DB.batch([
      env.DB.prepare('DELETE FROM changes WHERE subject = ?').bind(key.id),
      env.DB.prepare('UPDATE api_keys SET revoked_at = NULL, revision = revision - 1 WHERE id = ?').bind(
        key.id,
      ),
    ]);
  }

  test('makes an isolate that serves forget everything within the interval', async () => {
    const minted = await warm();
    const other = await warm();
    await revoke(edge, minted);
    await edge.settle();
    expect(await edge.verify(minted.secret)).toMatchObject({ code: 'REVOKED', source: 'memory' });
    await restore(minted);
    await newLife();
    await sync(edge, other);
    expect(await edge.verify(other.secret)).toMatchObject({ valid: true, source: 'd1' });
    // D1 is the truth, whatever caches remember of another life.
    expect(await edge.verify(minted.secret)).toMatchObject({ valid: true, source: 'd1' });
    const io = await edge.ioOf(() => edge.verify(minted.secret));
    expect(count(io)).toEqual({ d1: 0, reads: 0, puts: 0 });
  });

  test('is known by a newest change that is older than what was known, without a new name', async () => {
    const other = await warm();
    const minted = await warm();
    await revoke(edge, minted);
    await edge.settle();
    await edge.upkeep();
    await restore(minted);
    // Without a new name, what KV has of the life before cannot be told from this one's.
    await emptyKv(edge);
    await sync(edge, other);
    expect(await edge.verify(minted.secret)).toMatchObject({ valid: true, source: 'd1' });
    expect(await edge.verify(other.secret)).toMatchObject({ valid: true, source: 'd1' });
  });

  test('is known at once by a record that D1 gives', async () => {
    const [one, two] = [await warm(), await warm()];
    await newLife();
    edge.skip(1);
    expect(await edge.verify(one.secret)).toMatchObject({ source: 'memory' });
    const io = await edge.ioOf(async () => {
      expect(await edge.verify(one.secret, { maxStaleness: 0 })).toMatchObject({ valid: true, source: 'd1' });
    });
    expect(count(io).d1, 'asked once more, with what has changed').toBe(2);
    expect(await edge.verify(two.secret)).toMatchObject({ valid: true, source: 'd1' });
  });

  test('is known at once by a change that the isolate makes', async () => {
    const [one, two] = [await warm(), await warm()];
    await newLife();
    edge.skip(1);
    await revoke(edge, one);
    expect(await edge.verify(two.secret)).toMatchObject({ valid: true, source: 'd1' });
    expect(await edge.verify(one.secret)).toMatchObject({ code: 'REVOKED' });
  });

  test('makes what KV has of the one before useless to whoever knows of it', async () => {
    const minted = await warm();
    await office.upkeep();
    const old = await readKv();
    await newLife();
    await sync(edge, minted);
    await edge.settle();
    await putKv(old);
    expect(await edge.verify(minted.secret)).toMatchObject({ valid: true, source: 'd1' });
    await edge.settle();
    // A snapshot of before cannot bring it back to before, however long it idles.
    await putKv(old);
    edge.skip(USABLE_MS + 1);
    expect(await edge.verify(minted.secret)).toMatchObject({ valid: true, source: 'd1' });
  });

  test('is hidden from a cold isolate by old values in KV for no longer than the bound', async () => {
    const minted = await warm();
    await office.upkeep();
    const old = await readKv();
    await newLife();
    await putKv(old);
    edge.skip(USABLE_MS);
    const [cold, colder] = [new TestService(), new TestService()];
    align(cold, colder, edge);
    expect(await cold.verify(minted.secret)).toMatchObject({ source: 'kv', ageSeconds: 110 });
    colder.skip(1);
    expect(await colder.verify(minted.secret)).toMatchObject({ valid: true, source: 'd1' });
    await putKv(old);
    expect(await colder.verify(minted.secret)).toMatchObject({ valid: true, source: 'memory' });
  });

  test('is believed of D1 alone: no snapshot makes an isolate forget', async () => {
    const minted = await warm();
    const snapshot = (await snapshotInKv()) ?? expect.fail('no snapshot was put');
    edge.skip(USABLE_MS + 1);
    await env.CACHE.put(
      'changes:1',
      JSON.stringify({ ...snapshot, generation: 'somebody’s', knownAt: edge.now() }),
    );
    expect(await edge.verify(minted.secret)).toMatchObject({ valid: true, source: 'd1' });
    const io = await edge.ioOf(() => edge.verify(minted.secret));
    expect(count(io)).toEqual({ d1: 0, reads: 0, puts: 0 });
  });
});

test('knowledge is renewed well before it is too old, whatever the settings', () => {
  expect(timingOf(120, 10)).toEqual({ usableMs: 110_000, intervalMs: 10_000 });
  expect(timingOf(20, 10)).toEqual({ usableMs: 10_000, intervalMs: 5_000 });
  expect(timingOf(3_600, 60)).toEqual({ usableMs: 3_590_000, intervalMs: 60_000 });
  for (const seconds of [0, 5, 10]) expect(timingOf(seconds, 10)).toEqual({ usableMs: 0, intervalMs: 0 });
});

const generation = () => env.DB.prepare('SELECT name FROM generation').first<string>('name');
