import { CPU_MS, PRICES } from './prices.ts';
import { ROWS } from './tally.ts';

/** What a verification asks of KV and D1 on one way to its answer. */
interface Path {
  readonly name: string;
  readonly kvReads: number;
  readonly kvWrites: number;
  readonly rowsRead: number;
}

/** The tests of I/O hold these. */
export const PATHS: readonly Path[] = [
  { name: 'malformed, or remembered by the isolate', kvReads: 0, kvWrites: 0, rowsRead: 0 },
  { name: 'in KV', kvReads: 1, kvWrites: 0, rowsRead: 0 },
  { name: 'in KV, on a cold isolate', kvReads: 2, kvWrites: 0, rowsRead: ROWS.sync },
  { name: "nobody's key", kvReads: 1, kvWrites: 0, rowsRead: ROWS.miss },
  { name: 'in D1 alone, or too old in KV', kvReads: 1, kvWrites: 1, rowsRead: ROWS.miss },
  { name: 'the same, on a cold isolate', kvReads: 2, kvWrites: 1, rowsRead: ROWS.miss + ROWS.sync },
];

/** Dollars for a million, beyond what the plan includes. A Worker that is called over a binding is no billed request. */
export function dollarsOfMillion({ kvReads, kvWrites, rowsRead }: Path, way: keyof typeof CPU_MS): number {
  const each =
    (way === 'https' ? PRICES.requests.each : 0) +
    CPU_MS[way] * PRICES.cpuMs.each +
    kvReads * PRICES.kvReads.each +
    kvWrites * PRICES.kvWrites.each +
    rowsRead * PRICES.rowsRead.each;
  return 1e6 * each;
}
