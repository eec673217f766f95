import { waitUntil } from 'cloudflare:workers';

import { readConfig, type Bindings } from '../../src/config.ts';
import type { Platform } from '../../src/core/platform.ts';
import { createVerification, type Verification } from '../../src/verification.ts';
import { after } from '../after.ts';

/** What is done how often, with which key. */
export interface Errand {
  readonly what: 'verify' | 'digest';
  readonly times: number;
  readonly key: string;
}

const platform: Platform = {
  clock: () => Date.now(),
  random: (bytes) => crypto.getRandomValues(bytes),
  background: (work) => waitUntil(work),
  fetch: (url, signal) => fetch(url, { signal }),
  sleep: (ms) => scheduler.wait(ms),
  after,
  relay: () => Promise.resolve(),
  log: () => {},
};

const utf8 = new TextEncoder();

let verification: Verification | undefined;

function verifierOf(env: Bindings): Verification['verifier'] {
  const read = readConfig(env);
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  verification ??= createVerification(read.config, platform, () => Promise.resolve()).verification;
  return verification.verifier;
}

/** Verifies one key again and again within one request, without HTTP or RPC between; or only digests it. */
export default {
  async fetch(request, env) {
    const { what, times, key } = await request.json<Errand>();
    const verifier = verifierOf(env);
    for (let done = 0; done < times; done++) {
      if (what === 'digest') {
        await crypto.subtle.digest('SHA-256', utf8.encode(key));
        continue;
      }
      const { decision } = await verifier.verify({
        key,
        organizationId: null,
        scopes: ['files:read'],
        usedFrom: { ip: null, userAgent: null },
      });
      if (decision.code !== 'VALID') throw new Error(decision.code);
    }
    return new Response(null, { status: 204 });
  },
} satisfies ExportedHandler<Bindings>;
