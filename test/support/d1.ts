import { ForwardedStatement, type Travel } from './forwarded_statement.ts';

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

/** The real D1 behind hooks. */
export function wrapD1(db: D1Database, hooks: D1Hooks): D1Database {
  const unsupported = (): never => {
    throw new Error('the code under test uses prepare and batch alone');
  };
  const travel: Travel = async (sql, call) => {
    await hooks.before?.(sql);
    const result = await call();
    await hooks.after?.(sql, [result]);
    return result;
  };
  return {
    prepare: (sql) => new ForwardedStatement(sql, db.prepare(sql), travel),
    batch: async <Row>(statements: D1PreparedStatement[]): Promise<D1Result<Row>[]> => {
      const wrapped = statements.filter((statement) => statement instanceof ForwardedStatement);
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
