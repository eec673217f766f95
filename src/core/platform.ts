import type { RandomSource } from './base62.ts';
import type { KeyId } from './id.ts';
import type { LastUse } from './records.ts';

/** What the code takes from its surroundings, so that tests can stand in for time and chance. */
export interface Platform {
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly random: RandomSource;
  /** Lets work go on after the answer; what it throws is logged, and fails nothing. */
  readonly background: (work: Promise<unknown>) => void;
  /** Asks another service over HTTPS; who asks bounds it. */
  readonly fetch: (url: string, signal: AbortSignal) => Promise<Response>;
  /** Resolves after so many milliseconds: for work that goes on after an answer. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Rings after so many milliseconds, unless what it returns was called by then: for a deadline within a request. */
  readonly after: (ms: number, ring: () => void) => () => void;
  /** Takes uses that could not be written yet to an invocation of their own, which may last longer than this one. */
  readonly relay: (uses: readonly PendingUse[]) => Promise<void>;
  readonly log: (entry: LogEntry) => void;
}

/** A key's latest use, on its way to D1. */
export type PendingUse = readonly [keyId: KeyId, use: LastUse];

/** One line of the log: what happened, and facts that are no secret. */
export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly [fact: string]: unknown;
}
