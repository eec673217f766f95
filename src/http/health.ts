import { Hono } from 'hono/tiny';

import { READINESS_TTL_MS, RETRY_AFTER_SECONDS } from '../core/constants.ts';
import type { RootKeys } from '../core/root_keys.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { VERSION } from '../version.ts';
import { readCredential } from './credential.ts';
import type { AppEnv } from './env.ts';
import { noQuery } from './input.ts';

/** Asks one dependency; throws when it does not do what is needed of it. */
export type Probe = () => Promise<unknown>;
export interface Probes {
  readonly database: Probe;
  readonly cache: Probe;
}

type Dependency = 'ok' | 'failing';

async function ask(probe: Probe): Promise<Dependency> {
  try {
    await probe();
    return 'ok';
  } catch {
    return 'failing';
  }
}

/** /health: the process answers. /health/ready: so do D1 and KV; which of them does not is told to root alone. */
export function health(probes: Probes, rootKeys: RootKeys, credentials: Credentials, clock: () => number) {
  let latest = { at: -Infinity, database: 'failing' as Dependency, cache: 'failing' as Dependency };

  return new Hono<AppEnv>()
    .get('/', noQuery, (c) => c.json({ status: 'ok', version: VERSION }))
    .get('/ready', noQuery, async (c) => {
      if (clock() - latest.at >= READINESS_TTL_MS) {
        const [database, cache] = await Promise.all([ask(probes.database), ask(probes.cache)]);
        latest = { at: clock(), database, cache };
      }
      const { database, cache } = latest;
      const isReady = database === 'ok' && cache === 'ok';
      const credential = readCredential(c);
      const isRoot = credential.ok && (await credentials.isRoot(credential.value, c.get('origin').ip));
      return c.json(
        {
          status: isReady ? 'ok' : 'unavailable',
          version: VERSION,
          rootKey: rootKeys.status,
          ...(isRoot ? { database, cache } : {}),
        },
        isReady ? 200 : 503,
        isReady ? {} : { 'Retry-After': String(RETRY_AFTER_SECONDS) },
      );
    });
}
