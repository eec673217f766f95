import type { MiddlewareHandler } from 'hono';
import { Hono } from 'hono/tiny';

import { auditEventQuery } from '../contract/audit_events.ts';
import { auditEventResource, pageResource } from '../contract/resources.ts';
import type { AuditTrail } from '../keyring/audit_trail.ts';
import type { ManagementEnv } from './env.ts';
import { query } from './input.ts';
import { problem } from './problem.ts';

/** /v1/audit-events */
export function auditEvents(manage: MiddlewareHandler<ManagementEnv>, trail: AuditTrail) {
  return new Hono<ManagementEnv>().use(manage).get('/', query(auditEventQuery), async (c) => {
    const { limit, cursor = null, ...filter } = c.req.valid('query');
    const page = await trail.list(c.get('caller'), filter, { limit, before: cursor });
    return page.ok ? c.json(pageResource(page.value, auditEventResource)) : problem(c, page.refusal);
  });
}
