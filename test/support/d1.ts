/** What a test does around the real D1: look on, delay or fail a call, or change what a batch holds. */
export interface D1Hooks {
  /** Before a round trip; throwing keeps it from D1. */
  before?: (statements: readonly string[]) => void | Promise<void>;
  /** Once a batch is on its way, and before it reaches D1. */
  beforeBatch?: () => Promise<void>;
  /** What goes to D1 instead of the statements of a batch. */
  rewrite?: (statements: D1PreparedStatement[], db: D1Database) => D1PreparedStatement[];
  /** After D1 has answered, before the answer arrives; throwing loses it. */
  after?: (statements: readonly string[], results: readonly D1Result[]) => void | Promise<void>;
}

class WrappedStatement implements D1PreparedStatement {
  readonly sql: string;
  readonly inner: D1PreparedStatement;
  readonly #hooks: D1Hooks;

  constructor(sql: string, inner: D1PreparedStatement, hooks: D1Hooks) {
    this.sql = sql;
    this.inner = inner;
    this.#hooks = hooks;
  }

  bind(...values: unknown[]): D1PreparedStatement {
    return new WrappedStatement(this.sql, this.inner.bind(...values), this.#hooks);
  }

  async all<Row = Record<string, unknown>>(): Promise<D1Result<Row>> {
    await this.#hooks.before?.([this.sql]);
    const result = await this.inner.all<Row>();
    await this.#hooks.after?.([this.sql], [result]);
    return result;
  }

  run<Row = Record<string, unknown>>(): Promise<D1Result<Row>> {
    return this.all<Row>();
  }

  async first<Value>(): Promise<Value | null> {
    const { results } = await this.all<Value>();
    return results[0] ?? null;
  }

  raw(): never {
    throw new Error('the code under test does not use raw()');
  }
}

/** The real D1 behind hooks. */
export function wrapD1(db: D1Database, hooks: D1Hooks): D1Database {
  const unsupported = (): never => {
    throw new Error('the code under test uses prepare and batch alone');
  };
  return {
    prepare: (sql) => new WrappedStatement(sql, db.prepare(sql), hooks),
    batch: async <Row>(statements: D1PreparedStatement[]): Promise<D1Result<Row>[]> => {
      const wrapped = statements.filter((statement) => statement instanceof WrappedStatement);
      const sql = wrapped.map((statement) => statement.sql);
      await hooks.before?.(sql);
      await hooks.beforeBatch?.();
      const inner = wrapped.map((statement) => statement.inner);
      const results = await db.batch<Row>(hooks.rewrite?.(inner, db) ?? inner);
      await hooks.after?.(sql, results);
      return results;
    },
    exec: unsupported,
    dump: unsupported,
    withSession: unsupported,
  };
}
