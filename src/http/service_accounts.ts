import { Hono, type MiddlewareHandler } from 'hono';
import type { Context } from 'hono';

import { accountKeyQuery, expiringBy, newAccountKey, type MintedKeyResource } from '../contract/api_keys.ts';
import { apiKeyResource, pageResource, serviceAccountResource } from '../contract/resources.ts';
import { newServiceAccount, serviceAccountPatch, serviceAccountQuery } from '../contract/service_accounts.ts';
import type { ServiceAccount } from '../core/records.ts';
import type { Result } from '../core/refusal.ts';
import type { Accounts } from '../keyring/accounts.ts';
import type { Changed } from '../keyring/changes.ts';
import type { Keys } from '../keyring/keys.ts';
import { readBody } from './body.ts';
import { tellEffectiveBy } from './effective_by.ts';
import type { ManagementEnv } from './env.ts';
import { json, noBody, noQuery, query } from './input.ts';
import { problem } from './problem.ts';

/** /v1/service-accounts, and the keys of one. */
export function serviceAccounts(
  manage: MiddlewareHandler<ManagementEnv>,
  accounts: Accounts,
  keys: Keys,
  clock: () => number,
) {
  return new Hono<ManagementEnv>()
    .use(manage)
    .post('/', readBody, noQuery, json(newServiceAccount), async (c) =>
      answer(c, await accounts.create(c.get('caller'), c.req.valid('json')), 201),
    )
    .get('/', query(serviceAccountQuery), async (c) => {
      const { limit, cursor = null } = c.req.valid('query');
      const page = await accounts.list(c.get('caller'), { limit, before: cursor });
      return page.ok ? c.json(pageResource(page.value, serviceAccountResource)) : problem(c, page.refusal);
    })
    .get('/:id', noQuery, async (c) => {
      const account = await accounts.get(c.get('caller'), { id: c.req.param('id') });
      return account.ok ? c.json(serviceAccountResource(account.value)) : problem(c, account.refusal);
    })
    .patch('/:id', readBody, noQuery, json(serviceAccountPatch), async (c) =>
      answer(c, await accounts.update(c.get('caller'), { id: c.req.param('id') }, c.req.valid('json')), 200),
    )
    .delete('/:id', readBody, noQuery, noBody, async (c) => {
      const removed = await accounts.remove(c.get('caller'), { id: c.req.param('id') });
      if (!removed.ok) return problem(c, removed.refusal);
      tellEffectiveBy(c, removed.value.effectiveBy);
      return c.body(null, 204);
    })
    .post('/:id/disable', readBody, noQuery, noBody, async (c) =>
      answer(c, await accounts.disable(c.get('caller'), { id: c.req.param('id') }), 200),
    )
    .post('/:id/enable', readBody, noQuery, noBody, async (c) =>
      answer(c, await accounts.enable(c.get('caller'), { id: c.req.param('id') }), 200),
    )
    .post('/:id/api-keys', readBody, noQuery, json(expiringBy(clock, newAccountKey)), async (c) => {
      const minted = await keys.mint(
        c.get('caller'),
        { account: { id: c.req.param('id') } },
        c.req.valid('json'),
      );
      if (!minted.ok) return problem(c, minted.refusal);
      const { key, secret } = minted.value.value;
      return c.json({ key: apiKeyResource(key, null, clock()), secret } satisfies MintedKeyResource, 201);
    })
    .get('/:id/api-keys', query(accountKeyQuery), async (c) => {
      const { limit, cursor = null, ...filter } = c.req.valid('query');
      const page = await keys.listOfAccount(c.get('caller'), { id: c.req.param('id') }, filter, {
        limit,
        before: cursor,
      });
      if (!page.ok) return problem(c, page.refusal);
      return c.json(pageResource(page.value, ({ key, lastUse }) => apiKeyResource(key, lastUse, clock())));
    });
}

function answer(
  c: Context<ManagementEnv>,
  changed: Result<Changed<ServiceAccount>>,
  status: 200 | 201,
): Response {
  if (!changed.ok) return problem(c, changed.refusal);
  tellEffectiveBy(c, changed.value.effectiveBy);
  return c.json(serviceAccountResource(changed.value.value), status);
}
