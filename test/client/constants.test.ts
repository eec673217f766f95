import { expect, test } from 'vitest';

import {
  MAX_CREDENTIAL_LENGTH,
  MAX_SCOPE_LENGTH,
  MAX_SCOPES,
  MAX_STALENESS_SECONDS,
  MAX_TIMEOUT_MS,
  MAX_USER_AGENT_LENGTH,
  MIN_KEY_LENGTH,
  RATE_LIMITED_RETRY_SECONDS,
  UNAVAILABLE_RETRY_SECONDS,
} from '../../src/client/constants.ts';
import * as core from '../../src/core/constants.ts';
import { mintSecret } from '../../src/core/secret.ts';

const lengthOf = (brand: string): number =>
  mintSecret(brand, 'test', (bytes) => crypto.getRandomValues(bytes)).length;

test('what the package has of Mintmark’s numbers is as Mintmark has them', () => {
  expect(MAX_TIMEOUT_MS).toBe(core.IN_FLIGHT_SECONDS * 1_000);
  expect(MAX_STALENESS_SECONDS).toBe(core.LARGEST_MAX_STALENESS_SECONDS);
  expect([MAX_SCOPES, MAX_SCOPE_LENGTH]).toEqual([core.MAX_SCOPES, core.MAX_SCOPE_LENGTH]);
  expect(RATE_LIMITED_RETRY_SECONDS).toBe(core.FLOOD_PAUSE_MS / 1_000);
  expect(UNAVAILABLE_RETRY_SECONDS).toBe(core.RETRY_AFTER_SECONDS);
});

test('a key is between its bounds, and one in a user agent is not cut before it is looked for', () => {
  const [shortest, longest] = [lengthOf('mk'), lengthOf('m'.repeat(16))];
  expect(shortest).toBeGreaterThanOrEqual(MIN_KEY_LENGTH);
  expect(longest).toBeLessThan(MAX_CREDENTIAL_LENGTH);
  expect(MAX_USER_AGENT_LENGTH).toBeGreaterThanOrEqual(core.MAX_USER_AGENT_LENGTH + longest);
});
