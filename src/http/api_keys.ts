import { Hono, type MiddlewareHandler } from 'hono';

import {
  expiringBy,
  keyPatch,
  keyQuery,
  newKey,
  revocation,
  rotation,
  type MintedKeyResource,
  type RevokedKeyResource,
  type RotatedKeyResource,
} from '../contract/api_keys.ts';
import { apiKeyResource, effectiveByOf, pageResource } from '../contract/resources.ts';
import type { Keys, Owner } from '../keyring/keys.ts';
import type { Lineages } from '../keyring/lineages.ts';
import type { Rotations } from '../keyring/rotations.ts';
import { readBody } from './body.ts';
import { tellEffectiveBy } from './effective_by.ts';
import type { ManagementEnv } from './env.ts';
import { json, noBody, noQuery, query } from './input.ts';
import { problem } from './problem.ts';

/** /v1/api-keys, but for verification, which is routed before it and asks for another kind of caller. */
export function apiKeys(
  manage: MiddlewareHandler<ManagementEnv>,
  keys: Keys,
  lineages: Lineages,
  rotations: Rotations,
  clock: () => number,
) {
  return new Hono<ManagementEnv>()
    .use(manage)
    .post('/', readBody, noQuery, json(expiringBy(clock, newKey)), async (c) => {
      const { serviceAccountId, userId = '', ...input } = c.req.valid('json');
      const owner: Owner =
        serviceAccountId === undefined ? { userId } : { account: { id: serviceAccountId } };
      const minted = await keys.mint(c.get('caller'), owner, input);
      if (!minted.ok) return problem(c, minted.refusal);
      const { key, secret } = minted.value.value;
      return c.json({ key: apiKeyResource(key, null, clock()), secret } satisfies MintedKeyResource, 201);
    })
    .get('/', query(keyQuery), async (c) => {
      const { limit, cursor = null, ...filter } = c.req.valid('query');
      const page = await keys.list(c.get('caller'), filter, { limit, before: cursor });
      if (!page.ok) return problem(c, page.refusal);
      return c.json(pageResource(page.value, ({ key, lastUse }) => apiKeyResource(key, lastUse, clock())));
    })
    .get('/:id', noQuery, async (c) => {
      const found = await keys.get(c.get('caller'), { id: c.req.param('id') });
      if (!found.ok) return problem(c, found.refusal);
      return c.json(apiKeyResource(found.value.key, found.value.lastUse, clock()));
    })
    .patch('/:id', readBody, noQuery, json(expiringBy(clock, keyPatch)), async (c) => {
      const updated = await keys.update(c.get('caller'), { id: c.req.param('id') }, c.req.valid('json'));
      if (!updated.ok) return problem(c, updated.refusal);
      const { value, effectiveBy } = updated.value;
      tellEffectiveBy(c, effectiveBy);
      return c.json(apiKeyResource(value.key, value.lastUse, clock()));
    })
    .post('/:id/revoke', readBody, noQuery, json(revocation), async (c) => {
      const { reason = null, lineage = false } = c.req.valid('json');
      const [caller, ref] = [c.get('caller'), { id: c.req.param('id') }];
      const revoked = await (lineage
        ? lineages.revoke(caller, ref, reason)
        : keys.revoke(caller, ref, { reason }));
      if (!revoked.ok) return problem(c, revoked.refusal);
      const { value, effectiveBy } = revoked.value;
      tellEffectiveBy(c, effectiveBy);
      return c.json({
        key: apiKeyResource(value.key, value.lastUse, clock()),
        effectiveBy: effectiveByOf(effectiveBy),
      } satisfies RevokedKeyResource);
    })
    .post('/:id/rotate', readBody, noQuery, json(expiringBy(clock, rotation)), async (c) => {
      const rotated = await rotations.rotate(c.get('caller'), { id: c.req.param('id') }, c.req.valid('json'));
      if (!rotated.ok) return problem(c, rotated.refusal);
      const { value, effectiveBy } = rotated.value;
      tellEffectiveBy(c, effectiveBy);
      return c.json(
        {
          key: apiKeyResource(value.key, null, clock()),
          secret: value.secret,
          previous: apiKeyResource(value.previous.key, value.previous.lastUse, clock()),
          effectiveBy: effectiveByOf(effectiveBy),
        } satisfies RotatedKeyResource,
        201,
      );
    })
    .delete('/:id', readBody, noQuery, noBody, async (c) => {
      const removed = await keys.remove(c.get('caller'), { id: c.req.param('id') });
      if (!removed.ok) return problem(c, removed.refusal);
      tellEffectiveBy(c, removed.value.effectiveBy);
      return c.body(null, 204);
    });
}
