import { Hono, type Context, type MiddlewareHandler } from 'hono';

import { newOrganization, organizationPatch, organizationQuery } from '../contract/organizations.ts';
import { organizationResource, pageResource } from '../contract/resources.ts';
import type { Organization } from '../core/records.ts';
import type { Result } from '../core/refusal.ts';
import type { Changed } from '../keyring/changes.ts';
import type { Organizations } from '../keyring/organizations.ts';
import { readBody } from './body.ts';
import { tellEffectiveBy } from './effective_by.ts';
import type { ManagementEnv } from './env.ts';
import { json, noBody, noQuery, query } from './input.ts';
import { problem } from './problem.ts';

/** /v1/organizations: root's alone. */
export function organizations(manage: MiddlewareHandler<ManagementEnv>, keyring: Organizations) {
  return new Hono<ManagementEnv>()
    .use(manage)
    .post('/', readBody, noQuery, json(newOrganization), async (c) =>
      answer(c, await keyring.create(c.get('caller'), c.req.valid('json')), 201),
    )
    .get('/', query(organizationQuery), async (c) => {
      const { limit, cursor = null } = c.req.valid('query');
      const page = await keyring.list(c.get('caller'), { limit, before: cursor });
      return page.ok ? c.json(pageResource(page.value, organizationResource)) : problem(c, page.refusal);
    })
    .get('/:id', noQuery, async (c) => {
      const found = await keyring.get(c.get('caller'), c.req.param('id'));
      return found.ok ? c.json(organizationResource(found.value)) : problem(c, found.refusal);
    })
    .patch('/:id', readBody, noQuery, json(organizationPatch), async (c) =>
      answer(c, await keyring.update(c.get('caller'), c.req.param('id'), c.req.valid('json')), 200),
    )
    .delete('/:id', readBody, noQuery, noBody, async (c) => {
      const removed = await keyring.remove(c.get('caller'), c.req.param('id'));
      if (!removed.ok) return problem(c, removed.refusal);
      tellEffectiveBy(c, removed.value.effectiveBy);
      return c.body(null, 204);
    });
}

function answer(
  c: Context<ManagementEnv>,
  changed: Result<Changed<Organization>>,
  status: 200 | 201,
): Response {
  if (!changed.ok) return problem(c, changed.refusal);
  tellEffectiveBy(c, changed.value.effectiveBy);
  return c.json(organizationResource(changed.value.value), status);
}
