import type { MiddlewareHandler } from 'hono';
import { Hono } from 'hono/tiny';

import { accountKeyQuery, expiringBy, newAccountKey, type MintedKeyResource } from '../contract/api_keys.ts';
import { apiKeyResource, pageResource, serviceAccountResource } from '../contract/resources.ts';
import { newServiceAccount, serviceAccountPatch, serviceAccountQuery } from '../contract/service_accounts.ts';
import type { Accounts } from '../keyring/accounts.ts';
import type { Keys } from '../keyring/keys.ts';
import { answer, answerChange } from './answer.ts';
import { readBody } from './body.ts';
import type { ManagementEnv } from './env.ts';
import { json, noBody, noQuery, query } from './input.ts';

/** /v1/service-accounts, and the keys of one. */
export function serviceAccounts(
  manage: MiddlewareHandler<ManagementEnv>,
  accounts: Accounts,
  keys: Keys,
  clock: () => number,
) {
  return new Hono<ManagementEnv>()
    .use(manage)
    .post('/', readBody, noQuery, json(newServiceAccount), async (c) => {
      const created = await accounts.create(c.get('caller'), c.req.valid('json'));
      return answerChange(c, created, (account) => c.json(serviceAccountResource(account), 201));
    })
    .get('/', query(serviceAccountQuery), async (c) => {
      const { limit, cursor = null } = c.req.valid('query');
      const listed = await accounts.list(c.get('caller'), { limit, before: cursor });
      return answer(c, listed, (page) => c.json(pageResource(page, serviceAccountResource)));
    })
    .get('/:id', noQuery, async (c) => {
      const found = await accounts.get(c.get('caller'), { id: c.req.param('id') });
      return answer(c, found, (account) => c.json(serviceAccountResource(account)));
    })
    .patch('/:id', readBody, noQuery, json(serviceAccountPatch), async (c) => {
      const updated = await accounts.update(c.get('caller'), { id: c.req.param('id') }, c.req.valid('json'));
      return answerChange(c, updated, (account) => c.json(serviceAccountResource(account)));
    })
    .delete('/:id', readBody, noQuery, noBody, async (c) => {
      const removed = await accounts.remove(c.get('caller'), { id: c.req.param('id') });
      return answerChange(c, removed, () => c.body(null, 204));
    })
    .post('/:id/disable', readBody, noQuery, noBody, async (c) => {
      const disabled = await accounts.disable(c.get('caller'), { id: c.req.param('id') });
      return answerChange(c, disabled, (account) => c.json(serviceAccountResource(account)));
    })
    .post('/:id/enable', readBody, noQuery, noBody, async (c) => {
      const enabled = await accounts.enable(c.get('caller'), { id: c.req.param('id') });
      return answerChange(c, enabled, (account) => c.json(serviceAccountResource(account)));
    })
    .post('/:id/api-keys', readBody, noQuery, json(expiringBy(clock, newAccountKey)), async (c) => {
      const owner = { account: { id: c.req.param('id') } };
      const minted = await keys.mint(c.get('caller'), owner, c.req.valid('json'));
      return answerChange(c, minted, ({ key, secret }) =>
        c.json({ key: apiKeyResource(key, null, clock()), secret } satisfies MintedKeyResource, 201),
      );
    })
    .get('/:id/api-keys', query(accountKeyQuery), async (c) => {
      const { limit, cursor = null, ...filter } = c.req.valid('query');
      const ref = { id: c.req.param('id') };
      const listed = await keys.listOfAccount(c.get('caller'), ref, filter, { limit, before: cursor });
      return answer(c, listed, (page) =>
        c.json(pageResource(page, ({ key, lastUse }) => apiKeyResource(key, lastUse, clock()))),
      );
    });
}
