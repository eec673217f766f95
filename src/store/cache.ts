import * as z from 'zod/mini';

import { KV_EDGE_CACHE_TTL_SECONDS, KV_MIN_TTL_SECONDS, KV_RECORD_TTL_SECONDS } from '../core/constants.ts';
import type { Handle } from '../core/handle.ts';
import { ROLES, type KeyRecord } from '../core/records.ts';
import { ENVIRONMENTS } from '../core/secret.ts';

/** Part of every name, and raised with the shape below: a new version never reads an older one's values. */
const FORMAT_VERSION = 3;

/** What KV holds under `key:<version>:<handle>`: a {@link KeyRecord} as JSON. */
const cachedRecord = z.object({
  key: z.object({
    id: z.templateLiteral(['key_', z.string()]),
    userId: z.nullable(z.string()),
    name: z.string(),
    environment: z.enum(ENVIRONMENTS),
    scopes: z.nullable(z.array(z.string())),
    metadata: z.record(z.string(), z.json()),
    enabled: z.boolean(),
    createdAt: z.number(),
    expiresAt: z.nullable(z.number()),
    revokedAt: z.nullable(z.number()),
    supersedes: z.nullable(z.templateLiteral(['key_', z.string()])),
    revokedTokens: z.array(z.templateLiteral(['key_', z.string(), '.', z.string()])),
    revision: z.number(),
  }),
  account: z.nullable(
    z.object({
      id: z.templateLiteral(['sa_', z.string()]),
      permissions: z.array(z.string()),
      role: z.nullable(z.enum(ROLES)),
      disabledAt: z.nullable(z.number()),
      revision: z.number(),
    }),
  ),
  organization: z.object({
    id: z.templateLiteral(['org_', z.string()]),
    slug: z.string(),
    keyPrefix: z.string(),
    personalKeyPermissions: z.array(z.string()),
    maxLiveKeys: z.nullable(z.number()),
    maxKeyLifetime: z.nullable(z.string()),
    revision: z.number(),
  }),
  generation: z.string(),
  asOf: z.number(),
  readAt: z.number(),
});

/** Records in KV, by handle: hints that may be late, lost or absent, so each says as of which change it was read. */
export class RecordCache {
  readonly #kv: KVNamespace;

  constructor(kv: KVNamespace) {
    this.#kv = kv;
  }

  /**
   * The records under up to a hundred handles; what is not there, or not of this version, is missing. One KV read.
   */
  async get(handles: readonly Handle[]): Promise<Map<Handle, KeyRecord>> {
    const options = { type: 'json', cacheTtl: KV_EDGE_CACHE_TTL_SECONDS } as const;
    const [only] = handles;
    if (only !== undefined && handles.length === 1) {
      return readable([[only, await this.#kv.get(nameOf(only), options)]]);
    }
    const values = await this.#kv.get(handles.map(nameOf), options);
    return readable(handles.map((handle) => [handle, values.get(nameOf(handle))]));
  }

  /** Puts what was just read or minted, unless the key expires before KV could forget it. */
  async put(handle: Handle, record: KeyRecord): Promise<void> {
    const ttl = ttlSeconds(record);
    if (ttl === null) return;
    await this.#kv.put(nameOf(handle), JSON.stringify(record), { expirationTtl: ttl });
  }

  /** Puts what changed; where it can't be put, what was there before must not stay. */
  async replace(handle: Handle, record: KeyRecord): Promise<void> {
    if (ttlSeconds(record) === null) await this.#kv.delete(nameOf(handle));
    else await this.put(handle, record);
  }
}

function ttlSeconds({ key, readAt }: KeyRecord): number | null {
  if (key.expiresAt === null) return KV_RECORD_TTL_SECONDS;
  const untilExpiry = Math.floor((key.expiresAt - readAt) / 1_000);
  return untilExpiry < KV_MIN_TTL_SECONDS ? null : Math.min(untilExpiry, KV_RECORD_TTL_SECONDS);
}

function nameOf(handle: Handle): string {
  return `key:${FORMAT_VERSION}:${handle}`;
}

function readable(values: readonly (readonly [Handle, unknown])[]): Map<Handle, KeyRecord> {
  const records = new Map<Handle, KeyRecord>();
  for (const [handle, value] of values) {
    const parsed = cachedRecord.safeParse(value);
    if (parsed.success) records.set(handle, parsed.data);
  }
  return records;
}
