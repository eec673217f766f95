import * as z from 'zod';

import { KV_EDGE_CACHE_TTL_SECONDS, KV_MIN_TTL_SECONDS } from '../core/constants.ts';
import { ROLES, type KeyRecord } from '../core/records.ts';
import { ENVIRONMENTS, type Digest } from '../core/secret.ts';

/** Part of every name, and raised with the shape below: a new version never reads an older one's values. */
const FORMAT_VERSION = 1;

/** What KV holds under `key:<version>:<digest>`: a {@link KeyRecord} as JSON. */
const cachedRecord = z.object({
  key: z.object({
    id: z.templateLiteral(['key_', z.string()]),
    userId: z.string().nullable(),
    name: z.string(),
    environment: z.enum(ENVIRONMENTS),
    scopes: z.array(z.string()).nullable(),
    metadata: z.record(z.string(), z.json()),
    enabled: z.boolean(),
    expiresAt: z.number().nullable(),
    revokedAt: z.number().nullable(),
    supersedes: z.templateLiteral(['key_', z.string()]).nullable(),
    revision: z.number(),
  }),
  account: z
    .object({
      id: z.templateLiteral(['sa_', z.string()]),
      permissions: z.array(z.string()),
      role: z.enum(ROLES).nullable(),
      disabledAt: z.number().nullable(),
      revision: z.number(),
    })
    .nullable(),
  organization: z.object({
    id: z.templateLiteral(['org_', z.string()]),
    slug: z.string(),
    keyPrefix: z.string(),
    personalKeyPermissions: z.array(z.string()),
    maxLiveKeys: z.number().nullable(),
    maxKeyLifetime: z.string().nullable(),
    revision: z.number(),
  }),
  asOf: z.number(),
  readAt: z.number(),
});

/** Records in KV, by digest: hints that may be late, lost or absent, so each says when it was read from D1. */
export class RecordCache {
  readonly #kv: KVNamespace;
  readonly #usableSeconds: number;

  /** A record is of no use `usableSeconds` after it was read, so KV need not keep it longer; with 0 KV is left alone. */
  constructor(kv: KVNamespace, usableSeconds: number) {
    this.#kv = kv;
    this.#usableSeconds = usableSeconds;
  }

  /** The record under a digest, or null if there is none that this version can read. One KV read. */
  async get(digest: Digest): Promise<KeyRecord | null> {
    const value = await this.#kv.get(nameOf(digest), {
      type: 'json',
      cacheTtl: KV_EDGE_CACHE_TTL_SECONDS,
    });
    const parsed = cachedRecord.safeParse(value);
    return parsed.success ? parsed.data : null;
  }

  /** Puts what was just read or minted, unless the key expires before KV could forget it. */
  async put(digest: Digest, record: KeyRecord): Promise<void> {
    const ttl = this.#ttlSeconds(record);
    if (ttl === null || this.#usableSeconds === 0) return;
    await this.#kv.put(nameOf(digest), JSON.stringify(record), { expirationTtl: ttl });
  }

  /** Puts what changed; where it can't be put, what was there before must not stay. */
  async replace(digest: Digest, record: KeyRecord): Promise<void> {
    if (this.#ttlSeconds(record) === null && this.#usableSeconds > 0) await this.#kv.delete(nameOf(digest));
    else await this.put(digest, record);
  }

  /** Throws when KV cannot be read. */
  async probe(): Promise<void> {
    await this.#kv.get('probe', { cacheTtl: KV_EDGE_CACHE_TTL_SECONDS });
  }

  #ttlSeconds({ key, readAt }: KeyRecord): number | null {
    const untilExpiry = key.expiresAt === null ? Infinity : Math.floor((key.expiresAt - readAt) / 1_000);
    if (untilExpiry < KV_MIN_TTL_SECONDS) return null;
    return Math.min(untilExpiry, Math.max(this.#usableSeconds, KV_MIN_TTL_SECONDS));
  }
}

function nameOf(digest: Digest): string {
  return `key:${FORMAT_VERSION}:${digest}`;
}
