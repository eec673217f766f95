import type * as z from 'zod/mini';

import { problemResource } from '../contract/resources.ts';
import { SECRET_FORMAT_VERSION, SECRET_PATTERN } from '../core/secret.ts';
import { describeCode } from './problems.ts';
import type { Answered, AnswerName, RequestName, REQUESTS } from './schemas.ts';

/*
 * Times stand in answers alone, which tell what was; a request says `expiresIn`, so none of them is too late one day.
 * The secret has the form of a key and a wrong checksum.
 */

const ORGANIZATION_ID = 'org_0VbZ14E7000Qm3nT8xYc2RdK';
const ACCOUNT_ID = 'sa_0VbZ14FZ0008MksX7WYexhB4';
const KEY_ID = 'key_0VbZ14Fw000KGAldeZZWZEaz';
const SUCCESSOR_ID = 'key_0VcA7Qx2000vR5tUe1LkMn3p';
const SECRET = 'mk_live_Example0Example0Example0Example0000000';
export const EXAMPLE_REQUEST_ID = '6f1c2a34-9b7d-4e0f-8a51-2c3d4e5f6071';
const CREATED_AT = '2026-01-15T09:30:00.000Z';
const ROTATED_AT = '2026-02-20T14:00:00.000Z';
export const EXAMPLE_EFFECTIVE_BY = '2026-02-20T14:02:00.000Z';
const NEXT_CURSOR = 'a2V5XzBWYloxNEZ3MDAwS0dBbGRlWlpXWkVheg';

const organization: Answered<'Organization'> = {
  id: ORGANIZATION_ID,
  slug: 'acme',
  name: 'Acme',
  keyPrefix: 'acme',
  personalKeyPermissions: ['files:read'],
  maxLiveKeys: 100,
  maxKeyLifetime: '365d',
  createdAt: CREATED_AT,
  createdBy: 'root',
  updatedAt: CREATED_AT,
  updatedBy: 'root',
};

const serviceAccount: Answered<'ServiceAccount'> = {
  id: ACCOUNT_ID,
  organizationId: ORGANIZATION_ID,
  name: 'deploy-bot',
  description: 'Deploys from CI',
  permissions: ['files:*'],
  role: null,
  status: 'active',
  metadata: { team: 'platform' },
  createdAt: CREATED_AT,
  createdBy: 'root',
  updatedAt: CREATED_AT,
  updatedBy: 'root',
  disabledAt: null,
};

const apiKey: Answered<'ApiKey'> = {
  id: KEY_ID,
  organizationId: ORGANIZATION_ID,
  serviceAccountId: ACCOUNT_ID,
  userId: null,
  name: 'first key',
  description: null,
  environment: 'live',
  start: 'mk_live_Exam',
  fingerprint: '0000',
  scopes: ['files:read'],
  metadata: {},
  status: 'active',
  enabled: true,
  createdAt: CREATED_AT,
  createdBy: 'root',
  updatedAt: CREATED_AT,
  updatedBy: 'root',
  expiresAt: '2026-04-15T09:30:00.000Z',
  lastUsedAt: '2026-02-20T13:58:10.000Z',
  lastUsedIp: '192.0.2.7',
  lastUsedUserAgent: 'deploy/1.0',
  revokedAt: null,
  revokedBy: null,
  revocationReason: null,
  rotatedFrom: null,
  rotatedTo: null,
};

const minted: Answered<'ApiKey'> = {
  ...apiKey,
  lastUsedAt: null,
  lastUsedIp: null,
  lastUsedUserAgent: null,
};

const auditEvent: Answered<'AuditEvent'> = {
  id: 'evt_0VcA7Qx2001bN8wZr4HsTy6q',
  organizationId: ORGANIZATION_ID,
  at: ROTATED_AT,
  action: 'api_key.updated',
  actor: { type: 'service_account', id: ACCOUNT_ID, credentialId: KEY_ID },
  target: { type: 'api_key', id: KEY_ID },
  requestId: EXAMPLE_REQUEST_ID,
  ip: '192.0.2.7',
  userAgent: 'deploy/1.0',
  changes: { name: { from: 'a key', to: 'first key' } },
};

/** A body for each schema that is sent. */
export const REQUEST_EXAMPLES: { readonly [Name in RequestName]: z.input<(typeof REQUESTS)[Name]> } = {
  NewOrganization: {
    name: 'Acme',
    slug: 'acme',
    keyPrefix: 'acme',
    personalKeyPermissions: ['files:read'],
    maxLiveKeys: 100,
    maxKeyLifetime: '365d',
  },
  OrganizationPatch: { name: 'Acme', maxLiveKeys: null },
  NewServiceAccount: {
    name: 'deploy-bot',
    description: 'Deploys from CI',
    permissions: ['files:*'],
    metadata: { team: 'platform' },
  },
  ServiceAccountPatch: { permissions: ['files:read'], description: null },
  NewAccountKey: { name: 'first key', expiresIn: '90d', scopes: ['files:read'] },
  NewKey: { name: 'first key', serviceAccountId: ACCOUNT_ID, expiresIn: '90d', scopes: ['files:read'] },
  KeyPatch: { name: 'first key', scopes: ['files:read'], expiresAt: null },
  Revocation: { reason: 'leaked in a log', lineage: true },
  Rotation: { gracePeriod: '24h', untilFirstUse: true },
  VerifyRequest: { key: SECRET, scopes: ['files:read'], environment: 'live', ip: '192.0.2.7' },
};

/** A body for each schema that is answered. */
export const ANSWER_EXAMPLES: { readonly [Name in AnswerName]: Answered<Name> } = {
  Organization: organization,
  OrganizationPage: { data: [organization], nextCursor: null },
  ServiceAccount: serviceAccount,
  ServiceAccountPage: { data: [serviceAccount], nextCursor: null },
  ApiKey: apiKey,
  ApiKeyPage: { data: [apiKey], nextCursor: NEXT_CURSOR },
  MintedKey: { key: minted, secret: SECRET },
  RevokedKey: {
    key: {
      ...apiKey,
      status: 'revoked',
      revokedAt: ROTATED_AT,
      revokedBy: 'root',
      revocationReason: 'leaked in a log',
    },
    effectiveBy: EXAMPLE_EFFECTIVE_BY,
  },
  RotatedKey: {
    key: { ...minted, id: SUCCESSOR_ID, createdAt: ROTATED_AT, updatedAt: ROTATED_AT, rotatedFrom: KEY_ID },
    secret: SECRET,
    previous: { ...apiKey, expiresAt: '2026-02-21T14:00:00.000Z', rotatedTo: SUCCESSOR_ID },
    effectiveBy: EXAMPLE_EFFECTIVE_BY,
  },
  AuditEvent: auditEvent,
  AuditEventPage: { data: [auditEvent], nextCursor: null },
  Verdict: {
    valid: true,
    code: 'VALID',
    keyId: KEY_ID,
    organizationId: ORGANIZATION_ID,
    serviceAccountId: ACCOUNT_ID,
    name: 'first key',
    environment: 'live',
    scopes: ['files:read'],
    metadata: {},
    expiresAt: '2026-04-15T09:30:00.000Z',
    source: 'kv',
    ageSeconds: 4,
  },
  Whoami: {
    type: 'service_account',
    id: ACCOUNT_ID,
    organizationId: ORGANIZATION_ID,
    scopes: ['mintmark:keys:verify'],
    key: { id: KEY_ID, name: 'first key', environment: 'live', expiresAt: null },
  },
  Health: { status: 'ok', version: '1.2.3' },
  Readiness: { status: 'ok', version: '1.2.3', rootKey: 'ok' },
  WellKnown: {
    name: 'mintmark',
    version: '1.2.3',
    key: { version: SECRET_FORMAT_VERSION, pattern: SECRET_PATTERN },
  },
  Problem: problemResource(describeCode('not_found'), EXAMPLE_REQUEST_ID),
};
