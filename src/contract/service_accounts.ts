import * as z from 'zod';

import { parseServiceAccountId } from '../core/id.ts';
import { ACCOUNT_STATUSES, ROLES } from '../core/records.ts';
import { cursor, description, limit, metadata, name, scopes, timestamp, answeredMetadata } from './fields.ts';

/** POST /v1/service-accounts */
export const newServiceAccount = z.strictObject({
  name,
  description: description.optional(),
  permissions: scopes.optional(),
  role: z.enum(ROLES).nullable().optional(),
  metadata: metadata.optional(),
});

/** PATCH /v1/service-accounts/{id}: absent is unchanged, null is cleared. */
export const serviceAccountPatch = z.strictObject({
  name: name.optional(),
  description: description.optional(),
  permissions: scopes.optional(),
  role: z.enum(ROLES).nullable().optional(),
  metadata: metadata.nullable().optional(),
});

/** GET /v1/service-accounts */
export const serviceAccountQuery = z.strictObject({
  limit,
  cursor: cursor(parseServiceAccountId).optional(),
});

export const serviceAccount = z.strictObject({
  id: z.string(),
  organizationId: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  permissions: z.array(z.string()),
  role: z.enum(ROLES).nullable(),
  status: z.enum(ACCOUNT_STATUSES),
  metadata: answeredMetadata,
  createdAt: timestamp,
  createdBy: z.string(),
  updatedAt: timestamp,
  updatedBy: z.string(),
  disabledAt: timestamp.nullable(),
});
export type ServiceAccountResource = z.infer<typeof serviceAccount>;
