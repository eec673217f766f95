import type { LogEntry, Platform } from './platform.ts';

const SECOND_MS = 1_000;

/**
 * A log for what anybody can cause as often as they like: it writes so many entries a second, and the next that it writes
 * says how many it left out before (`unlogged`).
 */
export function thinned(
  { clock, log }: Pick<Platform, 'clock' | 'log'>,
  entriesPerSecond: number,
): Platform['log'] {
  let startedAt = -Infinity;
  let written = 0;
  let unlogged = 0;
  return (entry: LogEntry): void => {
    const now = clock();
    // A clock may step back.
    if (Math.abs(now - startedAt) >= SECOND_MS) {
      startedAt = now;
      written = 0;
    }
    if (written === entriesPerSecond) {
      unlogged += 1;
      return;
    }
    written += 1;
    log(unlogged === 0 ? entry : { ...entry, unlogged });
    unlogged = 0;
  };
}
