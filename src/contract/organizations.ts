import * as z from 'zod/mini';

import { LARGEST_MAX_LIVE_KEYS } from '../core/constants.ts';
import { parseOrganizationId } from '../core/id.ts';
import { SLUG_PATTERN } from '../core/slug.ts';
import { cursor, duration, limit, name, scopes, timestamp } from './fields.ts';

const slug = z
  .string()
  .check(z.regex(SLUG_PATTERN, { error: 'must have 1 to 63 characters of a-z, 0-9 and -' }));

const keyPrefix = z.string().check(
  z.regex(/^[a-z][a-z0-9]{1,15}$/, {
    error: 'must be a letter of a-z and 1 to 15 more characters of a-z and 0-9',
  }),
);

const settings = {
  slug: z.optional(slug),
  keyPrefix: z.optional(keyPrefix),
  personalKeyPermissions: z.optional(scopes),
  maxLiveKeys: z.optional(z.nullable(z.int().check(z.minimum(0), z.maximum(LARGEST_MAX_LIVE_KEYS)))),
  maxKeyLifetime: z.optional(z.nullable(duration)),
};

/** POST /v1/organizations */
export const newOrganization = z.strictObject({ name, ...settings });

/** PATCH /v1/organizations/{id}: absent is unchanged, null is cleared. */
export const organizationPatch = z.strictObject({ name: z.optional(name), ...settings });

/** GET /v1/organizations */
export const organizationQuery = z.strictObject({ limit, cursor: z.optional(cursor(parseOrganizationId)) });

export const organization = z.strictObject({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  keyPrefix: z.string(),
  personalKeyPermissions: z.array(z.string()),
  maxLiveKeys: z.nullable(z.int()),
  maxKeyLifetime: z.nullable(z.string()),
  createdAt: timestamp,
  createdBy: z.string(),
  updatedAt: timestamp,
  updatedBy: z.string(),
});
export type OrganizationResource = z.infer<typeof organization>;
