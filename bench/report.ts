/** What one side did in the median of its runs. */
export interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of a call, all told: the Worker's, that of what it calls, and the sockets'. */
  readonly cpuMicroseconds: number;
}

/** What is compared: the CPU time of a call, which is to be small, or the calls a second, which are to be many. */
export type Measure = 'cpu' | 'rate';

/** From the lowest of the rounds to the highest. */
export type Spread = readonly [lowest: number, highest: number];

/** Mintmark beside something else, each in turn. */
export interface Comparison {
  readonly name: string;
  readonly beside: string;
  readonly measure: Measure;
  readonly ours: Figures;
  readonly theirs: Figures;
  /** Ours to theirs, in the median of the rounds. */
  readonly ratio: number;
  readonly spread: Spread;
  /** What the ratio is to be: at most for `cpu`, at least for `rate`; null: nothing. */
  readonly aim: number | null;
}

/** What it costs to start an isolate, and how much of that is not the platform's own. */
export interface StartUp {
  /** How many were started at once. */
  readonly isolates: number;
  readonly cpuMs: number;
  readonly bareCpuMs: number;
  readonly beyondMs: number;
  readonly spread: Spread;
}

/** The Worker's code in bytes, gzipped. */
export interface Size {
  readonly uploaded: number;
  /** What an isolate sets up of that at its start: all that verification needs. */
  readonly startUp: number;
  /** What `startUp` is to be at most. */
  readonly aim: number;
}

export interface Report {
  readonly at: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly secondsEach: number;
  readonly comparisons: readonly Comparison[];
  readonly startUp: StartUp;
  readonly size: Size;
}

export function isMet({ measure, ratio, aim }: Comparison): boolean {
  if (aim === null) return true;
  return measure === 'cpu' ? ratio <= aim : ratio >= aim;
}
