import * as z from 'zod/mini';

import { parseServiceAccountId } from '../core/id.ts';
import { ACCOUNT_STATUSES, ROLES } from '../core/records.ts';
import { cursor, description, limit, metadata, name, scopes, timestamp, answeredMetadata } from './fields.ts';

/** POST /v1/service-accounts */
export const newServiceAccount = z.strictObject({
  name,
  description: z.optional(description),
  permissions: z.optional(scopes),
  role: z.optional(z.nullable(z.enum(ROLES))),
  metadata: z.optional(metadata),
});

/** PATCH /v1/service-accounts/{id}: absent is unchanged, null is cleared. */
export const serviceAccountPatch = z.strictObject({
  name: z.optional(name),
  description: z.optional(description),
  permissions: z.optional(scopes),
  role: z.optional(z.nullable(z.enum(ROLES))),
  metadata: z.optional(z.nullable(metadata)),
});

/** GET /v1/service-accounts */
export const serviceAccountQuery = z.strictObject({
  limit,
  cursor: z.optional(cursor(parseServiceAccountId)),
});

export const serviceAccount = z.strictObject({
  id: z.string(),
  organizationId: z.string(),
  name: z.string(),
  description: z.nullable(z.string()),
  permissions: z.array(z.string()),
  role: z.nullable(z.enum(ROLES)),
  status: z.enum(ACCOUNT_STATUSES),
  metadata: answeredMetadata,
  createdAt: timestamp,
  createdBy: z.string(),
  updatedAt: timestamp,
  updatedBy: z.string(),
  disabledAt: z.nullable(timestamp),
});
export type ServiceAccountResource = z.infer<typeof serviceAccount>;
