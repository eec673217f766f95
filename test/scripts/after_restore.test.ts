import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { confirm } from '../../scripts/ask.ts';
import { DEFAULT_ORGANIZATION_ID, EVENT_ID_PATTERN, eventIdFrom } from '../../src/core/id.ts';
import { startAccount } from './cloudflare_api.ts';
import { copyProject, freePort, leftoversIn, type ProjectCopy } from './project_copy.ts';

/** A run starts wrangler three times. */
const TIMEOUT_MS = 60_000;
const DAY_MS = 86_400_000;

type Row = Record<string, SQLInputValue>;

function insert(db: DatabaseSync, table: string, row: Row): void {
  const names = Object.keys(row);
  db.prepare(`INSERT INTO ${table} (${names.join()}) VALUES (${names.map(() => '?').join()})`).run(
    ...Object.values(row),
  );
}

const STAMP = { created_at: 1, created_by: 'root', updated_at: 1, updated_by: 'root', revision: 1 };
const ACCOUNT = { ...STAMP, organization_id: DEFAULT_ORGANIZATION_ID, permissions: '[]', metadata: '{}' };
const KEY = {
  ...STAMP,
  organization_id: DEFAULT_ORGANIZATION_ID,
  service_account_id: 'sa_live',
  folded_name: '',
  environment: 'live',
  start: 'mk_live_0000',
  fingerprint: '0000',
  metadata: '{}',
  enabled: 1,
  revision: 7,
};

const FOREVER = { expires_at: null };
const LATER = { expires_at: Date.now() + DAY_MS };
const PERSONAL = { service_account_id: null, user_id: 'ada' };

const LIVE: Record<string, Row> = {
  key_forever: FOREVER,
  key_later: LATER,
  key_personal: PERSONAL,
  key_of_other_organization: { organization_id: 'org_other', service_account_id: 'sa_other' },
};
const NOT_LIVE: Record<string, Row> = {
  key_revoked: { revoked_at: 2, revoked_by: 'root' },
  key_expired: { expires_at: Date.now() - 1_000 },
  key_disabled: { enabled: 0 },
  key_deleted: { deleted_at: 2 },
  key_of_disabled_account: { service_account_id: 'sa_disabled' },
  key_of_deleted_account: { service_account_id: 'sa_deleted' },
  key_of_deleted_organization: { ...PERSONAL, organization_id: 'org_deleted' },
};

let digests = 0;
function insertKey(db: DatabaseSync, id: string, state: Row): void {
  digests += 1;
  insert(db, 'api_keys', { ...KEY, id, name: id, digest: String(digests).padStart(64, '0'), ...state });
}

function seed(db: DatabaseSync): void {
  for (const [id, state] of Object.entries({ org_other: {}, org_deleted: { deleted_at: 2 } })) {
    const organization = { ...STAMP, id, slug: id, name: id, key_prefix: 'mk' };
    insert(db, 'organizations', { ...organization, personal_key_permissions: '[]', ...state });
  }
  insert(db, 'service_accounts', { ...ACCOUNT, id: 'sa_live', name: 'live' });
  insert(db, 'service_accounts', { ...ACCOUNT, id: 'sa_disabled', name: 'disabled', disabled_at: 2 });
  insert(db, 'service_accounts', { ...ACCOUNT, id: 'sa_deleted', name: 'deleted', deleted_at: 2 });
  insert(db, 'service_accounts', { ...ACCOUNT, id: 'sa_other', name: 'other', organization_id: 'org_other' });
  for (const [id, state] of Object.entries({ ...LIVE, ...NOT_LIVE })) insertKey(db, id, state);
}

const rows = (db: DatabaseSync, sql: string): Row[] => db.prepare(sql).all();
const keysIn = (db: DatabaseSync): Map<unknown, Row> =>
  new Map(rows(db, 'SELECT * FROM api_keys').map((row) => [row['id'], row]));
const eventsIn = (db: DatabaseSync): Row[] => rows(db, 'SELECT * FROM audit_events ORDER BY target_id');
const generationIn = (db: DatabaseSync): unknown => rows(db, 'SELECT name FROM generation')[0]?.['name'];

/** All that a freezing has to have done, and nothing else. */
function expectFrozen(before: Map<unknown, Row>, db: DatabaseSync, ids: readonly string[]): void {
  const after = keysIn(db);
  const generation = String(generationIn(db));
  const events = eventsIn(db).filter(({ request_id: id }) => id === `after-restore-${generation}`);
  const times = new Set(events.map((event) => Number(event['at'])));
  const [at = 0] = times;
  expect(times.size).toBe(1);
  expect(Math.abs(Date.now() - at)).toBeLessThan(TIMEOUT_MS);

  for (const [id, row] of before) {
    const isFrozen = ids.includes(String(id));
    expect(after.get(id), String(id)).toEqual(
      isFrozen
        ? { ...row, enabled: 0, updated_at: at, updated_by: 'system', revision: Number(row['revision']) + 1 }
        : row,
    );
  }
  expect(after.size).toBe(before.size);

  expect(new Set(events.map((event) => event['target_id']))).toEqual(new Set(ids));
  expect(events).toHaveLength(ids.length);
  for (const { id, ...event } of events) {
    expect(id).toMatch(EVENT_ID_PATTERN);
    expect(id).toMatch(new RegExp(`^${eventIdFrom(at)}000`));
    expect(event).toEqual({
      organization_id: before.get(event['target_id'])?.['organization_id'],
      at,
      action: 'api_key.updated',
      actor_type: 'system',
      actor_id: 'system',
      credential_id: null,
      target_type: 'api_key',
      target_id: event['target_id'],
      request_id: `after-restore-${generation}`,
      ip: null,
      user_agent: null,
      changes: '{"enabled":{"from":true,"to":false}}',
    });
  }
}

let project: ProjectCopy;
beforeAll(() => {
  project = copyProject();
});
afterAll(() => project.remove());

async function afterRestore(args: readonly string[], env: Record<string, string> = {}) {
  const run = project.npm(['run', 'after-restore', '--', ...args], env);
  const { code } = await run.ended;
  return { code, output: run.output() };
}

async function succeeds(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { code, output } = await afterRestore(args, env);
  expect(code, output).toBe(0);
  return output;
}

describe('after-restore --local', { timeout: TIMEOUT_MS }, () => {
  const LOCAL = ['--local', '--persist-to', 'data'];

  function database<Result>(use: (db: DatabaseSync) => Result): Result {
    const folder = join(project.directory, 'data', 'v3', 'd1', 'miniflare-D1DatabaseObject');
    const file = readdirSync(folder).find((name) => /^[0-9a-f]+\.sqlite$/.test(name));
    const db = new DatabaseSync(join(folder, file ?? 'none'));
    try {
      return use(db);
    } finally {
      db.close();
    }
  }

  beforeAll(async () => {
    expect(await succeeds([...LOCAL, '--freeze'])).toContain('No key was live, so none was frozen.');
    expect(existsSync(join(project.directory, '.wrangler', 'state'))).toBe(false);
    database(seed);
  }, TIMEOUT_MS);

  it('brings an older state up to date, then freezes every key that is live and no other', async () => {
    database((db) =>
      db.exec("DROP TABLE generation; DELETE FROM d1_migrations WHERE name = '0002_generation.sql'"),
    );
    const before = database(keysIn);
    const output = await succeeds([...LOCAL, '--freeze']);
    expect(output).toContain('Live in the restored database: 4 keys.');
    expect(output).toContain('Frozen: 4 keys.');
    expect(output).toContain('those secrets answer NOT_FOUND');
    database((db) => expectFrozen(before, db, Object.keys(LIVE)));
  });

  it('run again, freezes nothing more and renews the generation again', async () => {
    const before = database((db) => ({
      keys: keysIn(db),
      events: eventsIn(db),
      generation: generationIn(db),
    }));
    expect(await succeeds([...LOCAL, '--freeze'])).toContain('No key was live, so none was frozen.');
    const { keys, events, generation } = database((db) => ({
      keys: keysIn(db),
      events: eventsIn(db),
      generation: generationIn(db),
    }));
    expect(keys).toEqual(before.keys);
    expect(events).toEqual(before.events);
    expect(generation).toMatch(/^[0-9a-f]{32}$/);
    expect(generation).not.toBe(before.generation);
  });

  it.each([
    { flags: ['--no-freeze'], says: 'NOT frozen: 1 key. ' },
    { flags: [], says: 'NOT frozen: 1 key, as there is no terminal to ask in. ' },
  ])('$flags, without a terminal: freezes nothing, says so, and renews', async ({ flags, says }) => {
    database((db) => {
      if (!keysIn(db).has('key_after')) insertKey(db, 'key_after', {});
    });
    const before = database((db) => ({ keys: keysIn(db), generation: generationIn(db) }));
    const output = await succeeds([...LOCAL, ...flags]);
    expect(output).toContain(says);
    expect(output).toContain('npm run after-restore -- --freeze --local --persist-to data');
    database((db) => {
      expect(keysIn(db)).toEqual(before.keys);
      expect(generationIn(db)).not.toBe(before.generation);
    });
  });

  it('freezes and renews together or not at all, and says what failed', async () => {
    database((db) =>
      db.exec(
        `CREATE TRIGGER broken BEFORE INSERT ON generation BEGIN SELECT RAISE(ABORT, 'no generation today'); END`,
      ),
    );
    const before = database((db) => ({ keys: keysIn(db), events: eventsIn(db) }));
    const { code, output } = await afterRestore([...LOCAL, '--freeze']);
    expect(code).toBe(1);
    expect(output).toContain('no generation today');
    expect(output).toContain(
      '`wrangler d1 execute DB --local --persist-to data --json --command …` failed; its reason is above.',
    );
    database((db) => {
      expect({ keys: keysIn(db), events: eventsIn(db) }).toEqual(before);
      db.exec('DROP TRIGGER broken');
    });
  });

  it('freezes 100,000 keys at once', async () => {
    database((db) => {
      insertKey(db, 'key_many', {});
      const names = Object.keys(keysIn(db).get('key_many') ?? {});
      const values = names.map((name) =>
        name === 'id' ? "'key_' || n" : name === 'digest' ? "printf('%064d', 1000 + n)" : name,
      );
      db.exec(`WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 100000)
        INSERT INTO api_keys (${names.join()}) SELECT ${values.join()} FROM many, api_keys WHERE id = 'key_many'`);
    });
    // With the one that all are copies of, and the one that was left alive above.
    expect(await succeeds([...LOCAL, '--freeze'])).toContain('Frozen: 100002 keys.');
    database((db) => {
      expect(
        rows(db, "SELECT count(*) AS frozen FROM api_keys WHERE enabled = 0 AND updated_by = 'system'"),
      ).toEqual([{ frozen: 100_006 }]);
      expect(rows(db, 'SELECT count(DISTINCT target_id) AS told FROM audit_events')).toEqual([
        { told: 100_006 },
      ]);
    });
  });
});

describe('after-restore of what is deployed', { timeout: TIMEOUT_MS }, () => {
  it('freezes and renews in one call', async () => {
    const account = await startAccount();
    const db = new DatabaseSync(':memory:');
    account.databases.set('mintmark', db);
    const remote = {
      CLOUDFLARE_API_BASE_URL: account.url,
      CLOUDFLARE_API_TOKEN: 'token',
      CLOUDFLARE_ACCOUNT_ID: 'account',
    };
    expect(await succeeds([], remote)).toContain('No key is live, so there was none to freeze.');
    expect(account.changes).toContain('query create table organizations');
    const [before, firstGeneration] = [(seed(db), keysIn(db)), generationIn(db)];

    account.changes.length = 0;
    expect(await succeeds(['--freeze'], remote)).toContain('Frozen: 4 keys.');
    expect(account.changes).toEqual([expect.stringContaining('d1_migrations'), 'query other']);
    expect(generationIn(db)).not.toBe(firstGeneration);
    expectFrozen(before, db, Object.keys(LIVE));
    await account.close();
  });

  it('says how to sign in when it may not', async () => {
    const account = await startAccount();
    const { code, output } = await afterRestore(['--freeze'], {
      CLOUDFLARE_API_BASE_URL: account.url,
      CLOUDFLARE_API_TOKEN: '',
      HOME: project.directory,
      XDG_CONFIG_HOME: project.directory,
    });
    expect(code).toBe(1);
    expect(output).toContain('To sign in: npx wrangler login');
    expect(account.changes).toEqual([]);
    await account.close();
  });
});

describe('the options of after-restore', { timeout: TIMEOUT_MS }, () => {
  it.each([
    { args: ['--freeze', '--no-freeze'], says: '--freeze and --no-freeze exclude each other.' },
    { args: ['--persist-to', 'data'], says: '--persist-to says where the data of --local is.' },
    { args: ['--thaw'], says: "Unknown option '--thaw'" },
    { args: ['freeze'], says: "Unexpected argument 'freeze'" },
  ])('refuses $args', async ({ args, says }) => {
    const { code, output } = await afterRestore(args);
    expect(code).toBe(1);
    expect(output).toContain(says);
    expect(output).toContain('Usage: npm run after-restore');
  });

  it.each([
    { flags: [], freezes: 1, renews: 2 },
    { flags: ['--freeze'], freezes: 1, renews: 1 },
    { flags: ['--no-freeze'], freezes: 0, renews: 1 },
  ])('--dry-run $flags prints what it would run, and runs nothing', async ({ flags, freezes, renews }) => {
    const output = await succeeds(['--dry-run', '--env', 'staging', ...flags], {
      CLOUDFLARE_API_BASE_URL: 'http://127.0.0.1:1',
    });
    expect(output.match(/(?<=^ {2}\d\. )wrangler .*?(?= {2}\()/gm)?.slice(0, 2)).toEqual([
      'wrangler d1 migrations apply DB --remote --env staging',
      'wrangler d1 execute DB --remote --env staging --json --command …',
    ]);
    expect(output.match(/UPDATE api_keys SET enabled = 0/g) ?? []).toHaveLength(freezes);
    expect(output.match(/REPLACE INTO generation/g)).toHaveLength(renews);
  });
});

describe('the question', () => {
  const answered = (typed: string): Promise<boolean> => {
    const input = new PassThrough();
    input.end(typed);
    return confirm('Freeze them? [y/N] ', 'Stopped.', { input, output: new PassThrough() });
  };

  it.each(['y\n', 'Y\n', ' yes \n'])('takes %j for yes', async (typed) => {
    expect(await answered(typed)).toBe(true);
  });

  it.each(['\n', 'n\n', 'no\n', 'yesterday\n'])('takes %j for no', async (typed) => {
    expect(await answered(typed)).toBe(false);
  });

  it('goes no further without an answer', async () => {
    await expect(answered('')).rejects.toThrow('Stopped.');
  });
});

describe('docs/restore.md', { timeout: TIMEOUT_MS }, () => {
  const blocks = [...readFileSync('docs/restore.md', 'utf8').matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)].map(
    ([, block = '']) => block.trim(),
  );
  const [keep = '', restore, command, enable] = blocks;

  it('shows four blocks: keep the trail, restore, renew, enable', () => {
    expect(blocks).toHaveLength(4);
    expect(restore).toMatch(/^npx wrangler d1 time-travel restore DB --timestamp=\S+$/);
    expect(command).toBe('npm run after-restore');
  });

  it('keeps of the trail what the restore undoes', () => {
    const db = new DatabaseSync(':memory:');
    db.exec(readFileSync('schema.sql', 'utf8'));
    const at = Date.parse('2026-11-21T00:40:00Z');
    for (const [id, shift] of Object.entries({ evt_before: -1, evt_after: 0 }))
      insert(db, 'audit_events', {
        id,
        organization_id: DEFAULT_ORGANIZATION_ID,
        at: at + shift,
        action: 'api_key.revoked',
        actor_type: 'root',
        actor_id: 'root',
        target_type: 'api_key',
        target_id: 'key_1',
        request_id: 'request',
        changes: '{}',
      });
    const sql = /--command "([^"]*)"/.exec(keep)?.[1] ?? '';
    expect(rows(db, sql).map(({ id }) => id)).toEqual(['evt_after']);
  });

  it('finds and enables what was frozen, while the service runs', async () => {
    const port = await freePort();
    const server = project.npm(['start', '--', '--port', String(port)]);
    await server.prints(/Mintmark is ready/, TIMEOUT_MS);
    const sh = async (script: string): Promise<string> => {
      const variables = `MINTMARK_URL=http://localhost:${port}
ROOT="Authorization: Bearer $(sed -n 's/^MINTMARK_ROOT_KEY=//p' .dev.vars)" JSON='Content-Type: application/json'`;
      const args = ['-euc', `${variables}\n${script}`];
      return (await promisify(execFile)('sh', args, { cwd: project.directory })).stdout;
    };
    const minted = await sh(
      `curl -sSf $MINTMARK_URL/v1/api-keys -H "$ROOT" -H "$JSON" -d '{"name":"laptop","userId":"ada","scopes":[]}'`,
    );
    const { key, secret } = JSON.parse(minted) as { key: { id: string }; secret: string };
    const verify = async () =>
      await sh(
        `curl -sSf $MINTMARK_URL/v1/api-keys/verify -H "$ROOT" -H "$JSON" -d '{"key":"${secret}","maxStaleness":0}'`,
      );

    expect(await verify()).toContain('"code":"VALID"');
    expect(await succeeds(['--local', '--freeze'])).toContain('Frozen: 1 key.');
    expect(await verify()).toContain('"code":"DISABLED"');
    const answers = await sh(`KEY_ID=${key.id}\n${enable}`);
    expect(answers).toContain(`"target":{"type":"api_key","id":"${key.id}"}`);
    expect(answers).toContain('"changes":{"enabled":{"from":true,"to":false}}');
    expect(await verify()).toContain('"code":"VALID"');

    process.kill(-server.pid, 'SIGINT');
    await server.ended;
    expect(await leftoversIn(project.directory)).toEqual([]);
  });
});
