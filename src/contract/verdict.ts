import * as z from 'zod';

import { LARGEST_MAX_STALENESS_SECONDS } from '../core/constants.ts';
import { VERDICT_CODES } from '../core/decide.ts';
import { ENVIRONMENTS } from '../core/secret.ts';
import { userAgentOf } from '../core/user_agent.ts';
import { answeredMetadata, askedScopes, ip, organizationId, timestamp } from './fields.ts';

/** POST /v1/api-keys/verify. Any text may be asked about as a key. */
export const verifyRequest = z.strictObject({
  key: z.string(),
  scopes: askedScopes.optional(),
  environment: z.enum(ENVIRONMENTS).optional(),
  ip: ip.optional(),
  userAgent: z.string().transform(userAgentOf).optional(),
  maxStaleness: z.int().min(0).max(LARGEST_MAX_STALENESS_SECONDS).optional(),
});

/**
 * The same over a binding, which may be for every organization: then `organization` says whose the key must be. `own` insists on
 * the binding's, and is refused where it has none.
 */
export const boundVerifyRequest = verifyRequest.extend({
  organization: z
    .union([z.literal('own'), organizationId], { error: 'must be the id of an organization, org_…, or own' })
    .optional(),
});

export const verdict = z.strictObject({
  valid: z.boolean(),
  code: z.enum(VERDICT_CODES),
  keyId: z.string().exactOptional(),
  organizationId: z.string().exactOptional(),
  serviceAccountId: z.string().exactOptional(),
  userId: z.string().exactOptional(),
  name: z.string().exactOptional(),
  environment: z.enum(ENVIRONMENTS).exactOptional(),
  scopes: z.array(z.string()).exactOptional(),
  metadata: answeredMetadata.exactOptional(),
  expiresAt: timestamp.exactOptional(),
  source: z.enum(['memory', 'kv', 'd1', 'none']),
  ageSeconds: z.int(),
  degraded: z.literal(true).exactOptional(),
});
export type VerdictResource = z.infer<typeof verdict>;

/** GET /v1/whoami */
export const whoami = z.strictObject({
  type: z.enum(['root', 'service_account', 'user']),
  id: z.string(),
  organizationId: z.string(),
  scopes: z.array(z.string()),
  key: z
    .strictObject({
      id: z.string(),
      name: z.string(),
      environment: z.enum(ENVIRONMENTS),
      expiresAt: timestamp.nullable(),
    })
    .nullable(),
  token: z.strictObject({ id: z.string(), expiresAt: timestamp }).exactOptional(),
});
export type WhoamiResource = z.infer<typeof whoami>;
