import { Hono } from 'hono/tiny';
import * as z from 'zod/mini';

import type { HttpRefusal } from '../contract/describe.ts';
import { text } from '../contract/fields.ts';
import { ruled } from '../contract/ruled.ts';
import { usually, type Told } from '../contract/told.ts';
import { expiryFault } from '../core/expiry.ts';
import type { ApiKey } from '../core/records.ts';
import type { Fault, Refusal } from '../core/refusal.ts';
import type { Secret } from '../core/secret.ts';
import { answer, answerChange } from '../http/answer.ts';
import { readBody } from '../http/body.ts';
import type { ManagementEnv } from '../http/env.ts';
import { json, noBody } from '../http/input.ts';
import type { KeyRef } from '../keyring/finder.ts';
import { inNames, type Dialect } from './dialect.ts';
import { REASON_PHRASES } from './reason_phrases.ts';

const MAX_GRACE_MINUTES = 10;

/** The keyring's fields by the names here. */
const NAMES = new Map([['gracePeriod', 'gracePeriodMinutes']]);

const expiresAtBy = (clock: () => number) =>
  z.optional(
    z.int({ error: 'must be a whole number of milliseconds' }).check(ruled((ms) => expiryFault(ms, clock()))),
  );

const newKeyBy = (clock: () => number) =>
  z.strictObject({ name: text(1, 128), expiresAt: expiresAtBy(clock) });

const rotationBy = (clock: () => number) =>
  z.strictObject({
    expiresAt: expiresAtBy(clock),
    gracePeriodMinutes: z.prefault(z.int().check(z.minimum(0), z.maximum(MAX_GRACE_MINUTES)), 0),
  });

/** Factory, https://docs.factory.ai/api-reference: the keys of service accounts. */
export const factory: Dialect = {
  prefix: '/compat/factory',
  basePath: '/api/v0',
  caller: { credential: { Authorization: ['bearer'] } },
  writeRefusal: (refusal) => {
    const { status, message, faults } = told(refusal);
    return {
      status,
      mediaType: 'application/json',
      body: {
        detail: message,
        status,
        title: REASON_PHRASES[status],
        ...(faults === undefined ? {} : { metadata: { errors: faults } }),
      },
    };
  },
  routes: (manage, { keys, rotations, clock }) =>
    new Hono<ManagementEnv>()
      .basePath('/service-accounts/:serviceAccountId/api-keys')
      .use(manage)
      .post('/', readBody, json(newKeyBy(clock)), async (c) => {
        const owner = { account: { id: c.req.param('serviceAccountId') } };
        const minted = await keys.mint(c.get('caller'), owner, {
          ...c.req.valid('json'),
          isNamedAlone: true,
          isFar: true,
        });
        return answerChange(c, minted, ({ key, secret }) => c.json({ apiKey: mintedOf(key, secret) }, 201));
      })
      .get('/', async (c) => {
        const account = { id: c.req.param('serviceAccountId') };
        const listed = await keys.allOfAccount(c.get('caller'), account, {}, ({ key }) => listedOf(key));
        return answer(c, listed, (apiKeys) => c.json({ apiKeys }));
      })
      .post('/:keyId/revoke', readBody, noBody, async (c) => {
        const revoked = await keys.revoke(c.get('caller'), refOf(c.req.param()), { reason: null });
        return answerChange(c, revoked, () => c.body(null, 204));
      })
      .post('/:keyId/rotate', readBody, json(rotationBy(clock)), async (c) => {
        const { gracePeriodMinutes: minutes, expiresAt } = c.req.valid('json');
        const rotated = await rotations.rotate(c.get('caller'), refOf(c.req.param()), {
          expiresAt,
          isFar: true,
          gracePeriod: minutes === 0 ? null : `${minutes}m`,
          isWholeGrace: true,
        });
        return answerChange(c, inNames(rotated, NAMES), ({ key, secret }) =>
          c.json({ apiKey: mintedOf(key, secret) }),
        );
      }),
};

const refOf = ({
  keyId,
  serviceAccountId,
}: Readonly<Record<'keyId' | 'serviceAccountId', string>>): KeyRef => ({
  id: keyId,
  account: { id: serviceAccountId },
});

const expiring = ({ expiresAt }: ApiKey) => (expiresAt === null ? {} : { expiresAt });

const mintedOf = (key: ApiKey, secret: Secret) => ({
  id: key.id,
  value: secret,
  fingerprint: key.fingerprint,
  name: key.name,
  ...expiring(key),
});

const listedOf = (key: ApiKey) => ({
  id: key.id,
  name: key.name,
  fingerprint: key.fingerprint,
  createdAt: key.createdAt,
  isRevoked: key.revokedAt !== null,
  ...expiring(key),
  ...(key.revokedAt === null ? {} : { revokedAt: key.revokedAt }),
});

function told(refusal: Refusal | HttpRefusal): Told & { readonly faults?: readonly Fault[] } {
  switch (refusal.kind) {
    case 'missing_credential':
    case 'invalid_credential':
      return { status: 401, message: 'Send a valid API key as Authorization: Bearer.' };
    case 'invalid':
      return { ...usually(refusal), faults: refusal.faults };
    // The document has no other status for what is wrong with a request.
    case 'multiple_credentials':
    case 'invalid_json':
    case 'payload_too_large':
    case 'unsupported_media_type':
    case 'request_timeout':
      return { ...usually(refusal), status: 400 };
    case 'insufficient_scope':
    case 'cannot_grant':
    case 'root_required':
    case 'not_found':
    case 'no_such_path':
    case 'method_not_allowed':
    case 'name_taken':
    case 'slug_taken':
    case 'quota_exceeded':
    case 'default_organization':
    case 'account_disabled':
    case 'key_revoked':
    case 'key_expired':
    case 'key_disabled':
    case 'key_rotated':
    case 'conflict':
    case 'rate_limited':
    case 'internal':
    case 'unavailable':
    case 'outcome_unknown':
    case 'misconfigured':
      return usually(refusal);
  }
}
