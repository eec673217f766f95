import { afterAll } from 'vitest';

/**
 * Ends what the tests of a suite started, the latest first: each by a step that is given as soon as there is something to
 * end, so that nothing is left running where the next did not start, and where one does not end the rest does.
 */
export function endings(): (step: () => unknown) => void {
  const steps: (() => unknown)[] = [];
  afterAll(async () => {
    const faults: unknown[] = [];
    for (const step of steps.toReversed()) {
      try {
        await step();
      } catch (fault) {
        faults.push(fault);
      }
    }
    if (faults.length > 0) throw new AggregateError(faults, faults.map(String).join('\n'));
  });
  return (step) => void steps.push(step);
}
