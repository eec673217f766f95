import type { MiddlewareHandler } from 'hono';
import { Hono } from 'hono/tiny';

import { newOrganization, organizationPatch, organizationQuery } from '../contract/organizations.ts';
import { organizationResource, pageResource } from '../contract/resources.ts';
import type { Organizations } from '../keyring/organizations.ts';
import { answer, answerChange } from './answer.ts';
import { readBody } from './body.ts';
import type { ManagementEnv } from './env.ts';
import { json, noBody, noQuery, query } from './input.ts';

/** /v1/organizations: root's alone. */
export function organizations(manage: MiddlewareHandler<ManagementEnv>, keyring: Organizations) {
  return new Hono<ManagementEnv>()
    .use(manage)
    .post('/', readBody, noQuery, json(newOrganization), async (c) => {
      const created = await keyring.create(c.get('caller'), c.req.valid('json'));
      return answerChange(c, created, (made) => c.json(organizationResource(made), 201));
    })
    .get('/', query(organizationQuery), async (c) => {
      const { limit, cursor = null } = c.req.valid('query');
      const listed = await keyring.list(c.get('caller'), { limit, before: cursor });
      return answer(c, listed, (page) => c.json(pageResource(page, organizationResource)));
    })
    .get('/:id', noQuery, async (c) => {
      const found = await keyring.get(c.get('caller'), c.req.param('id'));
      return answer(c, found, (organization) => c.json(organizationResource(organization)));
    })
    .patch('/:id', readBody, noQuery, json(organizationPatch), async (c) => {
      const updated = await keyring.update(c.get('caller'), c.req.param('id'), c.req.valid('json'));
      return answerChange(c, updated, (organization) => c.json(organizationResource(organization)));
    })
    .delete('/:id', readBody, noQuery, noBody, async (c) =>
      answerChange(c, await keyring.remove(c.get('caller'), c.req.param('id')), () => c.body(null, 204)),
    );
}
