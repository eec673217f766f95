import type { Answer } from './service.ts';

/** More than the limits of two minutes: the counters begin anew with each minute of the wall clock, which may come in between. */
const MAX_TIMES = 250;

/** Asks in vain until that is refused as a flood; the statuses it saw. */
export async function flood(
  service: { settle(): Promise<void> },
  ask: () => Promise<Answer>,
): Promise<ReadonlySet<number>> {
  const statuses = new Set<number>();
  for (let time = 0; time < MAX_TIMES && !statuses.has(429); time++) {
    statuses.add((await ask()).status);
    await service.settle();
  }
  return statuses;
}
