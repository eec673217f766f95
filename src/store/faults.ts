import { SchemaMissing, Unavailable } from '../core/faults.ts';

const MISSING_SCHEMA = /no such (?:table|column)/;
/** How SQLite and D1 blame the statement or its values, not its circumstances. */
const DEFECT = /SQLITE_(?:ERROR|MISMATCH|MISUSE|RANGE|CONSTRAINT|TOOBIG|AUTH)|D1_TYPE_ERROR/;

/** What a failed D1 call means. A statement at fault is a defect of this code, and stays the error that it is. */
export function databaseFault(error: unknown): unknown {
  const message = error instanceof Error ? error.message : String(error);
  if (MISSING_SCHEMA.test(message)) return new SchemaMissing(message, { cause: error });
  return error instanceof TypeError || DEFECT.test(message)
    ? error
    : new Unavailable(message, { cause: error });
}

/** Makes one call to D1 and gives its failure the meaning that it has. */
export async function reaching<Value>(call: () => Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (error) {
    throw databaseFault(error);
  }
}
