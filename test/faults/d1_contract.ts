import { beforeAll, beforeEach, describe, expect, test } from 'vitest';

const SCRATCH = [
  `CREATE TABLE contract_parents (id TEXT NOT NULL PRIMARY KEY, size INTEGER CONSTRAINT small CHECK (size < 10),
     tag TEXT, rank INTEGER CHECK (rank < 5), UNIQUE (tag, rank)) STRICT, WITHOUT ROWID`,
  'CREATE INDEX contract_sized ON contract_parents (size) WHERE size IS NOT NULL',
  `CREATE TABLE contract_children (seq INTEGER PRIMARY KEY AUTOINCREMENT,
     parent TEXT NOT NULL REFERENCES contract_parents (id)) STRICT`,
  `CREATE TABLE contract_early (seq INTEGER PRIMARY KEY,
     parent TEXT NOT NULL REFERENCES contract_parents (id) DEFERRABLE INITIALLY DEFERRED) STRICT`,
];
const CLEAN = [
  'contract_early',
  'contract_children',
  'contract_parents',
  'key_usage',
  'audit_events',
  'changes',
];

const PARENT = 'INSERT INTO contract_parents (id) VALUES (?)';
const EARLY = 'INSERT INTO contract_early (parent) VALUES (?)';
const EVENT = `INSERT INTO audit_events (id, organization_id, at, action, actor_type, actor_id, target_type, target_id,
  request_id, changes) VALUES (?1, ?2, 1, 'made', 'root', 'root', 'api_key', ?1, 'request', '{}')`;
const ORGANIZATION = `org_${'0'.repeat(24)}`;

/** What breaks which rule of SQLite, and what D1 says of it. Of the parents, `taken` is there. */
const FAILURES: Record<string, readonly [sql: string, message: string]> = {
  'a named CHECK': [
    "INSERT INTO contract_parents (id, size) VALUES ('a', 10)",
    'CHECK constraint failed: small: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)',
  ],
  'a CHECK without a name': [
    "INSERT INTO contract_parents (id, rank) VALUES ('a', 5)",
    'CHECK constraint failed: rank < 5: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)',
  ],
  "an assertion of the project's schema": [
    'INSERT INTO assertions (caller_live) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM changes)',
    'CHECK constraint failed: caller_live: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)',
  ],
  'a primary key': [
    "INSERT INTO contract_parents (id) VALUES ('taken')",
    'UNIQUE constraint failed: contract_parents.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)',
  ],
  'UNIQUE over two columns': [
    "INSERT INTO contract_parents (id, tag, rank) VALUES ('a', 'tag', 1)",
    'UNIQUE constraint failed: contract_parents.tag, contract_parents.rank: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)',
  ],
  'a foreign key': [
    "INSERT INTO contract_children (parent) VALUES ('nobody')",
    'FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)',
  ],
  'NOT NULL': [
    'INSERT INTO contract_parents (size) VALUES (1)',
    'NOT NULL constraint failed: contract_parents.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)',
  ],
  'the type of a STRICT column': [
    "INSERT INTO contract_parents (id, size) VALUES ('a', 'large')",
    'cannot store TEXT value in INTEGER column contract_parents.size: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_DATATYPE)',
  ],
  'the type of a rowid': [
    "INSERT INTO contract_children (seq, parent) VALUES ('first', 'taken')",
    'datatype mismatch: SQLITE_MISMATCH',
  ],
  'a missing table': ['SELECT * FROM absent', 'no such table: absent: SQLITE_ERROR'],
  'a missing column': ['SELECT absent FROM contract_parents', 'no such column: absent: SQLITE_ERROR'],
  'a missing column to write': [
    "INSERT INTO contract_parents (absent) VALUES ('a')",
    'table contract_parents has no column named absent: SQLITE_ERROR',
  ],
  'a missing index': [
    'SELECT id FROM contract_parents INDEXED BY absent',
    'no such index: absent: SQLITE_ERROR',
  ],
  'an index that does not hold the rows': [
    'SELECT id FROM contract_parents INDEXED BY contract_sized',
    'no query solution: SQLITE_ERROR',
  ],
  'a missing function': ['SELECT absent()', 'no such function: absent: SQLITE_ERROR'],
  'the syntax': ['SELEC 1', 'near "SELEC": syntax error: SQLITE_ERROR'],
  'the syntax at the end': ['SELECT 1 FROM', 'incomplete input: SQLITE_ERROR'],
  'the syntax of JSON': ["SELECT * FROM json_each('{')", 'malformed JSON: SQLITE_ERROR'],
  'the count of parameters': ['SELECT ?101', 'variable number must be between ?1 and ?100: SQLITE_ERROR'],
  'the count of SELECTs': [
    Array.from({ length: 6 }, () => 'SELECT 1').join(' UNION ALL '),
    'too many terms in compound SELECT: SQLITE_ERROR',
  ],
  'the length of a pattern': [
    `SELECT 'a' LIKE '${'a'.repeat(51)}'`,
    'LIKE or GLOB pattern too complex: SQLITE_ERROR',
  ],
};

/** What is read back when it is bound, and as which type SQLite has it. */
const VALUES: Record<string, readonly [bound: unknown, read: unknown, type: string]> = {
  text: ['text', 'text', 'text'],
  'text with a zero': ['a\0b', 'a\0b', 'text'],
  'text beyond ASCII': ['é😀', 'é😀', 'text'],
  'half a surrogate pair': ['a\uD800b', 'a\uFFFD\uFFFD\uFFFDb', 'text'],
  'a whole number': [7, 7, 'real'],
  'a fraction': [1.5, 1.5, 'real'],
  'a large number': [2 ** 53 + 2, 2 ** 53 + 2, 'real'],
  'not a number': [Number.NaN, null, 'null'],
  infinity: [Infinity, null, 'null'],
  true: [true, 1, 'real'],
  false: [false, 0, 'real'],
  null: [null, null, 'null'],
};

const REFUSED_VALUES: Record<string, unknown> = {
  undefined,
  bigint: 1n,
  function: () => 1,
  object: { id: 1 },
};

/**
 * What the project relies on of D1, as the tests of `implementation`. The database has the project's schema, and no
 * other test uses it at the same time.
 */
export function d1Contract(implementation: string, open: () => Promise<D1Database> | D1Database): void {
  describe(`D1's contract: ${implementation}`, () => {
    let db: D1Database;

    const bound = (sql: string, ...values: unknown[]) => db.prepare(sql).bind(...values);
    const read = async (sql: string, ...values: unknown[]) => (await bound(sql, ...values).all()).results;
    /** What a call fails with. At which offset of the SQL is left out, for node:sqlite does not tell. */
    const failure = async (call: Promise<unknown>): Promise<string> => {
      const error = await call.then(
        () => 'no failure',
        (reason: unknown) => reason,
      );
      return error instanceof Error ? error.message.replace(/ at offset \d+/, '') : String(error);
    };

    beforeAll(async () => {
      db = await open();
      for (const sql of SCRATCH) await db.prepare(sql).run();
    });

    beforeEach(async () => {
      await db.batch(CLEAN.map((table) => db.prepare(`DELETE FROM ${table}`)));
      await bound("INSERT INTO contract_parents (id, tag, rank) VALUES ('taken', 'tag', 1)").run();
    });

    describe('values', () => {
      test.each(Object.entries(VALUES))('%s', async (_, [value, expected, type]) => {
        expect(await read('SELECT ? AS value, typeof(?1) AS type', value)).toStrictEqual([
          { value: expected, type },
        ]);
      });

      test.each(Object.entries(REFUSED_VALUES))('refuses to bind %s', (type, value) => {
        expect(() => bound('SELECT ?', value)).toThrow(`D1_TYPE_ERROR: Type '${type}' not supported`);
      });

      test('a number becomes an integer in a column of integers', async () => {
        await bound("INSERT INTO contract_parents (id, size) VALUES ('a', ?)", 7).run();
        expect(
          await read("SELECT size, typeof(size) AS type FROM contract_parents WHERE id = 'a'"),
        ).toStrictEqual([{ size: 7, type: 'integer' }]);
      });

      test('an integer that no number can hold is rounded', async () => {
        expect(await read('SELECT 9007199254740993 AS value')).toStrictEqual([{ value: 2 ** 53 }]);
      });

      test('a blob is read as its bytes', async () => {
        expect(await read("SELECT x'01ff' AS value")).toStrictEqual([{ value: [1, 255] }]);
      });
    });

    describe('parameters', () => {
      test.each([
        ['SELECT ? AS a, ? AS b', [1, 2], { a: 1, b: 2 }],
        ['SELECT ?2 AS a, ?1 AS b', [1, 2], { a: 2, b: 1 }],
        ['SELECT ?1 AS a, ?1 AS b', [1], { a: 1, b: 1 }],
        ['SELECT ?3 AS a', [1, 2, 3], { a: 3 }],
        ["SELECT '?' AS a, ? AS b -- ?", [1], { a: '?', b: 1 }],
      ])('%s', async (sql, values, row) => {
        expect(await read(sql, ...values)).toStrictEqual([row]);
      });

      test.each([
        ['SELECT ?, ?', [1]],
        ['SELECT ?, ?', []],
        ['SELECT ?', [1, 2]],
        ['SELECT 1', [1]],
        ['SELECT ?3', [1, 2]],
        ['SELECT ?1, ?1', [1, 2]],
      ])('refuses %s with %o', async (sql, values) => {
        expect(await failure(read(sql, ...values))).toBe(
          'D1_ERROR: Wrong number of parameter bindings for SQL query.',
        );
      });

      test('binding leaves the statement and its other bindings alone', async () => {
        const statement = db.prepare('SELECT ? AS value');
        const [one, two] = [statement.bind(1), statement.bind(2)];
        expect(await db.batch([two, one, one.bind(3)])).toMatchObject([
          { results: [{ value: 2 }] },
          { results: [{ value: 1 }] },
          { results: [{ value: 3 }] },
        ]);
      });
    });

    describe('answers', () => {
      test('first is the first row, or null', async () => {
        const numbers = 'SELECT value FROM json_each(?) ORDER BY value';
        expect(await bound(numbers, '[3,1,2]').first()).toStrictEqual({ value: 1 });
        expect(await bound(numbers, '[]').first()).toBeNull();
      });

      test('first fails of any row', async () => {
        const rows = bound("SELECT json_extract(value, '$') AS value FROM json_each(?)", '["1", "{"]');
        expect(await failure(rows.first())).toBe('D1_ERROR: malformed JSON: SQLITE_ERROR');
      });

      test('all and run answer alike', async () => {
        const statement = db.prepare('SELECT 1 AS one');
        for (const answer of [await statement.all(), await statement.run()]) {
          expect(answer).toMatchObject({ success: true, results: [{ one: 1 }], meta: { changes: 0 } });
        }
      });

      test('a row has its columns in order, and the last of those that share a name', async () => {
        const [row = {}] = await read('SELECT 1 AS b, 2 AS a, 3 AS b');
        expect(Object.entries(row)).toStrictEqual([
          ['b', 3],
          ['a', 2],
        ]);
      });

      test('changes are counted, and the last row id told', async () => {
        const insert = await bound(
          "INSERT INTO contract_children (parent) VALUES ('taken'), ('taken') RETURNING seq, parent",
        ).run<{ seq: number; parent: string }>();
        const seqs = insert.results.map(({ seq }) => seq);
        expect(seqs).toStrictEqual([expect.any(Number), Number(seqs[0]) + 1]);
        expect(insert.results[1]?.parent).toBe('taken');
        expect(insert.meta).toMatchObject({ changes: 2, last_row_id: seqs[1] });

        const update = await bound("UPDATE contract_children SET parent = 'taken'").run();
        expect(update).toMatchObject({ results: [], meta: { changes: 2 } });
        const none = await bound("UPDATE contract_children SET parent = 'taken' WHERE seq < 0").run();
        expect(none.meta.changes).toBe(0);
        const gone = await bound('DELETE FROM contract_children WHERE seq = ?', seqs[0]).run();
        expect(gone.meta.changes).toBe(1);
        const look = await bound('SELECT * FROM contract_children').run();
        expect(look.meta.changes).toBe(0);
        const index = await bound('DROP INDEX IF EXISTS contract_none').run();
        expect(index).toMatchObject({ results: [], meta: { changes: 0 } });
      });

      test('a changed schema shows in a statement that ran before', async () => {
        await db.prepare('CREATE TABLE contract_growing (a)').run();
        await bound('INSERT INTO contract_growing VALUES (1)').run();
        expect(await read('SELECT * FROM contract_growing')).toStrictEqual([{ a: 1 }]);
        await db.prepare('ALTER TABLE contract_growing ADD COLUMN b').run();
        expect(await read('SELECT * FROM contract_growing')).toStrictEqual([{ a: 1, b: null }]);
        await db.prepare('DROP TABLE contract_growing').run();
        expect(await failure(read('SELECT * FROM contract_growing'))).toBe(
          'D1_ERROR: no such table: contract_growing: SQLITE_ERROR',
        );
      });
    });

    describe('SQL', () => {
      test("the clock's milliseconds", async () => {
        const before = Date.now();
        const [row] = await read("SELECT unixepoch('subsec') * 1000 AS now");
        expect(Math.abs(Number(row?.['now']) - before)).toBeLessThan(10_000);
      });

      test('a recursive CTE', async () => {
        expect(
          await read(
            'WITH RECURSIVE n (i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n',
            3,
          ),
        ).toStrictEqual([{ i: 1 }, { i: 2 }, { i: 3 }]);
      });

      test('a partial index by its name', async () => {
        await bound("INSERT INTO contract_parents (id, size) VALUES ('b', 2), ('a', 1)").run();
        expect(
          await read('SELECT id FROM contract_parents INDEXED BY contract_sized WHERE size > ?', 0),
        ).toStrictEqual([{ id: 'a' }, { id: 'b' }]);
      });

      test('rows from a JSON array, which update what is there', async () => {
        const upsert = `INSERT INTO key_usage (key_id, last_used_at, last_used_ip)
          SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
          ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at
          WHERE excluded.last_used_at > key_usage.last_used_at`;
        await bound(upsert, '[["a", 5, null], ["b", 5, "::1"]]').run();
        const { meta } = await bound(upsert, '[["a", 4, null], ["b", 6, null]]').run();
        expect(meta.changes).toBe(1);
        expect(
          await read('SELECT key_id, last_used_at, last_used_ip FROM key_usage ORDER BY key_id'),
        ).toStrictEqual([
          { key_id: 'a', last_used_at: 5, last_used_ip: null },
          { key_id: 'b', last_used_at: 6, last_used_ip: '::1' },
        ]);
      });

      test('AUTOINCREMENT gives no number twice', async () => {
        const insert = bound("INSERT INTO changes (subject, at) VALUES ('a', 1) RETURNING seq");
        const first = await insert.first<{ seq: number }>();
        await bound('DELETE FROM changes').run();
        expect(await insert.first()).toStrictEqual({ seq: Number(first?.seq) + 1 });
      });

      test('text in double quotes is text where no column has the name', async () => {
        expect(await read('SELECT "nobody" AS value')).toStrictEqual([{ value: 'nobody' }]);
      });
    });

    describe('failures', () => {
      test.each(Object.entries(FAILURES))('%s', async (_, [sql, message]) => {
        expect(await failure(db.prepare(sql).run())).toBe(`D1_ERROR: ${message}`);
        expect(await failure(db.batch([db.prepare('SELECT 1'), db.prepare(sql)]))).toBe(
          `D1_ERROR: ${message}`,
        );
      });

      test('SQL without a statement', async () => {
        expect(await failure(db.prepare(' ').run())).toBe('D1_ERROR: No SQL statements detected.');
      });

      test('the cause has the message without the prefix', async () => {
        const error = await read('SELEC').catch((reason: unknown) => reason);
        expect(error).toMatchObject({ cause: { message: expect.stringMatching(/^near "SELEC"/) } });
      });

      test('a failed statement leaves nothing', async () => {
        await failure(bound("INSERT INTO contract_parents (id, size) VALUES ('a', 1), ('b', 10)").run());
        expect(await read('SELECT id FROM contract_parents')).toStrictEqual([{ id: 'taken' }]);
      });
    });

    describe('batches', () => {
      test('answer in order, and see their own writes', async () => {
        const results = await db.batch([
          bound('SELECT count(*) AS n FROM contract_parents'),
          bound(PARENT, 'a'),
          bound('SELECT count(*) AS n FROM contract_parents'),
        ]);
        expect(results).toMatchObject([
          { success: true, results: [{ n: 1 }] },
          { success: true, results: [], meta: { changes: 1 } },
          { success: true, results: [{ n: 2 }] },
        ]);
      });

      test.each([
        ['a constraint', PARENT, ['taken']],
        ['the syntax', 'SELEC', []],
        ['the number of values', PARENT, []],
      ])('roll back whole where %s fails', async (_, sql, values) => {
        expect(
          await failure(db.batch([bound(PARENT, 'a'), bound(sql, ...values), bound(PARENT, 'b')])),
        ).toMatch(/^D1_ERROR/);
        expect(await read('SELECT id FROM contract_parents')).toStrictEqual([{ id: 'taken' }]);
        await db.batch([bound(PARENT, 'a')]);
        expect(await read('SELECT id FROM contract_parents')).toHaveLength(2);
      });

      test('refuses to hold nothing', async () => {
        expect(await failure(db.batch([]))).toBe('D1_ERROR: No SQL statements detected.');
      });
    });

    describe('deferred foreign keys', () => {
      test('allow a row before the one that it refers to', async () => {
        await db.batch([bound(EARLY, 'a'), bound(PARENT, 'a')]);
        expect(await read('SELECT parent FROM contract_early')).toStrictEqual([{ parent: 'a' }]);
      });

      test('let an earlier failure of the batch be the one that is told', async () => {
        expect(await failure(db.batch([bound(EARLY, 'nobody'), bound(PARENT, 'taken')]))).toMatch(
          /^D1_ERROR: UNIQUE constraint failed/,
        );
      });

      // The local D1 takes a failed commit for a breakdown of its own, and says so on standard error as well.
      test.each(['alone', 'in a batch'])('refuse at the commit what refers to nothing, %s', async (how) => {
        const event = bound(EVENT, 'evt_1', 'org_nobody');
        expect(await failure(how === 'alone' ? event.run() : db.batch([event, bound(PARENT, 'a')]))).toMatch(
          /^internal error; reference = /,
        );
        expect(await read('SELECT id FROM audit_events')).toStrictEqual([]);
        expect(await read('SELECT id FROM contract_parents')).toStrictEqual([{ id: 'taken' }]);
        await bound(EVENT, 'evt_1', ORGANIZATION).run();
        expect(
          await read(
            'SELECT id FROM audit_events INDEXED BY audit_events_list WHERE organization_id = ?',
            ORGANIZATION,
          ),
        ).toStrictEqual([{ id: 'evt_1' }]);
      });
    });
  });
}
