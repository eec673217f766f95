import { afterAll, beforeAll } from 'vitest';
import { createTestHarness } from 'wrangler';

import { tokenSecrets } from '../root.ts';

/** Mintmark, and beside it in the same workerd a Worker that calls it, for the tests of one file or suite. */
export function startCaller(rootKey: string) {
  const harness = createTestHarness({
    workers: [
      { configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: rootKey, ...tokenSecrets() } },
      { configPath: 'test/node/caller/wrangler.toml' },
    ],
  });
  beforeAll(async () => {
    await harness.listen();
    await harness.getWorker<{ DB: D1Database }>('mintmark').applyD1Migrations('DB');
  });
  afterAll(() => harness.close());

  /** What came back of an RPC call, or was thrown. */
  async function call(binding: string, method: string, ...args: unknown[]) {
    const response = await harness.getWorker('caller').fetch('http://caller/', {
      method: 'POST',
      body: JSON.stringify({ binding, method, args }),
    });
    return (await response.json()) as { value?: Record<string, never>; thrown?: string };
  }

  return { harness, call };
}
