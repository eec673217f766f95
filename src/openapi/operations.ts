import type * as z from 'zod/mini';

import { accountKeyQuery, keyQuery } from '../contract/api_keys.ts';
import { auditEventQuery } from '../contract/audit_events.ts';
import { organizationQuery } from '../contract/organizations.ts';
import type { ProblemCode } from '../contract/problem.ts';
import { serviceAccountQuery } from '../contract/service_accounts.ts';
import type { ManagementScope } from '../core/scope.ts';
import type { AnswerName, RequestName } from './schemas.ts';

export const TAGS = {
  Verification: 'Is this key good, and good for what?',
  'API keys': 'Minting, changing, rotating and revoking keys.',
  'Service accounts': 'What keys belong to: an account says what its keys may do at most.',
  Organizations: 'Tenants, each with its own keys, accounts and limits. For the root key alone.',
  'Audit events': 'Who changed what, when and from where.',
  Service: 'What the service says about itself.',
} as const;

/** What `{id}` in a path names. */
export type Target = 'organization' | 'service account' | 'API key';

/** Who may call: anybody, any good credential, root alone, or who holds the scope. */
type Access = 'public' | 'anyone' | 'root' | ManagementScope;

interface Success {
  readonly status: 200 | 201 | 204;
  /** The schema of its JSON. */
  readonly answer?: AnswerName;
  /** What it answers where that is no JSON of the contract's. */
  readonly other?: 'document' | 'page';
}

/** One method of one path: everything that the document says of it but its examples. */
export interface Operation {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  readonly path: string;
  readonly operationId: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  readonly target?: Target;
  /** The body that it takes. `none`: it reads a body, and refuses one that has fields. */
  readonly body?: RequestName | 'none';
  readonly isBodyOptional?: true;
  readonly query?: z.ZodMiniType;
  readonly success: Success;
  /** Whether the answer tells `Mintmark-Effective-By`: always, or where the change takes something away. */
  readonly effectiveBy?: 'always' | 'where it weakens';
  /** A status of its own, beside problems. */
  readonly also?: { readonly status: 503; readonly answer: AnswerName };
  /** Those that no rule below adds. */
  readonly problems?: readonly ProblemCode[];
}

/** Every operation of the HTTP surface: a new endpoint is a new row. */
export const OPERATIONS = [
  {
    method: 'post',
    path: '/v1/api-keys/verify',
    operationId: 'verifyApiKey',
    tag: 'Verification',
    summary: 'Verify a key',
    description:
      'Every verdict is a 200; `valid` is true for the code `VALID` alone. 503 means that there is no verdict.',
    access: 'mintmark:keys:verify',
    body: 'VerifyRequest',
    success: { status: 200, answer: 'Verdict' },
  },
  {
    method: 'get',
    path: '/v1/whoami',
    operationId: 'whoami',
    tag: 'Verification',
    summary: 'Tell what the presented credential is and may do',
    access: 'anyone',
    success: { status: 200, answer: 'Whoami' },
  },
  {
    method: 'post',
    path: '/v1/api-keys',
    operationId: 'createApiKey',
    tag: 'API keys',
    summary: 'Mint a key for an account or a person',
    access: 'mintmark:keys:write',
    body: 'NewKey',
    success: { status: 201, answer: 'MintedKey' },
    problems: ['cannot_grant', 'account_disabled', 'quota_exceeded'],
  },
  {
    method: 'get',
    path: '/v1/api-keys',
    operationId: 'listApiKeys',
    tag: 'API keys',
    summary: 'List keys, newest first',
    access: 'mintmark:keys:read',
    query: keyQuery,
    success: { status: 200, answer: 'ApiKeyPage' },
  },
  {
    method: 'get',
    path: '/v1/api-keys/{id}',
    operationId: 'getApiKey',
    tag: 'API keys',
    summary: 'Get a key',
    access: 'mintmark:keys:read',
    target: 'API key',
    success: { status: 200, answer: 'ApiKey' },
  },
  {
    method: 'patch',
    path: '/v1/api-keys/{id}',
    operationId: 'updateApiKey',
    tag: 'API keys',
    summary: 'Change a key',
    description: 'An absent field stays as it is; null clears one.',
    access: 'mintmark:keys:write',
    target: 'API key',
    body: 'KeyPatch',
    isBodyOptional: true,
    success: { status: 200, answer: 'ApiKey' },
    effectiveBy: 'where it weakens',
    problems: ['cannot_grant', 'key_revoked', 'key_expired', 'key_rotated'],
  },
  {
    method: 'delete',
    path: '/v1/api-keys/{id}',
    operationId: 'deleteApiKey',
    tag: 'API keys',
    summary: 'Revoke a key and take it out of the lists',
    access: 'mintmark:keys:write',
    target: 'API key',
    body: 'none',
    success: { status: 204 },
    effectiveBy: 'always',
  },
  {
    method: 'post',
    path: '/v1/api-keys/{id}/revoke',
    operationId: 'revokeApiKey',
    tag: 'API keys',
    summary: 'Revoke a key',
    description: 'Revoking it again changes nothing and tells the first `revokedAt`.',
    access: 'mintmark:keys:write',
    target: 'API key',
    body: 'Revocation',
    isBodyOptional: true,
    success: { status: 200, answer: 'RevokedKey' },
    effectiveBy: 'always',
  },
  {
    method: 'post',
    path: '/v1/api-keys/{id}/rotate',
    operationId: 'rotateApiKey',
    tag: 'API keys',
    summary: 'Replace a key by a successor',
    description:
      'Both are good until the grace period ends, or with `untilFirstUse` until the successor is first used. A key has one successor.',
    access: 'mintmark:keys:write',
    target: 'API key',
    body: 'Rotation',
    isBodyOptional: true,
    success: { status: 201, answer: 'RotatedKey' },
    effectiveBy: 'always',
    problems: [
      'cannot_grant',
      'account_disabled',
      'key_revoked',
      'key_expired',
      'key_disabled',
      'key_rotated',
    ],
  },
  {
    method: 'post',
    path: '/v1/service-accounts',
    operationId: 'createServiceAccount',
    tag: 'Service accounts',
    summary: 'Make a service account',
    access: 'mintmark:accounts:write',
    body: 'NewServiceAccount',
    success: { status: 201, answer: 'ServiceAccount' },
    problems: ['cannot_grant', 'name_taken'],
  },
  {
    method: 'get',
    path: '/v1/service-accounts',
    operationId: 'listServiceAccounts',
    tag: 'Service accounts',
    summary: 'List service accounts, newest first',
    access: 'mintmark:accounts:read',
    query: serviceAccountQuery,
    success: { status: 200, answer: 'ServiceAccountPage' },
  },
  {
    method: 'get',
    path: '/v1/service-accounts/{id}',
    operationId: 'getServiceAccount',
    tag: 'Service accounts',
    summary: 'Get a service account',
    access: 'mintmark:accounts:read',
    target: 'service account',
    success: { status: 200, answer: 'ServiceAccount' },
  },
  {
    method: 'patch',
    path: '/v1/service-accounts/{id}',
    operationId: 'updateServiceAccount',
    tag: 'Service accounts',
    summary: 'Change a service account',
    description: 'An absent field stays as it is; null clears one.',
    access: 'mintmark:accounts:write',
    target: 'service account',
    body: 'ServiceAccountPatch',
    isBodyOptional: true,
    success: { status: 200, answer: 'ServiceAccount' },
    effectiveBy: 'where it weakens',
    problems: ['cannot_grant', 'name_taken'],
  },
  {
    method: 'delete',
    path: '/v1/service-accounts/{id}',
    operationId: 'deleteServiceAccount',
    tag: 'Service accounts',
    summary: 'Delete a service account; its keys are revoked',
    access: 'mintmark:accounts:write',
    target: 'service account',
    body: 'none',
    success: { status: 204 },
    effectiveBy: 'always',
  },
  {
    method: 'post',
    path: '/v1/service-accounts/{id}/disable',
    operationId: 'disableServiceAccount',
    tag: 'Service accounts',
    summary: 'Disable a service account, and with it its keys',
    access: 'mintmark:accounts:write',
    target: 'service account',
    body: 'none',
    success: { status: 200, answer: 'ServiceAccount' },
    effectiveBy: 'always',
  },
  {
    method: 'post',
    path: '/v1/service-accounts/{id}/enable',
    operationId: 'enableServiceAccount',
    tag: 'Service accounts',
    summary: 'Enable a service account, and with it its keys',
    access: 'mintmark:accounts:write',
    target: 'service account',
    body: 'none',
    success: { status: 200, answer: 'ServiceAccount' },
    problems: ['cannot_grant'],
  },
  {
    method: 'post',
    path: '/v1/service-accounts/{id}/api-keys',
    operationId: 'createServiceAccountApiKey',
    tag: 'API keys',
    summary: 'Mint a key for a service account',
    access: 'mintmark:keys:write',
    target: 'service account',
    body: 'NewAccountKey',
    success: { status: 201, answer: 'MintedKey' },
    problems: ['cannot_grant', 'account_disabled', 'quota_exceeded'],
  },
  {
    method: 'get',
    path: '/v1/service-accounts/{id}/api-keys',
    operationId: 'listServiceAccountApiKeys',
    tag: 'API keys',
    summary: 'List the keys of a service account, newest first',
    access: 'mintmark:keys:read',
    target: 'service account',
    query: accountKeyQuery,
    success: { status: 200, answer: 'ApiKeyPage' },
  },
  {
    method: 'post',
    path: '/v1/organizations',
    operationId: 'createOrganization',
    tag: 'Organizations',
    summary: 'Make an organization',
    access: 'root',
    body: 'NewOrganization',
    success: { status: 201, answer: 'Organization' },
    problems: ['slug_taken'],
  },
  {
    method: 'get',
    path: '/v1/organizations',
    operationId: 'listOrganizations',
    tag: 'Organizations',
    summary: 'List organizations, newest first',
    access: 'root',
    query: organizationQuery,
    success: { status: 200, answer: 'OrganizationPage' },
  },
  {
    method: 'get',
    path: '/v1/organizations/{id}',
    operationId: 'getOrganization',
    tag: 'Organizations',
    summary: 'Get an organization',
    access: 'root',
    target: 'organization',
    success: { status: 200, answer: 'Organization' },
  },
  {
    method: 'patch',
    path: '/v1/organizations/{id}',
    operationId: 'updateOrganization',
    tag: 'Organizations',
    summary: 'Change an organization',
    description: 'An absent field stays as it is; null clears one.',
    access: 'root',
    target: 'organization',
    body: 'OrganizationPatch',
    isBodyOptional: true,
    success: { status: 200, answer: 'Organization' },
    effectiveBy: 'where it weakens',
    problems: ['slug_taken', 'default_organization'],
  },
  {
    method: 'delete',
    path: '/v1/organizations/{id}',
    operationId: 'deleteOrganization',
    tag: 'Organizations',
    summary: 'Delete an organization; its keys are revoked and its audit trail stays',
    access: 'root',
    target: 'organization',
    body: 'none',
    success: { status: 204 },
    effectiveBy: 'always',
    problems: ['default_organization'],
  },
  {
    method: 'get',
    path: '/v1/audit-events',
    operationId: 'listAuditEvents',
    tag: 'Audit events',
    summary: 'List what was changed, newest first',
    access: 'mintmark:audit:read',
    query: auditEventQuery,
    success: { status: 200, answer: 'AuditEventPage' },
  },
  {
    method: 'get',
    path: '/health',
    operationId: 'getHealth',
    tag: 'Service',
    summary: 'Tell that the service answers',
    access: 'public',
    success: { status: 200, answer: 'Health' },
  },
  {
    method: 'get',
    path: '/health/ready',
    operationId: 'getReadiness',
    tag: 'Service',
    summary: 'Tell whether D1 and KV answer, and whether there is a root key',
    description: 'Which of the two does not answer is told to the root key alone.',
    access: 'public',
    success: { status: 200, answer: 'Readiness' },
    also: { status: 503, answer: 'Readiness' },
  },
  {
    method: 'get',
    path: '/.well-known/mintmark',
    operationId: 'getWellKnown',
    tag: 'Service',
    summary: 'Get the pattern that finds leaked keys',
    access: 'public',
    success: { status: 200, answer: 'WellKnown' },
  },
  {
    method: 'get',
    path: '/openapi.json',
    operationId: 'getOpenApi',
    tag: 'Service',
    summary: 'Get this document',
    access: 'public',
    success: { status: 200, other: 'document' },
  },
  {
    method: 'get',
    path: '/docs',
    operationId: 'getDocs',
    tag: 'Service',
    summary: 'Read this document as a page',
    access: 'public',
    success: { status: 200, other: 'page' },
  },
] as const satisfies readonly Operation[];

/** Every problem that an operation can be answered with: its own, and those that come with what it is. */
export function problemsOf(operation: Operation): ProblemCode[] {
  const { access, body, method, path, problems = [] } = operation;
  const changes = method !== 'get' && path !== '/v1/api-keys/verify';
  return [
    'invalid_request',
    ...(access === 'public'
      ? []
      : ([
          'multiple_credentials',
          'missing_credential',
          'invalid_credential',
          'rate_limited',
          // Also an organization that the credential does not belong to.
          'not_found',
          'unavailable',
        ] as const)),
    ...(access === 'root' ? (['root_required'] as const) : []),
    ...(access.startsWith('mintmark:') ? (['insufficient_scope'] as const) : []),
    ...(body === undefined
      ? []
      : (['invalid_json', 'payload_too_large', 'request_timeout', 'unsupported_media_type'] as const)),
    ...(changes ? (['conflict', 'outcome_unknown'] as const) : []),
    ...problems,
    'misconfigured',
    'internal',
  ];
}
