import * as z from 'zod/mini';

import {
  MAX_GRACE_MS,
  MAX_REASON_LENGTH,
  MAX_SEARCH_BYTES,
  DEFAULT_PAGE_SIZE,
  MAX_PAGE_SIZE,
} from '../core/constants.ts';
import { parseDuration, tenYearFault } from '../core/expiry.ts';
import { parseKeyId } from '../core/id.ts';
import { KEY_STATUSES } from '../core/records.ts';
import { ENVIRONMENTS } from '../core/secret.ts';
import {
  anyUserId,
  cursor,
  description,
  duration,
  instant,
  limit,
  metadata,
  name,
  scopes,
  serviceAccountId,
  text,
  timestamp,
  userId,
  answeredMetadata,
} from './fields.ts';

const newKeyFields = {
  name,
  description: z.optional(description),
  environment: z.optional(z.enum(ENVIRONMENTS)),
  expiresAt: z.optional(z.nullable(instant)),
  expiresIn: z.optional(duration),
  scopes: z.optional(z.nullable(scopes)),
  metadata: z.optional(metadata),
};

/** Judged even where other fields are wrong, so that an answer names every fault at once. */
const always = { when: () => true };

const isBody = (body: unknown): body is object =>
  typeof body === 'object' && body !== null && !Array.isArray(body);

const oneExpiry = z.refine<unknown>((body) => !(isBody(body) && 'expiresAt' in body && 'expiresIn' in body), {
  path: ['expiresIn'],
  error: 'give expiresAt or expiresIn, not both',
  ...always,
});

const oneOwner = z.refine<unknown>(
  (body) => !isBody(body) || 'serviceAccountId' in body !== 'userId' in body,
  { path: ['serviceAccountId'], error: 'give exactly one of serviceAccountId and userId', ...always },
);

/**
 * Judges a body's expiry by the clock as well, so that an answer names one in the past beside whatever else is wrong,
 * and before the caller's rights are looked at. The keyring judges it again.
 */
export function expiringBy<Schema extends z.ZodMiniType>(clock: () => number, schema: Schema): Schema {
  const faultOf = (body: unknown): string | null =>
    isBody(body) && 'expiresAt' in body && typeof body.expiresAt === 'number'
      ? tenYearFault(body.expiresAt, clock())
      : null;
  return schema.check(
    z.refine((body) => faultOf(body) === null, {
      path: ['expiresAt'],
      error: ({ input }) => faultOf(input) ?? undefined,
      ...always,
    }),
  );
}

/** POST /v1/service-accounts/{id}/api-keys */
export const newAccountKey = z.strictObject(newKeyFields).check(oneExpiry);

/** POST /v1/api-keys: the same with exactly one owner. */
export const newKey = z
  .strictObject({
    ...newKeyFields,
    serviceAccountId: z.optional(serviceAccountId),
    userId: z.optional(userId),
  })
  .check(oneExpiry, oneOwner);

/** PATCH /v1/api-keys/{id}: absent is unchanged, null is cleared. */
export const keyPatch = z.strictObject({
  name: z.optional(name),
  description: z.optional(description),
  scopes: z.optional(z.nullable(scopes)),
  metadata: z.optional(z.nullable(metadata)),
  expiresAt: z.optional(z.nullable(instant)),
  enabled: z.optional(z.boolean()),
});

export const reason = text(0, MAX_REASON_LENGTH);

/** POST /v1/api-keys/{id}/revoke */
export const revocation = z.strictObject({
  reason: z.optional(z.nullable(reason)),
  lineage: z.optional(z.boolean()),
});

export const gracePeriod = z.string().check(
  z.refine((value) => value === '0s' || (parseDuration(value) ?? Infinity) <= MAX_GRACE_MS, {
    error: 'must be 0s to 30d, written as a whole number and one of s, m, h, d, w',
  }),
);

/** POST /v1/api-keys/{id}/rotate */
export const rotation = z
  .strictObject({
    gracePeriod: z.optional(gracePeriod),
    untilFirstUse: z.optional(z.boolean()),
    expiresAt: z.optional(z.nullable(instant)),
    expiresIn: z.optional(duration),
  })
  .check(oneExpiry);

/** What a list is searched by. */
export const search = text(1, MAX_SEARCH_BYTES).check(
  z.refine((value) => new TextEncoder().encode(value).length <= MAX_SEARCH_BYTES, {
    error: `must be at most ${MAX_SEARCH_BYTES} bytes`,
  }),
);

const page = { limit, cursor: z.optional(cursor(parseKeyId)) };
const filters = {
  status: z.optional(z.enum(KEY_STATUSES)),
  environment: z.optional(z.enum(ENVIRONMENTS)),
  search: z.optional(search),
};

/** GET /v1/service-accounts/{id}/api-keys */
export const accountKeyQuery = z.strictObject({ ...filters, ...page });

/** GET /v1/api-keys */
export const keyQuery = z.strictObject({
  serviceAccountId: z.optional(serviceAccountId),
  userId: z.optional(anyUserId),
  ...filters,
  ...page,
});

/** The same as an argument of a call. */
export const keyListRequest = z.extend(keyQuery, {
  limit: z.prefault(z.int().check(z.minimum(1), z.maximum(MAX_PAGE_SIZE)), DEFAULT_PAGE_SIZE),
});

export const apiKey = z.strictObject({
  id: z.string(),
  organizationId: z.string(),
  serviceAccountId: z.nullable(z.string()),
  userId: z.nullable(z.string()),
  name: z.string(),
  description: z.nullable(z.string()),
  environment: z.enum(ENVIRONMENTS),
  start: z.string(),
  fingerprint: z.string(),
  scopes: z.nullable(z.array(z.string())),
  metadata: answeredMetadata,
  status: z.enum(KEY_STATUSES),
  enabled: z.boolean(),
  createdAt: timestamp,
  createdBy: z.string(),
  updatedAt: timestamp,
  updatedBy: z.string(),
  expiresAt: z.nullable(timestamp),
  lastUsedAt: z.nullable(timestamp),
  lastUsedIp: z.nullable(z.string()),
  lastUsedUserAgent: z.nullable(z.string()),
  revokedAt: z.nullable(timestamp),
  revokedBy: z.nullable(z.string()),
  revocationReason: z.nullable(z.string()),
  rotatedFrom: z.nullable(z.string()),
  rotatedTo: z.nullable(z.string()),
});
export type ApiKeyResource = z.infer<typeof apiKey>;

export const mintedKey = z.strictObject({ key: apiKey, secret: z.string() });
export type MintedKeyResource = z.infer<typeof mintedKey>;

/** Over RPC, which has no headers, what was taken away says by when here. */
export type UpdatedKeyResource = ApiKeyResource & { readonly effectiveBy?: string };

export const revokedKey = z.strictObject({ key: apiKey, effectiveBy: timestamp });
export type RevokedKeyResource = z.infer<typeof revokedKey>;

export const rotatedKey = z.strictObject({
  key: apiKey,
  secret: z.string(),
  previous: apiKey,
  effectiveBy: timestamp,
});
export type RotatedKeyResource = z.infer<typeof rotatedKey>;
