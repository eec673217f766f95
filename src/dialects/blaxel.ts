import { createMiddleware } from 'hono/factory';
import { Hono } from 'hono/tiny';
import * as z from 'zod/mini';

import type { HttpRefusal } from '../contract/describe.ts';
import { description, duration, name } from '../contract/fields.ts';
import { timestampOf } from '../contract/resources.ts';
import { usually, type Told } from '../contract/told.ts';
import { roleWithin } from '../core/authority.ts';
import { BLAXEL_TOKEN_LIFETIME_SECONDS } from '../core/constants.ts';
import { durationOf, parseDuration } from '../core/expiry.ts';
import type { ApiKey, ServiceAccount } from '../core/records.ts';
import type { Refusal } from '../core/refusal.ts';
import type { Secret } from '../core/secret.ts';
import { answer, answerChange } from '../http/answer.ts';
import { readBody } from '../http/body.ts';
import type { ManagementEnv } from '../http/env.ts';
import { json } from '../http/input.ts';
import { problem } from '../http/problem.ts';
import { readFormOrJson } from '../standards/form.ts';
import { grantToken } from '../standards/token.ts';
import { inNames, type Dialect } from './dialect.ts';
import { REASON_PHRASES } from './reason_phrases.ts';

const newAccount = z.object({ name, description: z.optional(description) });
const accountPatch = z.object({ name: z.nullish(name), description: z.optional(description) });
const newKey = z.object({ name: z.nullish(name), expires_in: z.nullish(duration) });

/** What only Blaxel says of a key: an expiry as it was written, and which key is an account's `client_secret`. */
const kept = z.object({ expires_in: z.optional(z.string()), is_client_secret: z.optional(z.boolean()) });
const keptOf = ({ vendor }: ApiKey): z.output<typeof kept> => kept.safeParse(vendor?.['blaxel']).data ?? {};

/** The keyring's fields by the names here. */
const NAMES = new Map([
  ['expiresAt', 'expires_in'],
  ['expiresIn', 'expires_in'],
]);

const CLIENT_SECRET = 'client_secret';

const VERSION = z.iso.date();

/** Blaxel, https://docs.blaxel.ai/api-reference: service accounts, their keys, and tokens for these. */
export const blaxel: Dialect = {
  prefix: '/compat/blaxel',
  basePath: '/v0',
  caller: {
    credential: { Authorization: ['bearer'], 'X-Blaxel-Authorization': ['bearer'] },
    // The SDKs send an empty header where no workspace is set.
    organizations: (request) =>
      [request.header('X-Blaxel-Workspace') ?? '', ...(request.queries('workspace') ?? [])].filter(
        (workspace) => workspace !== '',
      ),
  },
  writeRefusal: (refusal) => {
    const { status, message } = told(refusal);
    return {
      status,
      mediaType: 'application/json',
      body: { code: status, error: REASON_PHRASES[status], message },
    };
  },
  routes: (manage, { accounts, enrolments, keys, tokens }) =>
    new Hono<ManagementEnv>()
      .post('/oauth/token', versioned, async (c) => {
        const read = await readFormOrJson(c);
        if ('refusal' in read) return problem(c, read.refusal);
        const granted = await grantToken(c, tokens, read.form, BLAXEL_TOKEN_LIFETIME_SECONDS);
        if ('text' in granted)
          return c.json({
            access_token: granted.text,
            token_type: 'Bearer',
            expires_in: granted.lifetimeSeconds,
          });
        if ('refusal' in granted) return problem(c, granted.refusal);
        // Whatever is wrong with a client or its grant.
        return c.json({ code: 400, error: REASON_PHRASES[400], message: granted.description }, 400);
      })
      .use(manage, versioned)
      .get('/service_accounts', async (c) => {
        return answer(c, await accounts.all(c.get('caller'), accountOf), (all) => c.json(all));
      })
      .post('/service_accounts', readBody, json(newAccount), async (c) => {
        const created = await enrolments.create(
          c.get('caller'),
          { ...c.req.valid('json'), roleOf: (held) => roleWithin(held, 'member') },
          { name: CLIENT_SECRET, vendor: { blaxel: { is_client_secret: true } } },
        );
        return answerChange(c, created, ({ account, secret }) =>
          c.json({ ...accountOf(account), client_secret: secret }),
        );
      })
      .put('/service_accounts/:clientId', readBody, json(accountPatch), async (c) => {
        const { name: newName, ...patch } = c.req.valid('json');
        const updated = await accounts.update(
          c.get('caller'),
          { id: c.req.param('clientId') },
          { ...patch, name: newName ?? undefined },
        );
        return answerChange(c, updated, (account) => c.json(accountOf(account)));
      })
      .delete('/service_accounts/:clientId', async (c) => {
        const removed = await accounts.remove(c.get('caller'), { id: c.req.param('clientId') });
        return answerChange(c, removed, (account) => c.json(accountOf(account)));
      })
      .get('/service_accounts/:clientId/api_keys', async (c) => {
        const account = { id: c.req.param('clientId') };
        const listed = await keys.allOfAccount(c.get('caller'), account, { status: 'active' }, ({ key }) =>
          keptOf(key).is_client_secret === true ? null : keyOf(key),
        );
        return answer(c, listed, (all) => c.json(all));
      })
      .post('/service_accounts/:clientId/api_keys', readBody, json(newKey), async (c) => {
        const { name: keyName, expires_in: written } = c.req.valid('json');
        const expiresIn = written ?? undefined;
        const minted = await keys.mint(
          c.get('caller'),
          { account: { id: c.req.param('clientId') } },
          {
            name: keyName ?? undefined,
            expiresIn,
            vendor: expiresIn === undefined ? undefined : { blaxel: { expires_in: expiresIn } },
          },
        );
        return answerChange(c, inNames(minted, NAMES), ({ key, secret }) => c.json(keyOf(key, secret)));
      })
      .delete('/service_accounts/:clientId/api_keys/:apiKeyId', async (c) => {
        const ref = { id: c.req.param('apiKeyId'), account: { id: c.req.param('clientId') } };
        const revoked = await keys.revoke(c.get('caller'), ref, { reason: null, isOnce: true });
        return answerChange(c, revoked, () => c.body(null, 200));
      }),
};

/** `Blaxel-Version` is a date; any will do, as there is one version here. Blaxel writes this one refusal in another way. */
const versioned = createMiddleware<ManagementEnv>(async (c, next) => {
  const version = c.req.header('Blaxel-Version');
  if (version === undefined || VERSION.safeParse(version).success) return next();
  return c.json({ error: 'invalid_api_version', message: 'Blaxel-Version must be a date, YYYY-MM-DD' }, 400);
});

function accountOf(account: ServiceAccount) {
  return {
    client_id: account.id,
    name: account.name,
    ...(account.description === null ? {} : { description: account.description }),
    created_at: timestampOf(account.createdAt),
    updated_at: timestampOf(account.updatedAt),
  };
}

function keyOf(key: ApiKey, secret?: Secret) {
  return {
    id: key.id,
    name: key.name,
    createdAt: timestampOf(key.createdAt),
    updatedAt: timestampOf(key.updatedAt),
    createdBy: key.createdBy,
    updatedBy: key.updatedBy,
    ...(secret === undefined ? {} : { apiKey: secret }),
    ...(key.expiresAt === null ? {} : { expires_in: lifetimeOf(key, key.expiresAt) }),
    sub: key.serviceAccountId ?? key.userId,
    sub_type: key.serviceAccountId === null ? 'user' : 'service_account',
  };
}

/** As it was written, unless the expiry has been changed since or was given in another way. */
function lifetimeOf(key: ApiKey, expiresAt: number): string {
  const { expires_in: written } = keptOf(key);
  const lifetimeMs = expiresAt - key.createdAt;
  return written !== undefined && parseDuration(written) === lifetimeMs ? written : durationOf(lifetimeMs);
}

function told(refusal: Refusal | HttpRefusal): Told {
  switch (refusal.kind) {
    case 'missing_credential':
    case 'invalid_credential':
      return {
        status: 401,
        message: 'Send a valid API key as Authorization: Bearer or X-Blaxel-Authorization: Bearer.',
      };
    case 'not_found':
      // Whether a foreign workspace exists is not told.
      return refusal.what === 'organization'
        ? { status: 403, message: 'The credential is not of this workspace.' }
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
