import { readdirSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

import { expect, test } from 'vitest';

const MIGRATIONS = 'migrations';

function built(...scripts: string[]): DatabaseSync {
  const database = new DatabaseSync(':memory:');
  for (const script of scripts) database.exec(readFileSync(script, 'utf8'));
  return database;
}

const withoutComments = (sql: string): string =>
  sql
    .replaceAll(/--.*/g, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\s*([(),])\s*/g, '$1')
    .trim();

function structure(database: DatabaseSync): Record<string, string> {
  const rows = database
    .prepare('SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name')
    .all();
  return Object.fromEntries(rows.map(({ name, sql }) => [String(name), withoutComments(String(sql))]));
}

const tablesOf = (database: DatabaseSync): string[] =>
  database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all()
    .map(({ name }) => String(name));

const migrations = readdirSync(MIGRATIONS)
  .toSorted()
  .map((file) => `${MIGRATIONS}/${file}`);

test('schema.sql is what the migrations add up to: the same tables, indexes and first rows', () => {
  const [whole, steps] = [built('schema.sql'), built(...migrations)];
  expect(structure(steps)).toEqual(structure(whole));
  expect(tablesOf(whole).length).toBeGreaterThan(5);
  for (const table of tablesOf(whole)) {
    // A generation's name is random in each database.
    const rows = `SELECT ${table === 'generation' ? 'singleton, length(name)' : '*'} FROM ${table}`;
    expect(steps.prepare(rows).all()).toEqual(whole.prepare(rows).all());
  }
});

test('every table is STRICT', () => {
  const database = built('schema.sql');
  const lax = database
    .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0")
    .all();
  expect(lax.map(({ name }) => String(name)).filter((name) => !name.startsWith('sqlite_'))).toEqual([]);
});

test('schema.sql explains every table and every column', () => {
  const text = readFileSync('schema.sql', 'utf8');
  const database = built('schema.sql');
  for (const table of tablesOf(database)) {
    expect(text, table).toMatch(new RegExp(`-- [^\\n]+\\nCREATE TABLE ${table} \\(`));
    const [definition = ''] = text.split(`CREATE TABLE ${table} (`).at(1)?.split(') STRICT') ?? [];
    for (const { name } of database.prepare(`SELECT name FROM pragma_table_info('${table}')`).all()) {
      expect(definition, `${table}.${String(name)}`).toMatch(
        new RegExp(`\\n  ${String(name)} [^\\n]+-- \\S`),
      );
    }
  }
});
