import type { createTestHarness } from 'wrangler';

import { mintSecret } from '../../src/core/secret.ts';

/** Calls the Mintmark of a harness as its root; throws for what is refused. */
export function rootOf(harness: ReturnType<typeof createTestHarness>, rootKey: string) {
  return async (method: string, path: string, body: object = {}, organization = 'default') => {
    const response = await harness.getWorker('mintmark').fetch(`http://mintmark${path}`, {
      method,
      body: JSON.stringify(body),
      headers: {
        Authorization: `Bearer ${rootKey}`,
        'Content-Type': 'application/json',
        'Mintmark-Organization': organization,
      },
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Record<string, never>;
  };
}

/** A key that is well made, and nobody's. */
export const strayKey = () => mintSecret('mk', 'live', (bytes) => crypto.getRandomValues(bytes));
