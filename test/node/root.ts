import type { createTestHarness } from 'wrangler';

import { makeSigningKey } from '../../scripts/secrets.ts';
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

/** What else than a root key a Mintmark needs to give tokens. */
export const tokenSecrets = () => ({
  MINTMARK_SIGNING_KEY: makeSigningKey(),
  MINTMARK_ISSUER: 'https://mintmark.example',
});

/** A token for an account's key. */
export async function tokenOf(
  harness: ReturnType<typeof createTestHarness>,
  accountId: string,
  key: string,
): Promise<string> {
  const response = await harness.getWorker('mintmark').fetch('http://mintmark/oauth/token', {
    method: 'POST',
    headers: {
      Authorization: `Basic ${btoa(`${accountId}:${key}`)}`,
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as { access_token: string }).access_token;
}

/** A key that is well made, and nobody's. */
export const strayKey = () => mintSecret('mk', 'live', (bytes) => crypto.getRandomValues(bytes));
