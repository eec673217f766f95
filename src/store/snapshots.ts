import * as z from 'zod/mini';

import { KV_EDGE_CACHE_TTL_SECONDS, KV_SNAPSHOT_TTL_SECONDS } from '../core/constants.ts';
import type { Snapshot } from '../core/knowledge.ts';

/** What KV holds under this one name: a {@link Snapshot} as JSON. The number is raised with the shape below. */
const NAME = 'changes:1';

const cachedSnapshot = z.object({
  generation: z.string(),
  from: z.number(),
  newest: z.number(),
  changes: z.array(z.tuple([z.string(), z.number()])),
  knownAt: z.number(),
});

/** The stamped snapshot of the newest changes, for isolates that know nothing yet. KV may be late with it. */
export class SnapshotCache {
  readonly #kv: KVNamespace;

  constructor(kv: KVNamespace) {
    this.#kv = kv;
  }

  /** The snapshot that KV has here, or null if there is none that this version can read. One KV read. */
  async get(): Promise<Snapshot | null> {
    const value = await this.#kv.get(NAME, { type: 'json', cacheTtl: KV_EDGE_CACHE_TTL_SECONDS });
    const parsed = cachedSnapshot.safeParse(value);
    return parsed.success ? parsed.data : null;
  }

  async put(snapshot: Snapshot): Promise<void> {
    await this.#kv.put(NAME, JSON.stringify(snapshot), { expirationTtl: KV_SNAPSHOT_TTL_SECONDS });
  }

  /** Throws when KV cannot be read. */
  async probe(): Promise<void> {
    await this.#kv.get(NAME, { cacheTtl: KV_EDGE_CACHE_TTL_SECONDS });
  }
}
