import type { Platform } from '../../src/core/platform.ts';

/** A platform on which nothing goes on after an answer, and nothing is logged. */
export const IDLE_PLATFORM: Platform = {
  clock: () => Date.now(),
  random: (bytes) => crypto.getRandomValues(bytes),
  background: () => undefined,
  fetch: async () => {
    throw new TypeError('nothing is reached');
  },
  sleep: () => Promise.resolve(),
  after: () => () => undefined,
  relay: () => Promise.resolve(),
  log: () => undefined,
};
