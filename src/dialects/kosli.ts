import { Hono } from 'hono/tiny';
import * as z from 'zod/mini';

import type { HttpRefusal } from '../contract/describe.ts';
import { text } from '../contract/fields.ts';
import { ruled } from '../contract/ruled.ts';
import { usually, type Told } from '../contract/told.ts';
import { roleScopes } from '../core/authority.ts';
import { expiryFault } from '../core/expiry.ts';
import { keyStatus, type ApiKey, type LastUse, type Role, type ServiceAccount } from '../core/records.ts';
import type { Refusal } from '../core/refusal.ts';
import type { Scope } from '../core/scope.ts';
import { answer, answerChange } from '../http/answer.ts';
import { readBody } from '../http/body.ts';
import type { ManagementEnv } from '../http/env.ts';
import { json } from '../http/input.ts';
import { problem } from '../http/problem.ts';
import { KEY_NOT_FOUND, type KeyRef } from '../keyring/finder.ts';
import type { NewAccount } from '../keyring/new_account.ts';
import { inNames, type Dialect } from './dialect.ts';

/** From the strongest down. */
const PRIVILEGES = ['admin', 'member', 'snapshotter', 'reader'] as const;
type Privilege = (typeof PRIVILEGES)[number];

const ROLES: Readonly<Record<Privilege, Role>> = {
  admin: 'admin',
  member: 'member',
  snapshotter: 'reader',
  reader: 'reader',
};

/** What only Kosli says of an account: a privilege that no role tells from another. */
const kept = z.object({ privilege: z.enum(PRIVILEGES) });

const PAST = 'expires_at cannot be in the past';
const NEVER = 0;
const MAX_GRACE_HOURS = 720;

/** The keyring's fields by the names here. */
const NAMES = new Map([
  ['expiresAt', 'expires_at'],
  ['gracePeriod', 'grace_period_hours'],
]);

const description = text(0, 512);
const privilege = z.enum(PRIVILEGES);

const newAccount = z.object({
  name: z
    .string()
    .check(z.regex(/^[a-zA-Z0-9-]{1,64}$/, { error: 'must have 1 to 64 letters, digits and hyphens' })),
  description: z.nullish(description),
  privilege: z.prefault(privilege, 'reader'),
});
const accountPatch = z.object({ description: z.nullish(description), privilege: z.optional(privilege) });

function expiryRule(expiresAt: number, now: number): string | null {
  if (expiresAt === NEVER) return null;
  return expiresAt <= now ? PAST : expiryFault(expiresAt, now);
}

const expiresAtBy = (clock: () => number) =>
  z.pipe(
    z.nullish(
      z
        .int({ error: 'must be a whole number of seconds' })
        .check(ruled((seconds) => expiryRule(seconds * 1_000, clock()))),
    ),
    z.transform((seconds: number | null | undefined) =>
      seconds === undefined || seconds === null || seconds === NEVER ? null : seconds * 1_000,
    ),
  );

const newKeyBy = (clock: () => number) =>
  z.object({ description: text(1, 256), expires_at: expiresAtBy(clock) });

const rotationBy = (clock: () => number) =>
  z.object({
    grace_period_hours: z.prefault(z.int().check(z.minimum(1), z.maximum(MAX_GRACE_HOURS)), 24),
    expires_at: expiresAtBy(clock),
  });

/** Kosli, https://docs.kosli.com/api-reference: service accounts by their names, and their keys. */
export const kosli: Dialect = {
  prefix: '/compat/kosli',
  basePath: '/api/v2',
  caller: {
    credential: { Authorization: ['bearer', 'basic'] },
    organizations: (request) => [request.param('org') ?? ''],
  },
  writeRefusal: (refusal) => {
    const { status, message, errors } = told(refusal);
    return {
      status,
      mediaType: 'application/json',
      body: { message, ...(errors === undefined ? {} : { errors }) },
    };
  },
  routes: (manage, { accounts, keys, rotations, clock }) =>
    new Hono<ManagementEnv>()
      .basePath('/service-accounts/:org')
      .use(manage)
      .post('/', readBody, json(newAccount), async (c) => {
        const { privilege: asked, ...input } = c.req.valid('json');
        const grants = grantsOf(asked, 'reader');
        const created = await accounts.create(c.get('caller'), { ...input, ...holding(asked), grants });
        return answerChange(c, created, (account) => c.json(accountOf(account), 201));
      })
      .get('/', async (c) => {
        return answer(c, await accounts.all(c.get('caller'), accountOf), (all) => c.json(all));
      })
      .get('/:name', async (c) => {
        const found = await accounts.get(c.get('caller'), { name: c.req.param('name') });
        return answer(c, found, (account) => c.json(accountOf(account)));
      })
      .patch('/:name', readBody, json(accountPatch), async (c) => {
        const { privilege: asked, description: said } = c.req.valid('json');
        const given =
          asked === undefined
            ? {}
            : { ...holding(asked), grants: (before: ServiceAccount) => grantsOf(asked, privilegeOf(before)) };
        const ref = { name: c.req.param('name') };
        const updated = await accounts.update(c.get('caller'), ref, { description: said, ...given });
        return answerChange(c, updated, (account) => c.json(accountOf(account)));
      })
      .delete('/:name', async (c) => {
        const removed = await accounts.remove(c.get('caller'), { name: c.req.param('name') });
        return answerChange(c, removed, () => c.json('OK'));
      })
      .post('/:name/api-keys', readBody, json(newKeyBy(clock)), async (c) => {
        const { description: name, expires_at: expiresAt } = c.req.valid('json');
        const owner = { account: { name: c.req.param('name') } };
        const minted = await keys.mint(c.get('caller'), owner, { name, expiresAt, isFar: true });
        return answerChange(c, inNames(minted, NAMES), ({ key, secret }) =>
          c.json({ ...keyOf(key), key: secret }, 201),
        );
      })
      .get('/:name/api-keys', async (c) => {
        const account = { name: c.req.param('name') };
        const listed = await keys.allOfAccount(
          c.get('caller'),
          account,
          { status: 'active' },
          ({ key, lastUse }) => shownKeyOf(key, lastUse),
        );
        return answer(c, listed, (all) => c.json(all));
      })
      .get('/:name/api-keys/:id', async (c) => {
        const found = await keys.get(c.get('caller'), refOf(c.req.param()));
        return answer(c, found, ({ key, lastUse }) =>
          keyStatus(key, clock()) === 'active' ? c.json(shownKeyOf(key, lastUse)) : problem(c, KEY_NOT_FOUND),
        );
      })
      .post('/:name/api-keys/:id/rotate', readBody, json(rotationBy(clock)), async (c) => {
        const { grace_period_hours: hours, expires_at: expiresAt } = c.req.valid('json');
        const rotated = await rotations.rotate(c.get('caller'), refOf(c.req.param()), {
          gracePeriod: `${hours}h`,
          expiresAt,
          isFar: true,
        });
        return answerChange(c, inNames(rotated, NAMES), ({ key, secret, previous }) =>
          c.json({ ...keyOf(key), key: secret, grace_period_expires_at: expirySecondsOf(previous.key) }, 201),
        );
      })
      .delete('/:name/api-keys/:id', async (c) => {
        const ref = refOf(c.req.param());
        const revoked = await keys.revoke(c.get('caller'), ref, { reason: null, isOnce: true });
        return answerChange(c, revoked, () => c.json('revoked'));
      }),
};

const refOf = ({ id, name }: { readonly id: string; readonly name: string }): KeyRef => ({
  id,
  account: { name },
});

function holding(asked: Privilege): Pick<NewAccount, 'role' | 'vendor'> {
  return { role: ROLES[asked], vendor: { kosli: { privilege: asked } } };
}

/** As it was said here, unless the role says otherwise; without one, the least. */
function privilegeOf({ role, vendor }: ServiceAccount): Privilege {
  const said = kept.safeParse(vendor?.['kosli']).data?.privilege;
  return said !== undefined && ROLES[said] === role ? said : (role ?? 'reader');
}

/**
 * Nobody gives a privilege above their own. What a role stands for the keyring holds to; a snapshotter is a reader to it, so
 * making one of a reader asks for what stands above it.
 */
function grantsOf(asked: Privilege, from: Privilege): readonly Scope[] {
  return asked === 'snapshotter' && from === 'reader' ? roleScopes('member') : [];
}

function accountOf(account: ServiceAccount) {
  return {
    name: account.name,
    display_name: account.name,
    privilege: privilegeOf(account),
    ...(account.description === null ? {} : { description: account.description }),
    creating_user_id: account.createdBy,
    created_at: account.createdAt / 1_000,
  };
}

const keyOf = (key: ApiKey) => ({
  id: key.id,
  description: key.name,
  created_at: key.createdAt / 1_000,
  expires_at: expirySecondsOf(key),
});

const shownKeyOf = (key: ApiKey, lastUse: LastUse | null) => ({
  ...keyOf(key),
  last_used_at: lastUse === null ? NEVER : lastUse.at / 1_000,
});

/** Whole seconds, never later than the key's end. */
const expirySecondsOf = ({ expiresAt }: ApiKey): number =>
  expiresAt === null ? NEVER : Math.floor(expiresAt / 1_000);

const FORBIDDEN = "You don't have permission to access this resource";
const NO_SUCH_KEY = 'API key not found';

type NotFound = Extract<Refusal, { kind: 'not_found' }>;

function notFound(what: NotFound['what']): Told {
  switch (what) {
    // Whether a foreign organization exists is not told.
    case 'organization':
      return { status: 403, message: FORBIDDEN };
    case 'service account':
      return { status: 404, message: 'Service account not found' };
    case 'API key':
      return { status: 404, message: NO_SUCH_KEY };
  }
}

function told(refusal: Refusal | HttpRefusal): Told & { readonly errors?: Readonly<Record<string, string>> } {
  switch (refusal.kind) {
    case 'missing_credential':
    case 'invalid_credential':
      return {
        status: 401,
        message: 'Send a valid API key as Authorization: Bearer, or as the user name of Basic',
      };
    case 'insufficient_scope':
    case 'cannot_grant':
    case 'root_required':
      return { status: 403, message: FORBIDDEN };
    case 'not_found':
      return notFound(refusal.what);
    case 'key_revoked':
    case 'key_expired':
      return { status: 404, message: NO_SUCH_KEY };
    case 'invalid': {
      const { faults } = refusal;
      return {
        status: 400,
        message: faults.some(({ message }) => message === PAST) ? PAST : 'Input payload validation failed',
        errors: Object.fromEntries(faults.map(({ path, message }) => [path === '' ? 'body' : path, message])),
      };
    }
    case 'name_taken':
      return { status: 400, message: 'A service account with this name already exists' };
    // Its client repeats what is answered by 409.
    case 'quota_exceeded':
    case 'account_disabled':
    case 'key_disabled':
    case 'key_rotated':
    case 'slug_taken':
    case 'default_organization':
    // The document has no other status for what is wrong with a request.
    case 'multiple_credentials':
    case 'invalid_json':
    case 'payload_too_large':
    case 'unsupported_media_type':
    case 'request_timeout':
      return { ...usually(refusal), status: 400 };
    case 'conflict':
    case 'no_such_path':
    case 'method_not_allowed':
    case 'rate_limited':
    case 'internal':
    case 'unavailable':
    case 'outcome_unknown':
    case 'misconfigured':
      return usually(refusal);
  }
}
