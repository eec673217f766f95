import * as z from 'zod/mini';

import { ACTIONS, ACTOR_TYPES, TARGET_TYPES } from '../core/audit.ts';
import { MAX_USER_ID_LENGTH } from '../core/constants.ts';
import { parseEventId } from '../core/id.ts';
import { cursor, instant, limit, text, timestamp } from './fields.ts';

/** Who or what an event is looked for by. */
export const id = text(1, MAX_USER_ID_LENGTH);

/** GET /v1/audit-events: `from` is part of the time asked for, `to` is not. */
export const auditEventQuery = z.strictObject({
  action: z.optional(z.enum(ACTIONS)),
  actorId: z.optional(id),
  targetId: z.optional(id),
  from: z.optional(instant),
  to: z.optional(instant),
  limit,
  cursor: z.optional(cursor(parseEventId)),
});

/** A field's value before and after. */
export const change = z.strictObject({ from: z.unknown(), to: z.unknown() });

export const auditEvent = z.strictObject({
  id: z.string(),
  organizationId: z.string(),
  at: timestamp,
  action: z.enum(ACTIONS),
  actor: z.strictObject({
    type: z.enum(ACTOR_TYPES),
    id: z.string(),
    credentialId: z.nullable(z.string()),
  }),
  target: z.strictObject({ type: z.enum(TARGET_TYPES), id: z.string() }),
  requestId: z.string(),
  ip: z.nullable(z.string()),
  userAgent: z.nullable(z.string()),
  changes: z.record(z.string(), change),
});
export type AuditEventResource = z.infer<typeof auditEvent>;
