import type { Context } from 'hono';
import { Hono } from 'hono/tiny';
import * as z from 'zod/mini';

import type { HttpRefusal } from '../contract/describe.ts';
import { description, instant, limit, name, numeral, scopes } from '../contract/fields.ts';
import { timestampOf } from '../contract/resources.ts';
import { ruled } from '../contract/ruled.ts';
import { usually, type Told } from '../contract/told.ts';
import { MAX_OFFSET } from '../core/constants.ts';
import { tenYearFault } from '../core/expiry.ts';
import { accountStatus, type LastUse, type ServiceAccount, type ApiKey } from '../core/records.ts';
import type { Refusal } from '../core/refusal.ts';
import type { Scope } from '../core/scope.ts';
import { answer, answerChange } from '../http/answer.ts';
import { readBody } from '../http/body.ts';
import type { ManagementEnv } from '../http/env.ts';
import { json, query } from '../http/input.ts';
import { problem } from '../http/problem.ts';
import { inNames, type Dialect } from './dialect.ts';

const newAccount = z.object({ name, permissions: scopes, description: z.optional(description) });
const accountPatch = z.object({
  name: z.nullish(name),
  permissions: z.nullish(scopes),
  description: z.optional(description),
});

const newKeyBy = (clock: () => number) =>
  z.object({
    name,
    description: z.optional(description),
    expiresAt: z.nullish(instant.check(ruled((ms) => tenYearFault(ms, clock())))),
    scope: z.nullish(z.enum(['read', 'read-write'])),
    serviceAccountId: z.nullish(z.string()),
  });

/** The keyring's fields by the names here. */
const NAMES = new Map([['scopes', 'scope']]);

const page = z.object({ limit, offset: z.prefault(numeral(5, 0, MAX_OFFSET), '0') });

/** B3OS, https://docs.b3os.org/api: keys, and service accounts. */
export const b3os: Dialect = {
  prefix: '/compat/b3os',
  basePath: '/v1',
  caller: {
    credential: { Authorization: ['bearer'] },
    organizations: (request) => [request.header('X-Org-ID') ?? ''].filter((id) => id !== ''),
  },
  writeRefusal: (refusal, requestId) => {
    const { status, message } = told(refusal);
    return { status, mediaType: 'application/json', body: { code: status, message, requestId } };
  },
  routes: (manage, { accounts, keys, clock }) =>
    new Hono<ManagementEnv>()
      .use(manage)
      .post('/api-keys', readBody, json(newKeyBy(clock)), async (c) => {
        const caller = c.get('caller');
        const { serviceAccountId, scope, expiresAt, ...input } = c.req.valid('json');
        const isReader = scope !== 'read-write';
        const id = serviceAccountId ?? null;
        if (id === null && caller.actor.type === 'root') return problem(c, ROOT_IS_NOBODY);
        const minted =
          id === null
            ? await keys.mint(
                caller,
                { userId: caller.actor.id },
                { ...input, expiresAt, scopes: isReader ? ['read'] : ['read', 'write'] },
              )
            : await keys.mint(
                caller,
                { account: { id }, only: isReader ? isRead : undefined },
                { ...input, expiresAt },
              );
        return answerChange(c, inNames(minted, NAMES), ({ key, secret }) =>
          success(c, { ...keyOf(key, null), key: secret }),
        );
      })
      .get('/api-keys', query(page), async (c) => {
        const { limit: most, offset } = c.req.valid('query');
        const listed = await keys.list(c.get('caller'), {}, { before: null, limit: most, offset });
        return answer(c, listed, ({ items, next }) =>
          success(c, {
            items: items.map(({ key, lastUse }) => keyOf(key, lastUse)),
            limit: most,
            offset,
            hasMore: next !== null,
          }),
        );
      })
      .delete('/api-keys/:id', async (c) => {
        const ref = { id: c.req.param('id') };
        const revoked = await keys.revoke(c.get('caller'), ref, { reason: null, isOnce: true });
        return answerChange(c, revoked, () => success(c));
      })
      .post('/service-accounts', readBody, json(newAccount), async (c) => {
        const created = await accounts.create(c.get('caller'), c.req.valid('json'));
        return answerChange(c, created, (account) => success(c, accountOf(account)));
      })
      .get('/service-accounts', query(page), async (c) => {
        const { limit: most, offset } = c.req.valid('query');
        const listed = await accounts.list(c.get('caller'), { before: null, limit: most, offset });
        return answer(c, listed, ({ items, next }) =>
          success(c, { items: items.map(accountOf), limit: most, offset, hasMore: next !== null }),
        );
      })
      .get('/service-accounts/:id', async (c) => {
        const found = await accounts.get(c.get('caller'), { id: c.req.param('id') });
        return answer(c, found, (account) => success(c, accountOf(account)));
      })
      .patch('/service-accounts/:id', readBody, json(accountPatch), async (c) => {
        const { name: newName, permissions, ...patch } = c.req.valid('json');
        const updated = await accounts.update(
          c.get('caller'),
          { id: c.req.param('id') },
          { ...patch, name: newName ?? undefined, permissions: permissions ?? undefined },
        );
        return answerChange(c, updated, (account) => success(c, accountOf(account)));
      })
      .delete('/service-accounts/:id', async (c) => {
        const removed = await accounts.remove(c.get('caller'), { id: c.req.param('id') });
        return answerChange(c, removed, () => success(c));
      }),
};

/** A key without an account is its caller's own, and root is no person. */
const ROOT_IS_NOBODY: Refusal = {
  kind: 'invalid',
  faults: [{ path: 'serviceAccountId', message: 'is required of the root key, which is no person' }],
};

function success(c: Context<ManagementEnv>, data?: object): Response {
  const { requestId } = c.get('origin');
  return c.json({ code: 200, ...(data === undefined ? {} : { data }), message: 'success', requestId });
}

const isRead = (scope: Scope): boolean => scope.split(':').at(-1) === 'read';

function keyOf(key: ApiKey, lastUse: LastUse | null) {
  return present({
    id: key.id,
    name: key.name,
    description: key.description,
    keyPrefix: key.start,
    scope: key.scopes !== null && key.scopes.every(isRead) ? 'read' : 'read-write',
    organizationId: key.organizationId,
    userId: key.userId,
    serviceAccountId: key.serviceAccountId,
    createdAt: timestampOf(key.createdAt),
    createdBy: key.createdBy,
    expiresAt: timeOf(key.expiresAt),
    lastUsedAt: timeOf(lastUse?.at ?? null),
    lastUsedIp: lastUse?.ip ?? null,
    lastUsedUserAgent: lastUse?.userAgent ?? null,
    revokedAt: timeOf(key.revokedAt),
  });
}

function accountOf(account: ServiceAccount) {
  return present({
    id: account.id,
    name: account.name,
    description: account.description,
    organizationId: account.organizationId,
    permissions: account.permissions,
    status: accountStatus(account),
    createdBy: account.createdBy,
    createdAt: timestampOf(account.createdAt),
    updatedAt: timestampOf(account.updatedAt),
    disabledAt: timeOf(account.disabledAt),
  });
}

const timeOf = (ms: number | null): string | null => (ms === null ? null : timestampOf(ms));

/** The document types every field as text: what is absent is left out. */
function present(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

function told(refusal: Refusal | HttpRefusal): Told {
  switch (refusal.kind) {
    case 'missing_credential':
    case 'invalid_credential':
      return { status: 401, message: 'Send a valid API key as Authorization: Bearer.' };
    case 'not_found':
      // Whether a foreign organization exists is not told.
      return refusal.what === 'organization'
        ? { status: 403, message: 'The credential is not of this organization.' }
        : usually(refusal);
    case 'invalid':
    case 'multiple_credentials':
    case 'invalid_json':
    case 'quota_exceeded':
    case 'insufficient_scope':
    case 'cannot_grant':
    case 'root_required':
    case 'no_such_path':
    case 'method_not_allowed':
    case 'request_timeout':
    case 'name_taken':
    case 'slug_taken':
    case 'default_organization':
    case 'account_disabled':
    case 'key_revoked':
    case 'key_expired':
    case 'key_disabled':
    case 'key_rotated':
    case 'conflict':
    case 'payload_too_large':
    case 'unsupported_media_type':
    case 'rate_limited':
    case 'internal':
    case 'unavailable':
    case 'outcome_unknown':
    case 'misconfigured':
      return usually(refusal);
  }
}
