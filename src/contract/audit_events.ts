import * as z from 'zod';

import { ACTIONS, ACTOR_TYPES, TARGET_TYPES } from '../core/audit.ts';
import { MAX_USER_ID_LENGTH } from '../core/constants.ts';
import { parseEventId } from '../core/id.ts';
import { cursor, instant, limit, text, timestamp } from './fields.ts';

const id = text(1, MAX_USER_ID_LENGTH);

/** GET /v1/audit-events: `from` is part of the time asked for, `to` is not. */
export const auditEventQuery = z.strictObject({
  action: z.enum(ACTIONS).optional(),
  actorId: id.optional(),
  targetId: id.optional(),
  from: instant.optional(),
  to: instant.optional(),
  limit,
  cursor: cursor(parseEventId).optional(),
});

export const auditEvent = z.strictObject({
  id: z.string(),
  organizationId: z.string(),
  at: timestamp,
  action: z.enum(ACTIONS),
  actor: z.strictObject({
    type: z.enum(ACTOR_TYPES),
    id: z.string(),
    credentialId: z.string().nullable(),
  }),
  target: z.strictObject({ type: z.enum(TARGET_TYPES), id: z.string() }),
  requestId: z.string(),
  ip: z.string().nullable(),
  userAgent: z.string().nullable(),
  changes: z.record(
    z.string(),
    z.strictObject({
      from: z.unknown().meta({ description: 'The value before.' }),
      to: z.unknown().meta({ description: 'The value after.' }),
    }),
  ),
});
export type AuditEventResource = z.infer<typeof auditEvent>;
