import { readFileSync } from 'node:fs';
import {
  constants,
  DatabaseSync,
  type SQLInputValue,
  type SQLOutputValue,
  type StatementSync,
} from 'node:sqlite';

const SCHEMA = readFileSync('schema.sql', 'utf8');

/** What D1 allows of a statement, where a query of ours could come near it. */
const LIMITS = { variableNumber: 100, compoundSelect: 5, column: 100, exprDepth: 100, likePatternLength: 50 };

/** SQLite's extended result codes, as D1's messages end. */
const CODES: Readonly<Record<number, string>> = {
  1: 'SQLITE_ERROR',
  20: 'SQLITE_MISMATCH',
  275: 'SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)',
  787: 'SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)',
  1299: 'SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)',
  1555: 'SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)',
  2067: 'SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)',
  3091: 'SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_DATATYPE)',
};
const OUT_OF_RANGE = 25;

/** Actions that name the table they write as their first argument. */
const WRITING = new Set([constants.SQLITE_INSERT, constants.SQLITE_UPDATE, constants.SQLITE_DELETE]);
/** What a statement that changes the schema writes to. */
const SCHEMA_TABLE = 'sqlite_master';
/** Where SQLite keeps how far each AUTOINCREMENT has counted; written unseen, with the table that counts. */
const COUNTERS = 'sqlite_sequence';

type Values = readonly SQLOutputValue[];

/** All rows of the schema's tables at some moment; good for any SqliteD1, any number of times. */
export type Saved = ReadonlyMap<string, readonly Values[]>;

/** A statement as SQLite has it, and what must be known of it to run it as D1 does. */
interface Compiled {
  readonly statement: StatementSync;
  readonly columns: readonly string[];
  readonly parameters: number;
  /** The tables that it writes. */
  readonly writes: ReadonlySet<string>;
}

interface Table {
  readonly name: string;
  /** The tables that its rows refer to. */
  readonly parents: readonly string[];
  readonly dump: StatementSync;
  readonly empty: StatementSync;
  readonly fill: StatementSync;
}

/** A failure that is told in SQLite's words or those of D1's runtime. */
function refused(message: string): Error {
  return new Error(`D1_ERROR: ${message}`, { cause: new Error(message) });
}

const errcode = (error: unknown): number | null =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : null;

/** A TypeError, which the code under test takes for a defect and not for an outage. */
function notUsed(method: string): never {
  throw new TypeError(`the code under test does not use ${method}`);
}

/** What D1 says of a failure. One that is not known here is a TypeError too, for the same reason. */
function d1Error(error: unknown): unknown {
  const code = errcode(error);
  if (code === null || !(error instanceof Error)) return error;
  const name = CODES[code];
  return name === undefined
    ? new TypeError(`D1's name of SQLite's code ${code} is not known: ${error.message}`, { cause: error })
    : refused(`${error.message}: ${name}`);
}

function toBound(value: unknown): SQLInputValue {
  if (value === null) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  // Values travel as JSON, which has neither NaN nor infinities.
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'string') {
    // workerd stores half a surrogate pair as it is, and reads it back as three bytes that are wrong each.
    return value.isWellFormed() ? value : value.replaceAll(/\p{Surrogate}/gu, '\uFFFD\uFFFD\uFFFD');
  }
  const message = `Type '${typeof value}' not supported`;
  throw new Error(`D1_TYPE_ERROR: ${message}`, { cause: new Error(message) });
}

/** Integers are read as bigint, for node:sqlite throws at those that a number can't hold, and D1 rounds them. */
function toRead(value: SQLOutputValue): string | number | null | number[] {
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Uint8Array ? [...value] : value;
}

/** The rows of a statement that was set to return arrays, which its type does not tell. */
function rowsOf(statement: StatementSync, values: readonly SQLInputValue[] = []): Values[] {
  return statement.all(...values) as unknown as Values[];
}

type Execute = <Row>(statement: SqliteStatement) => D1Result<Row>;

class SqliteStatement implements D1PreparedStatement {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
  readonly #execute: Execute;

  constructor(sql: string, values: readonly SQLInputValue[], execute: Execute) {
    this.sql = sql;
    this.values = values;
    this.#execute = execute;
  }

  bind(...values: unknown[]): D1PreparedStatement {
    return new SqliteStatement(this.sql, values.map(toBound), this.#execute);
  }

  async all<Row = Record<string, unknown>>(): Promise<D1Result<Row>> {
    return this.#execute<Row>(this);
  }

  async run<Row = Record<string, unknown>>(): Promise<D1Result<Row>> {
    return this.#execute<Row>(this);
  }

  async first<Value>(column?: string): Promise<Value | null> {
    if (column !== undefined) notUsed('first(column)');
    return this.#execute<Value>(this).results[0] ?? null;
  }

  raw(): never {
    notUsed('raw()');
  }
}

/**
 * D1 over an SQLite in memory, with the project's schema. A call does all its work before it returns its promise. It
 * answers and fails as the local D1 does (`d1Contract` holds the two together), except that an error does not say at
 * which offset of the SQL, that blobs can't be bound, that a text holds one statement, and that `meta` knows of changes
 * and the last row id alone.
 */
export class SqliteD1 implements D1Database {
  readonly #database: DatabaseSync;
  readonly #compiled = new Map<string, Compiled>();
  /** Written to by whatever is compiled now. */
  #writes = new Set<string>();
  /** In the order of their creation, hence parents first; and the counters last. */
  readonly #tables: readonly Table[];
  /** The rows of each table that was not written since they were last saved or restored. */
  readonly #known = new Map<string, readonly Values[]>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #counts: StatementSync;
  #lastRowId = 0;

  /** `now` is the time that SQL sees, in epoch milliseconds; without it, the machine's. */
  constructor(now?: () => number) {
    const database = new DatabaseSync(':memory:', {
      enableForeignKeyConstraints: true,
      enableDoubleQuotedStringLiterals: true,
      limits: LIMITS,
    });
    this.#database = database;
    database.exec(SCHEMA);
    if (now !== undefined) {
      database.function('unixepoch', (precision) =>
        precision === 'subsec' ? now() / 1_000 : notUsed('unixepoch of anything but subsec'),
      );
    }
    database.setAuthorizer((action, table) => {
      if (table !== null && WRITING.has(action)) this.#writes.add(table);
      return constants.SQLITE_OK;
    });
    this.#begin = database.prepare('BEGIN');
    this.#commit = database.prepare('COMMIT');
    this.#rollback = database.prepare('ROLLBACK');
    this.#counts = this.#prepare('SELECT changes(), last_insert_rowid()');
    this.#tables = this.#findTables();
  }

  prepare(sql: string): D1PreparedStatement {
    return new SqliteStatement(sql, [], this.#alone);
  }

  async batch<Row>(statements: D1PreparedStatement[]): Promise<D1Result<Row>[]> {
    if (statements.length === 0) throw refused('No SQL statements detected.');
    return this.#transaction(() =>
      statements.map((statement) =>
        statement instanceof SqliteStatement
          ? this.#execute<Row>(this.#compile(statement.sql), statement.values)
          : notUsed("another database's statements"),
      ),
    );
  }

  exec(): never {
    notUsed('exec()');
  }

  dump(): never {
    notUsed('dump()');
  }

  withSession(): never {
    notUsed('withSession()');
  }

  /** The rows of the schema's tables, and how far AUTOINCREMENT has counted. */
  save(): Saved {
    return new Map(this.#tables.map((table) => [table.name, this.#save(table)]));
  }

  /** Puts back what was saved. Only tables that were written since, and those that refer to them, are filled anew. */
  restore(saved: Saved): void {
    const changed = new Set<string>();
    for (const { name, parents } of this.#tables) {
      if (this.#known.get(name) !== saved.get(name) || parents.some((parent) => changed.has(parent))) {
        changed.add(name);
      }
    }
    const tables = this.#tables.filter(({ name }) => changed.has(name));
    this.#transaction(() => {
      for (const { empty } of tables.toReversed()) empty.run();
      for (const { name, empty, fill } of tables) {
        // What filling the others has counted.
        if (name === COUNTERS) empty.run();
        const rows = saved.get(name) ?? [];
        for (const values of rows) fill.run(...values);
        this.#known.set(name, rows);
      }
    });
  }

  /** D1 runs a statement alone as a batch of one; one that only reads can't tell the difference. */
  readonly #alone = <Row>({ sql, values }: SqliteStatement): D1Result<Row> => {
    try {
      const compiled = this.#compile(sql);
      const execute = () => this.#execute<Row>(compiled, values);
      return compiled.writes.size === 0 ? execute() : this.#transaction(execute);
    } catch (error) {
      throw d1Error(error);
    }
  };

  /** All or nothing. */
  #transaction<Value>(work: () => Value): Value {
    this.#begin.run();
    let value: Value;
    try {
      value = work();
    } catch (error) {
      this.#rollback.run();
      throw d1Error(error);
    }
    try {
      this.#commit.run();
    } catch (error) {
      this.#rollback.run();
      // A deferred foreign key fails D1's commit, which its runtime takes for a breakdown of its own.
      throw new Error('internal error; reference = none', { cause: error });
    }
    return value;
  }

  #execute<Row>(
    { statement, columns, parameters, writes }: Compiled,
    values: readonly SQLInputValue[],
  ): D1Result<Row> {
    if (values.length !== parameters) throw refused('Wrong number of parameter bindings for SQL query.');
    let changes = 0;
    const results: Row[] = [];
    if (columns.length === 0) {
      const done = statement.run(...values);
      changes = Number(done.changes);
      this.#lastRowId = Number(done.lastInsertRowid);
    } else {
      for (const read of rowsOf(statement, values)) {
        const row: Record<string, unknown> = {};
        columns.forEach((column, index) => {
          row[column] = toRead(read[index] ?? null);
        });
        results.push(row as Row);
      }
      if (writes.size > 0) {
        const [counts = []] = rowsOf(this.#counts);
        [changes = 0, this.#lastRowId = 0] = counts.map(Number);
      }
    }
    for (const table of writes) this.#known.delete(table);
    // Whatever is written, so that they are put back whenever any other table is.
    if (writes.size > 0) this.#known.delete(COUNTERS);
    // What `*` stands for may have changed.
    if (writes.has(SCHEMA_TABLE)) this.#compiled.clear();
    // SQLite still tells of the last statement that changed rows.
    if (writes.size === 0 || writes.has(SCHEMA_TABLE)) changes = 0;
    return {
      success: true,
      results,
      meta: {
        duration: 0,
        size_after: 0,
        rows_read: 0,
        rows_written: 0,
        last_row_id: this.#lastRowId,
        changed_db: changes > 0,
        changes,
      },
    };
  }

  #compile(sql: string): Compiled {
    const known = this.#compiled.get(sql);
    if (known !== undefined) return known;
    if (sql.trim() === '') throw refused('No SQL statements detected.');
    this.#writes = new Set();
    const statement = this.#prepare(sql);
    const writes = this.#writes;
    if (sql.slice(statement.sourceSQL.length).trim() !== '') notUsed('two statements in one text');
    const columns = statement.columns().map(({ name }) => name);
    const compiled = { statement, columns, parameters: this.#parametersOf(sql), writes };
    this.#compiled.set(sql, compiled);
    return compiled;
  }

  #prepare(sql: string): StatementSync {
    const statement = this.#database.prepare(sql);
    statement.setReturnArrays(true);
    statement.setReadBigInts(true);
    return statement;
  }

  /** node:sqlite does not tell, and takes too few values; but one too many is refused, by EXPLAIN too. */
  #parametersOf(sql: string): number {
    const explain = this.#database.prepare(`EXPLAIN ${sql}`);
    const values: null[] = [];
    for (;;) {
      try {
        explain.all(...values, null);
        values.push(null);
      } catch (error) {
        if (errcode(error) === OUT_OF_RANGE) return values.length;
        throw error;
      }
    }
  }

  #findTables(): Table[] {
    const names = rowsOf(this.#prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> ?"), [
      COUNTERS,
    ]);
    const parentsOf = this.#prepare('SELECT "table" FROM pragma_foreign_key_list(?)');
    const tables = names.map(([name]) =>
      this.#table(
        String(name),
        rowsOf(parentsOf, [String(name)]).map(([parent]) => String(parent)),
      ),
    );
    return [...tables, this.#table(COUNTERS, [])];
  }

  #table(name: string, parents: readonly string[]): Table {
    const dump = this.#prepare(`SELECT * FROM ${name}`);
    const parameters = dump.columns().map(() => '?');
    return {
      name,
      parents,
      dump,
      empty: this.#prepare(`DELETE FROM ${name}`),
      fill: this.#prepare(`INSERT INTO ${name} VALUES (${parameters.join(', ')})`),
    };
  }

  #save({ name, dump }: Table): readonly Values[] {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const rows = rowsOf(dump);
    this.#known.set(name, rows);
    return rows;
  }
}
