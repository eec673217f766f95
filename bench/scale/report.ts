import {
  DEFAULT_MAX_STALENESS_SECONDS,
  DEFAULT_SYNC_INTERVAL_SECONDS,
  KV_RECORD_TTL_SECONDS,
  MAX_CHANGES_TOLD,
  MAX_FLOORS,
  MAX_MEMORY_BYTES,
  USAGE_FLUSH_INTERVAL_MS,
} from '../../src/core/constants.ts';
import type { Options } from './options.ts';
import { simulate, type Outcome, type World } from './simulation.ts';
import { measureDatabase, measureMemory, measureValue, type DatabaseBytes } from './sizes.ts';

/** Keys in the database that is measured: enough for a thousandth of its size to be one page or less. */
const MEASURED_KEYS = 20_000;

/** The production code's numbers that an outcome rests on. */
export const CONSTANTS = {
  DEFAULT_MAX_STALENESS_SECONDS,
  DEFAULT_SYNC_INTERVAL_SECONDS,
  KV_RECORD_TTL_SECONDS,
  MAX_CHANGES_TOLD,
  MAX_FLOORS,
  MAX_MEMORY_BYTES,
  USAGE_FLUSH_INTERVAL_MS,
} as const;

/** What a run found, as `--json` writes it. */
export interface Report {
  readonly constants: typeof CONSTANTS;
  readonly databaseBytes: DatabaseBytes;
  /** Of a record in KV. */
  readonly valueBytes: number;
  /** That an isolate remembers. */
  readonly memoryRecords: number;
  readonly growth: readonly Outcome[];
  /** The last step of growth among others, in each of which one thing differs. */
  readonly variants: readonly Outcome[];
}

/** Measures and plays all that was asked for. */
export function report({ growth, variants }: Options): Report {
  const memoryRecords = measureMemory();
  const found = new Map(
    [...new Set([...growth, ...variants])].map((world) => [world, simulate(world, memoryRecords)]),
  );
  const outcomesOf = (worlds: readonly World[]): Outcome[] =>
    worlds.map((world) => found.get(world)).filter((outcome) => outcome !== undefined);
  return {
    constants: CONSTANTS,
    databaseBytes: measureDatabase(MEASURED_KEYS),
    valueBytes: measureValue(),
    memoryRecords,
    growth: outcomesOf(growth),
    variants: outcomesOf(variants),
  };
}
