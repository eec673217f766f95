import * as z from 'zod';

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
  description: description.optional(),
  environment: z.enum(ENVIRONMENTS).optional(),
  expiresAt: instant.nullable().optional(),
  expiresIn: duration.optional(),
  scopes: scopes.nullable().optional(),
  metadata: metadata.optional(),
};

/** Judged even where other fields are wrong, so that an answer names every fault at once. */
const always = { when: () => true };

const isBody = (body: unknown): body is object =>
  typeof body === 'object' && body !== null && !Array.isArray(body);

const oneExpiry = {
  check: (body: unknown): boolean => !(isBody(body) && 'expiresAt' in body && 'expiresIn' in body),
  options: { path: ['expiresIn'], error: 'give expiresAt or expiresIn, not both', ...always },
};

/**
 * Judges a body's expiry by the clock as well, so that an answer names one in the past beside whatever else is wrong,
 * and before the caller's rights are looked at. The keyring judges it again.
 */
export function expiringBy<Schema extends z.ZodType>(clock: () => number, schema: Schema): Schema {
  const faultOf = (body: unknown): string | null =>
    isBody(body) && 'expiresAt' in body && typeof body.expiresAt === 'number'
      ? tenYearFault(body.expiresAt, clock())
      : null;
  return schema.refine((body) => faultOf(body) === null, {
    path: ['expiresAt'],
    error: ({ input }) => faultOf(input) ?? undefined,
    ...always,
  });
}

/** POST /v1/service-accounts/{id}/api-keys */
export const newAccountKey = z.strictObject(newKeyFields).refine(oneExpiry.check, oneExpiry.options);

/** POST /v1/api-keys: the same with exactly one owner. */
export const newKey = z
  .strictObject({
    ...newKeyFields,
    serviceAccountId: serviceAccountId.optional(),
    userId: userId.optional(),
  })
  .refine(oneExpiry.check, oneExpiry.options)
  .refine((body) => !isBody(body) || 'serviceAccountId' in body !== 'userId' in body, {
    path: ['serviceAccountId'],
    error: 'give exactly one of serviceAccountId and userId',
    ...always,
  });

/** PATCH /v1/api-keys/{id}: absent is unchanged, null is cleared. */
export const keyPatch = z.strictObject({
  name: name.optional(),
  description: description.optional(),
  scopes: scopes.nullable().optional(),
  metadata: metadata.nullable().optional(),
  expiresAt: instant.nullable().optional(),
  enabled: z.boolean().optional(),
});

/** POST /v1/api-keys/{id}/revoke */
export const revocation = z.strictObject({
  reason: text(0, MAX_REASON_LENGTH).nullable().optional(),
  lineage: z.boolean().optional(),
});

const gracePeriod = z
  .string()
  .refine((value) => value === '0s' || (parseDuration(value) ?? Infinity) <= MAX_GRACE_MS, {
    error: 'must be 0s to 30d, written as a whole number and one of s, m, h, d, w',
  });

/** POST /v1/api-keys/{id}/rotate */
export const rotation = z
  .strictObject({
    gracePeriod: gracePeriod.optional(),
    untilFirstUse: z.boolean().optional(),
    expiresAt: instant.nullable().optional(),
    expiresIn: duration.optional(),
  })
  .refine(oneExpiry.check, oneExpiry.options);

/** What a list is searched by. */
const search = text(1, MAX_SEARCH_BYTES).refine(
  (value) => new TextEncoder().encode(value).length <= MAX_SEARCH_BYTES,
  { error: `must be at most ${MAX_SEARCH_BYTES} bytes` },
);

const page = { limit, cursor: cursor(parseKeyId).optional() };
const filters = {
  status: z.enum(KEY_STATUSES).optional(),
  environment: z.enum(ENVIRONMENTS).optional(),
  search: search.optional(),
};

/** GET /v1/service-accounts/{id}/api-keys */
export const accountKeyQuery = z.strictObject({ ...filters, ...page });

/** GET /v1/api-keys */
export const keyQuery = z.strictObject({
  serviceAccountId: serviceAccountId.optional(),
  userId: anyUserId.optional(),
  ...filters,
  ...page,
});

/** The same as an argument of a call. */
export const keyListRequest = keyQuery.extend({
  limit: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
});

export const apiKey = z.strictObject({
  id: z.string(),
  organizationId: z.string(),
  serviceAccountId: z.string().nullable(),
  userId: z.string().nullable(),
  name: z.string(),
  description: z.string().nullable(),
  environment: z.enum(ENVIRONMENTS),
  start: z.string(),
  fingerprint: z.string(),
  scopes: z.array(z.string()).nullable(),
  metadata: answeredMetadata,
  status: z.enum(KEY_STATUSES),
  enabled: z.boolean(),
  createdAt: timestamp,
  createdBy: z.string(),
  updatedAt: timestamp,
  updatedBy: z.string(),
  expiresAt: timestamp.nullable(),
  lastUsedAt: timestamp.nullable(),
  lastUsedIp: z.string().nullable(),
  lastUsedUserAgent: z.string().nullable(),
  revokedAt: timestamp.nullable(),
  revokedBy: z.string().nullable(),
  revocationReason: z.string().nullable(),
  rotatedFrom: z.string().nullable(),
  rotatedTo: z.string().nullable(),
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
