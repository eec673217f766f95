import type { RandomSource } from './base62.ts';

/** What the code takes from its surroundings, so that tests can stand in for time and chance. */
export interface Platform {
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly random: RandomSource;
  /** Lets work go on after the answer; what it throws is logged, and fails nothing. */
  readonly background: (work: Promise<unknown>) => void;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  readonly log: (entry: LogEntry) => void;
}

/** One line of the log: what happened, and facts that are no secret. */
export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly [fact: string]: unknown;
}
