/** What one step of the way costs D1, as docs/operations.md has it and the tests of I/O hold it. */
export const ROWS = {
  /** A key by its digest. */
  miss: 7,
  /** What has changed, and one more for each change that is told. */
  sync: 4,
  use: { read: 2, written: 1 },
  /** A revocation. */
  change: { queries: 4, written: 7 },
  /** The schedule, each minute: the snapshot, and two that remove what nobody needs. */
  schedule: { queries: 3 },
} as const;

/** What happened, counted. */
export interface Tally {
  verifications: number;
  memory: number;
  kv: number;
  /** Asked of D1: KV had no record. */
  d1Absent: number;
  /** Asked of D1: KV had one that its reader could not tell to be up to date. */
  d1TooOld: number;
  missQueries: number;
  feedQueries: number;
  useQueries: number;
  rowsRead: number;
  rowsWritten: number;
  kvReads: number;
  kvWrites: number;
}

export function createTally(): Tally {
  return {
    verifications: 0,
    memory: 0,
    kv: 0,
    d1Absent: 0,
    d1TooOld: 0,
    missQueries: 0,
    feedQueries: 0,
    useQueries: 0,
    rowsRead: 0,
    rowsWritten: 0,
    kvReads: 0,
    kvWrites: 0,
  };
}
