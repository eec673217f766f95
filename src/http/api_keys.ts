import type { MiddlewareHandler } from 'hono';
import { Hono } from 'hono/tiny';

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
import { answer, answerChange } from './answer.ts';
import { readBody } from './body.ts';
import type { ManagementEnv } from './env.ts';
import { json, noBody, noQuery, query } from './input.ts';

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
      return answerChange(c, minted, ({ key, secret }) =>
        c.json({ key: apiKeyResource(key, null, clock()), secret } satisfies MintedKeyResource, 201),
      );
    })
    .get('/', query(keyQuery), async (c) => {
      const { limit, cursor = null, ...filter } = c.req.valid('query');
      const listed = await keys.list(c.get('caller'), filter, { limit, before: cursor });
      return answer(c, listed, (page) =>
        c.json(pageResource(page, ({ key, lastUse }) => apiKeyResource(key, lastUse, clock()))),
      );
    })
    .get('/:id', noQuery, async (c) => {
      const found = await keys.get(c.get('caller'), { id: c.req.param('id') });
      return answer(c, found, ({ key, lastUse }) => c.json(apiKeyResource(key, lastUse, clock())));
    })
    .patch('/:id', readBody, noQuery, json(expiringBy(clock, keyPatch)), async (c) => {
      const updated = await keys.update(c.get('caller'), { id: c.req.param('id') }, c.req.valid('json'));
      return answerChange(c, updated, ({ key, lastUse }) => c.json(apiKeyResource(key, lastUse, clock())));
    })
    .post('/:id/revoke', readBody, noQuery, json(revocation), async (c) => {
      const { reason = null, lineage = false } = c.req.valid('json');
      const [caller, ref] = [c.get('caller'), { id: c.req.param('id') }];
      const revoked = await (lineage
        ? lineages.revoke(caller, ref, reason)
        : keys.revoke(caller, ref, { reason }));
      return answerChange(c, revoked, ({ key, lastUse }, effectiveBy) =>
        c.json({
          key: apiKeyResource(key, lastUse, clock()),
          effectiveBy: effectiveByOf(effectiveBy),
        } satisfies RevokedKeyResource),
      );
    })
    .post('/:id/rotate', readBody, noQuery, json(expiringBy(clock, rotation)), async (c) => {
      const rotated = await rotations.rotate(c.get('caller'), { id: c.req.param('id') }, c.req.valid('json'));
      return answerChange(c, rotated, ({ key, secret, previous }, effectiveBy) =>
        c.json(
          {
            key: apiKeyResource(key, null, clock()),
            secret,
            previous: apiKeyResource(previous.key, previous.lastUse, clock()),
            effectiveBy: effectiveByOf(effectiveBy),
          } satisfies RotatedKeyResource,
          201,
        ),
      );
    })
    .delete('/:id', readBody, noQuery, noBody, async (c) => {
      const removed = await keys.remove(c.get('caller'), { id: c.req.param('id') });
      return answerChange(c, removed, () => c.body(null, 204));
    });
}
