import { SchemaMissing, Unavailable } from '../core/faults.ts';

const MISSING_SCHEMA = /no such (?:table|column)/;
/** Codes by which SQLite blames the statement or its values, not its circumstances. */
const DEFECT = /SQLITE_(?:ERROR|MISMATCH|MISUSE|RANGE|CONSTRAINT|TOOBIG|AUTH)/;

/** What a failed D1 call means. A statement at fault is a defect of this code, and stays the error that it is. */
export function databaseFault(error: unknown): unknown {
  const message = error instanceof Error ? error.message : String(error);
  if (MISSING_SCHEMA.test(message)) return new SchemaMissing(message, { cause: error });
  return DEFECT.test(message) ? error : new Unavailable(message, { cause: error });
}

/** Makes one call to D1 and gives its failure the meaning that it has. */
export async function reaching<Value>(call: () => Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (error) {
    throw databaseFault(error);
  }
}
