import type { Random } from './random.ts';

/** How KV is disposed in a history: `usual` is as late as its documentation says, `hostile` as late as can be. */
export const MOODS = ['fresh', 'usual', 'hostile'] as const;
export type Mood = (typeof MOODS)[number];

/** How the service is configured: by default, or with one setting at an extreme. */
export const SETTINGS = [
  {},
  { MAX_STALENESS_SECONDS: 0 },
  { MAX_STALENESS_SECONDS: 16 },
  { OUTAGE_GRACE_SECONDS: 0 },
  { SYNC_INTERVAL_SECONDS: 60 },
] as const;
export type Settings = Readonly<
  Partial<Record<'MAX_STALENESS_SECONDS' | 'OUTAGE_GRACE_SECONDS' | 'SYNC_INTERVAL_SECONDS', number>>
>;

/** What may go wrong of itself, at every call, and what the service makes of it. */
export interface Climate {
  readonly settings: Settings;
  readonly kv: Mood;
  /** Without it D1 answers every call, and soon, but for outages that are steps of the history. */
  readonly isD1Flaky: boolean;
}

/** What becomes of one call to D1. */
export interface Passage {
  /** Milliseconds until it is executed. */
  readonly out: number;
  /** Milliseconds from then on until its answer arrives; infinite: never. */
  readonly back: number;
  /** Fails without being executed, or is executed and its answer lost. */
  readonly fault: 'refused' | 'lost' | null;
}

export function passage(random: Random, { isD1Flaky }: Climate): Passage {
  const quick = { out: random.below(30, 1), back: random.below(30, 1), fault: null };
  if (!isD1Flaky) return quick;
  const luck = random.next();
  if (luck < 0.65) return quick;
  if (luck < 0.9) return { out: random.below(3_000), back: random.below(4_000), fault: null };
  if (luck < 0.95) return { ...quick, fault: 'refused' };
  if (luck < 0.99) return { ...quick, back: random.below(3_000), fault: 'lost' };
  return { ...quick, back: Infinity };
}
