import * as z from 'zod/mini';

import { LARGEST_MAX_STALENESS_SECONDS } from '../core/constants.ts';
import { VERDICT_CODES } from '../core/decide.ts';
import { ENVIRONMENTS } from '../core/secret.ts';
import { userAgentOf } from '../core/user_agent.ts';
import { answeredMetadata, askedScopes, ip, organizationId, timestamp } from './fields.ts';

/** POST /v1/api-keys/verify. Any text may be asked about as a key. */
export const verifyRequest = z.strictObject({
  key: z.string(),
  scopes: z.optional(askedScopes),
  environment: z.optional(z.enum(ENVIRONMENTS)),
  ip: z.optional(ip),
  userAgent: z.optional(z.pipe(z.string(), z.transform(userAgentOf))),
  maxStaleness: z.optional(z.int().check(z.minimum(0), z.maximum(LARGEST_MAX_STALENESS_SECONDS))),
});

/**
 * The same over a binding, which may be for every organization: then `organization` says whose the key must be. `own` insists on
 * the binding's, and is refused where it has none.
 */
export const boundVerifyRequest = z.extend(verifyRequest, {
  organization: z.optional(
    z.union([z.literal('own'), organizationId], {
      error: 'must be the id of an organization, org_…, or own',
    }),
  ),
});

export const verdict = z.strictObject({
  valid: z.boolean(),
  code: z.enum(VERDICT_CODES),
  keyId: z.exactOptional(z.string()),
  organizationId: z.exactOptional(z.string()),
  serviceAccountId: z.exactOptional(z.string()),
  userId: z.exactOptional(z.string()),
  name: z.exactOptional(z.string()),
  environment: z.exactOptional(z.enum(ENVIRONMENTS)),
  scopes: z.exactOptional(z.array(z.string())),
  metadata: z.exactOptional(answeredMetadata),
  expiresAt: z.exactOptional(timestamp),
  source: z.enum(['memory', 'kv', 'd1', 'none']),
  ageSeconds: z.int(),
  degraded: z.exactOptional(z.literal(true)),
});
export type VerdictResource = z.infer<typeof verdict>;

/** GET /v1/whoami */
export const whoami = z.strictObject({
  type: z.enum(['root', 'service_account', 'user']),
  id: z.string(),
  organizationId: z.string(),
  scopes: z.array(z.string()),
  key: z.nullable(
    z.strictObject({
      id: z.string(),
      name: z.string(),
      environment: z.enum(ENVIRONMENTS),
      expiresAt: z.nullable(timestamp),
    }),
  ),
  token: z.exactOptional(z.strictObject({ id: z.string(), expiresAt: timestamp })),
});
export type WhoamiResource = z.infer<typeof whoami>;
