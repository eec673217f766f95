import { CPU_MS, dollarsOf, MONTH_SECONDS } from './prices.ts';
import type { Outcome } from './simulation.ts';
import type { DatabaseBytes } from './sizes.ts';

/** The most that one database may hold. */
const DATABASE_BYTES = 10e9;

/** What D1 holds: every key with the event of its minting and its last use. What changes later comes on top. */
export function databaseBytes(keys: number, { key, minting, lastUse }: DatabaseBytes): number {
  return keys * (key + minting + lastUse);
}

/** How many keys one database holds. */
export function keysInOneDatabase(bytes: DatabaseBytes): number {
  return Math.floor(DATABASE_BYTES / databaseBytes(1, bytes));
}

/** Dollars a month, beyond the plan's own price. */
export interface Bill {
  readonly requests: number;
  readonly cpu: number;
  readonly kvReads: number;
  readonly kvWrites: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly storage: number;
}

/** `valueBytes`: of a record in KV, which is taken to have one of every key. */
export function billOf({ world, d1, kv }: Outcome, bytes: DatabaseBytes, valueBytes: number): Bill {
  const requests = world.rate * MONTH_SECONDS;
  return {
    requests: dollarsOf('requests', requests),
    cpu: dollarsOf('cpuMs', requests * CPU_MS.https),
    kvReads: dollarsOf('kvReads', kv.reads * MONTH_SECONDS),
    kvWrites: dollarsOf('kvWrites', kv.writes * MONTH_SECONDS),
    rowsRead: dollarsOf('rowsRead', d1.rowsRead * MONTH_SECONDS),
    rowsWritten: dollarsOf('rowsWritten', d1.rowsWritten * MONTH_SECONDS),
    storage:
      dollarsOf('d1Bytes', databaseBytes(world.keys, bytes)) + dollarsOf('kvBytes', world.keys * valueBytes),
  };
}

export function totalOf(bill: Bill): number {
  return Object.values(bill).reduce((sum: number, dollars: number) => sum + dollars, 0);
}
