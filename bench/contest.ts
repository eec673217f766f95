import type { Comparison, Figures, Measure } from './report.ts';
import { median, quantile } from './statistics.ts';

/** What so many calls took. */
export interface Sample {
  readonly calls: number;
  readonly elapsedMs: number;
  readonly cpuMs: number;
  /** How long each answer took. */
  readonly latenciesMs: readonly number[];
}

/** Makes so many calls, or a few more. */
export type Side = (calls: number) => Promise<Sample>;

export interface Contest {
  readonly name: string;
  readonly beside: string;
  readonly measure: Measure;
  readonly aim: number | null;
  readonly ours: Side;
  readonly theirs: Side;
}

/** Lets a contest be decided, and keeps what came of it. */
export type Judge = (contest: Contest) => Promise<void>;

export interface Effort {
  /** How often each side runs, an odd number. */
  readonly rounds: number;
  /** How long a run is to take. */
  readonly seconds: number;
}

const FIRST_CALLS = 200;
/** Other programs disturb a machine for seconds at a time: both sides feel it where they take turns so often in a round. */
const TURNS = 8;

/** Lets both sides run in turn, and compares them round by round. */
export async function decide(
  { ours, theirs, ...contest }: Contest,
  { rounds, seconds }: Effort,
): Promise<Comparison> {
  const calls = [await warmUp(ours, seconds), await warmUp(theirs, seconds)] as const;
  const played: (readonly [Sample, Sample])[] = [];
  for (let round = 0; round < rounds; round++) played.push(await playRound([ours, theirs], calls));
  const figureOf = contest.measure === 'cpu' ? cpuOf : rateOf;
  const ratios = played.map(([one, other]) => figureOf(one) / figureOf(other));
  return {
    ...contest,
    ours: figuresOf(played.map(([sample]) => sample)),
    theirs: figuresOf(played.map(([, sample]) => sample)),
    ratio: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}

/** Each side makes its calls in so many turns, and goes first in half of them. */
async function playRound(
  [ours, theirs]: readonly [Side, Side],
  [ourCalls, theirCalls]: readonly [number, number],
): Promise<readonly [Sample, Sample]> {
  const samples: { ours: Sample[]; theirs: Sample[] } = { ours: [], theirs: [] };
  const play = {
    ours: async () => samples.ours.push(await ours(Math.ceil(ourCalls / TURNS))),
    theirs: async () => samples.theirs.push(await theirs(Math.ceil(theirCalls / TURNS))),
  };
  for (let turn = 0; turn < TURNS; turn++) {
    const [first, second] = turn % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const);
    await play[first]();
    await play[second]();
  }
  return [together(samples.ours), together(samples.theirs)];
}

function together(samples: readonly Sample[]): Sample {
  const sumOf = (figure: 'calls' | 'elapsedMs' | 'cpuMs'): number =>
    samples.reduce((sum, sample) => sum + sample[figure], 0);
  return {
    calls: sumOf('calls'),
    elapsedMs: sumOf('elapsedMs'),
    cpuMs: sumOf('cpuMs'),
    latenciesMs: samples.flatMap(({ latenciesMs }) => latenciesMs),
  };
}

/** Runs until what runs is compiled, and tells how many calls fill the time. */
async function warmUp(side: Side, seconds: number): Promise<number> {
  let calls = FIRST_CALLS;
  for (;;) {
    const sample = await side(calls);
    const wanted = Math.max(FIRST_CALLS, Math.round(rateOf(sample) * seconds));
    if (calls >= wanted / 2) return wanted;
    calls = Math.min(wanted, calls * 8);
  }
}

/** Microseconds a call. */
function cpuOf({ cpuMs, calls }: Sample): number {
  return (cpuMs * 1_000) / calls;
}

/** Calls a second. */
function rateOf({ calls, elapsedMs }: Sample): number {
  return (calls * 1_000) / elapsedMs;
}

function figuresOf(samples: readonly Sample[]): Figures {
  const latencyAt = (share: number): number =>
    median(samples.map(({ latenciesMs }) => quantile(latenciesMs, share)));
  return {
    perSecond: median(samples.map(rateOf)),
    p50Ms: latencyAt(0.5),
    p99Ms: latencyAt(0.99),
    cpuMicroseconds: median(samples.map(cpuOf)),
  };
}
