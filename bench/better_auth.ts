import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';

import type { Sample } from './contest.ts';

/**
 * better-auth's plugin for API keys, in a process of its own: it is told how many verifications to make, one after the
 * other, and tells what they took. In process and on SQLite, as it is used; without its rate limit.
 */
const directory = mkdtempSync(join(tmpdir(), 'mintmark-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true }));

const auth = betterAuth({
  baseURL: 'http://localhost',
  secret: 'benchmark-secret-0123456789-abcdefghijklmnop',
  database: new DatabaseSync(join(directory, 'better-auth.sqlite')),
  emailAndPassword: { enabled: true },
  logger: { disabled: true },
  telemetry: { enabled: false },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
});

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
const { user } = await auth.api.signUpEmail({
  body: { email: 'bench@example.com', password: 'password-0123456789', name: 'bench' },
});
const { key } = await auth.api.createApiKey({ body: { userId: user.id, name: 'key' } });

async function verify(calls: number): Promise<Sample> {
  const latenciesMs: number[] = [];
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  for (let done = 0; done < calls; done++) {
    const calledAt = performance.now();
    const { valid } = await auth.api.verifyApiKey({ body: { key } });
    if (!valid) throw new Error('the key is good');
    latenciesMs.push(performance.now() - calledAt);
  }
  const elapsedMs = performance.now() - startedAt;
  const { user: byUser, system } = process.cpuUsage(cpuBefore);
  return { calls, elapsedMs, cpuMs: (byUser + system) / 1_000, latenciesMs };
}

process.on('message', (calls) => {
  void verify(Number(calls)).then((sample) => process.send?.(sample));
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
