import { describe, expect, test } from 'vitest';

import { d1Contract } from './d1_contract.ts';
import { SqliteD1 } from './sqlite_d1.ts';

const ORGANIZATION = `org_${'0'.repeat(24)}`;
const TABLES = [...new SqliteD1().save().keys()];

d1Contract('node:sqlite', () => new SqliteD1());

const contents = async (db: SqliteD1) =>
  Promise.all(TABLES.map(async (table) => (await db.prepare(`SELECT * FROM ${table}`).all()).results));

const change = (db: SqliteD1) =>
  db.prepare("INSERT INTO changes (subject, at) VALUES ('key_1', 1) RETURNING seq").first<{ seq: number }>();

/** One row more in every table that can have one, and the organization changed. */
async function fill(db: SqliteD1, id: string): Promise<void> {
  await db.batch([
    db
      .prepare(
        `INSERT INTO audit_events (id, organization_id, at, action, actor_type, actor_id, target_type, target_id,
           request_id, changes) VALUES (?, ?, 1, 'made', 'root', 'root', 'api_key', 'key', 'request', '{}')`,
      )
      .bind(`evt_${id}`, ORGANIZATION),
    db
      .prepare(
        `INSERT INTO service_accounts (id, organization_id, name, permissions, metadata, created_at, created_by,
           updated_at, updated_by, revision) VALUES (?1, ?2, ?1, '[]', '{}', 1, 'root', 1, 'root', 1)`,
      )
      .bind(`sa_${id}`, ORGANIZATION),
    db
      .prepare(
        `INSERT INTO api_keys (id, organization_id, service_account_id, name, folded_name, environment, digest, start,
           fingerprint, metadata, enabled, created_at, created_by, updated_at, updated_by, revision)
         VALUES (?1, ?2, ?3, 'n', 'N', 'live', printf('%064s', ?1), 's', 'f', '{}', 1, 1, 'root', 1, 'root', 1)`,
      )
      .bind(`key_${id}`, ORGANIZATION, `sa_${id}`),
    db.prepare('INSERT INTO key_usage (key_id, last_used_at) VALUES (?, 1)').bind(`key_${id}`),
    db.prepare('UPDATE organizations SET revision = revision + 1, max_live_keys = 9007199254740991'),
    db.prepare("UPDATE generation SET name = name || 'x'"),
    db.prepare('INSERT INTO changes (subject, at) VALUES (?, 1)').bind(`key_${id}`),
  ]);
}

describe('what is saved', () => {
  test('comes back whole, from wherever the database went since', async () => {
    const db = new SqliteD1();
    const states = [{ saved: db.save(), was: await contents(db) }];
    for (const id of ['1', '2', '3']) {
      await fill(db, id);
      states.push({ saved: db.save(), was: await contents(db) });
    }
    expect(new Set(states.map(({ was }) => JSON.stringify(was))).size).toBe(4);
    for (const from of states) {
      for (const to of states) {
        db.restore(from.saved);
        await fill(db, 'other');
        db.restore(to.saved);
        expect(await contents(db)).toStrictEqual(to.was);
      }
    }
  });

  test('comes back where another was put back before', async () => {
    const db = new SqliteD1();
    await fill(db, '1');
    const [one, was] = [db.save(), await contents(db)];
    await fill(db, '2');
    const other = db.save();
    for (const saved of [one, other, one]) db.restore(saved);
    expect(await contents(db)).toStrictEqual(was);
    expect(db.save()).toStrictEqual(one);
  });

  test('is all tables, and the counters of AUTOINCREMENT', async () => {
    const sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    const { results } = await new SqliteD1().prepare(sql).all<{ name: string }>();
    expect(TABLES.toSorted()).toStrictEqual(results.map(({ name }) => name));
    expect(TABLES).toContain('sqlite_sequence');
  });

  test('comes back after each single kind of write', async () => {
    const db = new SqliteD1();
    await fill(db, '1');
    const [saved, was] = [db.save(), await contents(db)];
    for (const sql of [
      'DELETE FROM api_keys',
      "UPDATE service_accounts SET name = 'other'",
      "INSERT OR REPLACE INTO key_usage (key_id, last_used_at) VALUES ('key_1', 2)",
      "WITH n AS (SELECT 1) UPDATE audit_events SET action = 'other' RETURNING id",
      'UPDATE organizations SET revision = 9',
      'DELETE FROM changes',
      'UPDATE sqlite_sequence SET seq = 9',
    ]) {
      await db.prepare(sql).run();
      expect(await contents(db), sql).not.toStrictEqual(was);
      db.restore(saved);
      expect(await contents(db), sql).toStrictEqual(was);
    }
  });

  test('counts on from where AUTOINCREMENT was, even where the last rows had gone', async () => {
    const db = new SqliteD1();
    await change(db);
    await db.prepare('DELETE FROM changes').run();
    const saved = db.save();
    for (let round = 0; round < 2; round++) {
      expect(await change(db)).toStrictEqual({ seq: 2 });
      expect(await change(db)).toStrictEqual({ seq: 3 });
      db.restore(saved);
    }
  });

  test('is no other for what failed', async () => {
    const db = new SqliteD1();
    await fill(db, '1');
    const [saved, was] = [db.save(), await contents(db)];
    await expect(fill(db, '1')).rejects.toThrow('UNIQUE constraint failed: audit_events.id');
    expect(await contents(db)).toStrictEqual(was);
    db.restore(saved);
    expect(await contents(db)).toStrictEqual(was);
  });

  test('can be put into another database', async () => {
    const [from, to] = [new SqliteD1(), new SqliteD1()];
    await fill(from, '1');
    await fill(to, '2');
    to.restore(from.save());
    expect(await contents(to)).toStrictEqual(await contents(from));
  });
});

test('a call has done its work when it returns its promise', async () => {
  const db = new SqliteD1();
  const rows = () => db.save().get('changes')?.length;
  const calls: Promise<unknown>[] = [change(db)];
  expect(rows()).toBe(1);
  calls.push(db.batch([db.prepare("INSERT INTO changes (subject, at) VALUES ('key_2', 1)")]));
  expect(rows()).toBe(2);
  await Promise.all(calls);
});

test('SQL sees the time that is given', async () => {
  let now = 1_234_567;
  const db = new SqliteD1(() => now);
  const seen = () => db.prepare("SELECT unixepoch('subsec') * 1000 AS now").first();
  expect(await seen()).toStrictEqual({ now: 1_234_567 });
  now += 1;
  expect(await seen()).toStrictEqual({ now: 1_234_568 });
});

test('refuses what the code under test does not use', async () => {
  const db = new SqliteD1();
  expect(() => db.exec()).toThrow('does not use exec()');
  expect(() => db.dump()).toThrow('does not use dump()');
  expect(() => db.withSession()).toThrow('does not use withSession()');
  expect(() => db.prepare('SELECT 1').raw()).toThrow('does not use raw()');
  await expect(db.prepare('SELECT 1 AS a').first('a')).rejects.toThrow('does not use first(column)');
  await expect(db.prepare('SELECT 1; SELECT 2').all()).rejects.toThrow('does not use two statements');
});
