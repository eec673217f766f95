import { expect } from 'vitest';

import { ACTIONS } from '../../src/core/audit.ts';
import type { ManagementScope } from '../../src/core/scope.ts';
import { isStandard } from '../standards/conforms.ts';
import { expectCommonHeaders } from '../support/attempts.ts';
import type { Answer, TestService } from '../support/service.ts';

/** What a field of a body takes; the tests have the values that each kind accepts and refuses. */
export type Field = (
  | { readonly kind: 'text' | 'integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'word'; readonly words: readonly string[] }
  | { readonly kind: 'scopes' | 'askedScopes' | 'metadata' | 'boolean' }
  | { readonly kind: 'anyText' | 'userId' | 'serviceAccountId' | 'slug' | 'keyPrefix' | 'ip' }
  | { readonly kind: 'expiresAt' | 'expiresIn' | 'gracePeriod' }
) & {
  readonly isRequired?: true;
  readonly isNullable?: true;
  /** Fields of the valid body that this one cannot stand beside, and those that it needs. */
  readonly without?: readonly string[];
  readonly beside?: Readonly<Record<string, unknown>>;
  /** Under which name the answer shows it; the same one unless told. */
  readonly shownAs?: string;
  /** The answer does not show it. */
  readonly isHidden?: true;
};

export type Parameter =
  | { readonly kind: 'limit' }
  | { readonly kind: 'cursor' }
  | { readonly kind: 'serviceAccountId' }
  | { readonly kind: 'userId' }
  | { readonly kind: 'search' }
  | { readonly kind: 'anyId' }
  | { readonly kind: 'instant' }
  | { readonly kind: 'word'; readonly words: readonly string[] };

type Fields = Readonly<Record<string, Field>>;
type Json = Readonly<Record<string, unknown>>;

/** What one valid call needs: made anew for each, so that no call stands in another's way. */
export interface Valid {
  /** Of what the path names. */
  readonly id?: string;
  readonly body?: Json;
}

export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** As the router has it. */
  readonly path: string;
  /** What a caller must hold; root: be root; null: any valid credential will do; public: none is asked for. */
  readonly scope: ManagementScope | 'root' | 'public' | null;
  /** The status of a call that succeeds. */
  readonly success: 200 | 201 | 204;
  /** What `:id` in the path names. */
  readonly target?: 'organization' | 'service account' | 'API key';
  /** The fields that its body may have; absent: it reads no body. */
  readonly fields?: Fields;
  readonly query?: Readonly<Record<string, Parameter>>;
  readonly valid: (service: TestService) => Promise<Valid>;
  /** The resource in its answer that shows what was sent; absent: it shows none of it. */
  readonly resource?: (body: Answer['body']) => Json;
}

const name: Field = { kind: 'text', min: 1, max: 256, isRequired: true };
const description: Field = { kind: 'text', min: 0, max: 1_024, isNullable: true };
const environment: Field = { kind: 'word', words: ['live', 'test'] };
const role: Field = { kind: 'word', words: ['admin', 'member', 'reader'], isNullable: true };

const newKey: Fields = {
  name,
  description,
  environment,
  expiresAt: { kind: 'expiresAt', isNullable: true },
  expiresIn: { kind: 'expiresIn', isHidden: true },
  scopes: { kind: 'scopes', isNullable: true },
  metadata: { kind: 'metadata' },
};

const page: Readonly<Record<string, Parameter>> = { limit: { kind: 'limit' }, cursor: { kind: 'cursor' } };
const keyFilters: Readonly<Record<string, Parameter>> = {
  status: { kind: 'word', words: ['active', 'disabled', 'expired', 'revoked'] },
  environment: { kind: 'word', words: ['live', 'test'] },
  search: { kind: 'search' },
};

const organizationSettings: Fields = {
  slug: { kind: 'slug' },
  keyPrefix: { kind: 'keyPrefix' },
  personalKeyPermissions: { kind: 'scopes' },
  maxLiveKeys: { kind: 'integer', min: 0, max: 100_000_000, isNullable: true },
  maxKeyLifetime: { kind: 'expiresIn', isNullable: true },
};

const nothing = async (): Promise<Valid> => ({});
const anAccount = async (service: TestService): Promise<Valid> => ({ id: (await service.account()).id });
const aKey = async (service: TestService): Promise<Valid> => ({ id: (await service.key()).key.id });
/** Two keys, so that a page of one has a next. */
const anAccountWithKeys = async (service: TestService): Promise<Valid> => {
  const { id } = await service.account();
  await service.key({ serviceAccountId: id });
  await service.key({ serviceAccountId: id });
  return { id };
};
const anOrganization = async (service: TestService): Promise<Valid> => ({
  id: (await service.organization()).id,
});
const uniqueName = (): Json => ({ name: `name ${crypto.randomUUID()}` });

/**
 * Every endpoint. The tables of bad input and of callers run over it, and fail when the app has a route that is not
 * here: a new endpoint joins both by its row.
 */
export const ENDPOINTS: readonly Endpoint[] = [
  { method: 'GET', path: '/health', scope: 'public', success: 200, valid: nothing },
  { method: 'GET', path: '/health/ready', scope: 'public', success: 200, valid: nothing },
  { method: 'GET', path: '/.well-known/mintmark', scope: 'public', success: 200, valid: nothing },
  { method: 'GET', path: '/openapi.json', scope: 'public', success: 200, valid: nothing },
  { method: 'GET', path: '/docs', scope: 'public', success: 200, valid: nothing },
  { method: 'GET', path: '/v1/whoami', scope: null, success: 200, valid: nothing },
  {
    method: 'POST',
    path: '/v1/api-keys/verify',
    scope: 'mintmark:keys:verify',
    success: 200,
    fields: {
      key: { kind: 'anyText', isRequired: true },
      scopes: { kind: 'askedScopes' },
      environment,
      ip: { kind: 'ip' },
      userAgent: { kind: 'anyText' },
      maxStaleness: { kind: 'integer', min: 0, max: 3_600 },
    },
    valid: async (service) => ({ body: { key: (await service.key()).secret } }),
  },
  {
    method: 'POST',
    path: '/v1/api-keys',
    scope: 'mintmark:keys:write',
    success: 201,
    fields: {
      ...newKey,
      serviceAccountId: { kind: 'serviceAccountId', isRequired: true },
      userId: { kind: 'userId', without: ['serviceAccountId'], beside: { scopes: [] } },
    },
    valid: async (service) => ({ body: { name: 'a key', serviceAccountId: (await service.account()).id } }),
    resource: (body) => body.key,
  },
  {
    method: 'GET',
    path: '/v1/api-keys',
    scope: 'mintmark:keys:read',
    success: 200,
    query: {
      ...page,
      ...keyFilters,
      serviceAccountId: { kind: 'serviceAccountId' },
      userId: { kind: 'userId' },
    },
    valid: async (service) => {
      await anAccountWithKeys(service);
      return {};
    },
  },
  {
    method: 'GET',
    path: '/v1/api-keys/:id',
    scope: 'mintmark:keys:read',
    success: 200,
    target: 'API key',
    valid: aKey,
  },
  {
    method: 'PATCH',
    path: '/v1/api-keys/:id',
    scope: 'mintmark:keys:write',
    success: 200,
    target: 'API key',
    fields: {
      name: { kind: 'text', min: 1, max: 256 },
      description,
      scopes: { kind: 'scopes', isNullable: true },
      metadata: { kind: 'metadata', isNullable: true },
      expiresAt: { kind: 'expiresAt', isNullable: true },
      enabled: { kind: 'boolean' },
    },
    valid: async (service) => ({ ...(await aKey(service)), body: uniqueName() }),
    resource: (body) => body,
  },
  {
    method: 'POST',
    path: '/v1/api-keys/:id/revoke',
    scope: 'mintmark:keys:write',
    success: 200,
    target: 'API key',
    fields: {
      reason: { kind: 'text', min: 0, max: 512, isNullable: true, shownAs: 'revocationReason' },
      lineage: { kind: 'boolean', isHidden: true },
    },
    valid: async (service) => ({ ...(await aKey(service)), body: { reason: 'a reason' } }),
    resource: (body) => body.key,
  },
  {
    method: 'POST',
    path: '/v1/api-keys/:id/rotate',
    scope: 'mintmark:keys:write',
    success: 201,
    target: 'API key',
    fields: {
      gracePeriod: { kind: 'gracePeriod', isHidden: true },
      untilFirstUse: { kind: 'boolean', isHidden: true },
      expiresAt: { kind: 'expiresAt', isNullable: true },
      expiresIn: { kind: 'expiresIn', isHidden: true },
    },
    valid: async (service) => ({ ...(await aKey(service)), body: { gracePeriod: '1h' } }),
    resource: (body) => body.key,
  },
  {
    method: 'DELETE',
    path: '/v1/api-keys/:id',
    scope: 'mintmark:keys:write',
    success: 204,
    target: 'API key',
    fields: {},
    valid: aKey,
  },
  {
    method: 'POST',
    path: '/v1/service-accounts',
    scope: 'mintmark:accounts:write',
    success: 201,
    fields: {
      name,
      description,
      permissions: { kind: 'scopes' },
      role,
      metadata: { kind: 'metadata' },
    },
    valid: async () => ({ body: uniqueName() }),
    resource: (body) => body,
  },
  {
    method: 'GET',
    path: '/v1/service-accounts',
    scope: 'mintmark:accounts:read',
    success: 200,
    query: page,
    valid: async (service) => {
      await service.account();
      await service.account();
      return {};
    },
  },
  {
    method: 'GET',
    path: '/v1/service-accounts/:id',
    scope: 'mintmark:accounts:read',
    success: 200,
    target: 'service account',
    valid: anAccount,
  },
  {
    method: 'PATCH',
    path: '/v1/service-accounts/:id',
    scope: 'mintmark:accounts:write',
    success: 200,
    target: 'service account',
    fields: {
      name: { kind: 'text', min: 1, max: 256 },
      description,
      permissions: { kind: 'scopes' },
      role,
      metadata: { kind: 'metadata', isNullable: true },
    },
    valid: async (service) => ({ ...(await anAccount(service)), body: uniqueName() }),
    resource: (body) => body,
  },
  {
    method: 'DELETE',
    path: '/v1/service-accounts/:id',
    scope: 'mintmark:accounts:write',
    success: 204,
    target: 'service account',
    fields: {},
    valid: anAccount,
  },
  {
    method: 'POST',
    path: '/v1/service-accounts/:id/disable',
    scope: 'mintmark:accounts:write',
    success: 200,
    target: 'service account',
    fields: {},
    valid: anAccount,
  },
  {
    method: 'POST',
    path: '/v1/service-accounts/:id/enable',
    scope: 'mintmark:accounts:write',
    success: 200,
    target: 'service account',
    fields: {},
    valid: async (service) => {
      const { id } = await service.account();
      await service.call('POST', `/v1/service-accounts/${id}/disable`);
      return { id };
    },
  },
  {
    method: 'POST',
    path: '/v1/service-accounts/:id/api-keys',
    scope: 'mintmark:keys:write',
    success: 201,
    target: 'service account',
    fields: newKey,
    valid: async (service) => ({ ...(await anAccount(service)), body: { name: 'a key' } }),
    resource: (body) => body.key,
  },
  {
    method: 'GET',
    path: '/v1/service-accounts/:id/api-keys',
    scope: 'mintmark:keys:read',
    success: 200,
    target: 'service account',
    query: { ...page, ...keyFilters },
    valid: anAccountWithKeys,
  },
  {
    method: 'GET',
    path: '/v1/audit-events',
    scope: 'mintmark:audit:read',
    success: 200,
    query: {
      ...page,
      action: { kind: 'word', words: ACTIONS },
      actorId: { kind: 'anyId' },
      targetId: { kind: 'anyId' },
      from: { kind: 'instant' },
      to: { kind: 'instant' },
    },
    valid: async (service) => {
      await service.account();
      await service.account();
      return {};
    },
  },
  {
    method: 'POST',
    path: '/v1/organizations',
    scope: 'root',
    success: 201,
    fields: { name, ...organizationSettings },
    valid: async () => ({ body: uniqueName() }),
    resource: (body) => body,
  },
  {
    method: 'GET',
    path: '/v1/organizations',
    scope: 'root',
    success: 200,
    query: page,
    valid: async (service) => {
      await service.organization();
      await service.organization();
      return {};
    },
  },
  {
    method: 'GET',
    path: '/v1/organizations/:id',
    scope: 'root',
    success: 200,
    target: 'organization',
    valid: anOrganization,
  },
  {
    method: 'PATCH',
    path: '/v1/organizations/:id',
    scope: 'root',
    success: 200,
    target: 'organization',
    fields: { name: { kind: 'text', min: 1, max: 256 }, ...organizationSettings },
    valid: async (service) => ({ ...(await anOrganization(service)), body: uniqueName() }),
    resource: (body) => body,
  },
  {
    method: 'DELETE',
    path: '/v1/organizations/:id',
    scope: 'root',
    success: 204,
    target: 'organization',
    fields: {},
    valid: anOrganization,
  },
];

export const titleOf = ({ method, path }: Endpoint): string => `${method} ${path}`;

/** `describe.for` rows: each endpoint under its title. */
export const titled = (endpoints: readonly Endpoint[]): [string, Endpoint][] =>
  endpoints.map((endpoint) => [titleOf(endpoint), endpoint]);

const COMPAT = '/compat/';

/** Every method and path of the contract's own that the app has, as {@link titleOf} writes them. */
export async function routesOf(service: TestService): Promise<string[]> {
  return (await everyRouteOf(service)).filter(
    (route) => !route.includes(` ${COMPAT}`) && !isStandard(route.split(' ')[1] ?? ''),
  );
}

/** Every method and path of the other systems' wire formats. */
export async function compatRoutesOf(service: TestService): Promise<string[]> {
  return (await everyRouteOf(service)).filter((route) => route.includes(` ${COMPAT}`));
}

async function everyRouteOf({ wholeApp }: TestService): Promise<string[]> {
  const routes = (await wholeApp()).routes.filter(({ method }) => method !== 'ALL');
  return [...new Set(routes.map(({ method, path }) => `${method} ${path}`))].toSorted();
}

/** Well-formed ids that were never given. */
export const UNKNOWN_IDS = {
  organization: `org_${'z'.repeat(24)}`,
  'service account': `sa_${'0'.repeat(24)}`,
  'API key': `key_${'0'.repeat(24)}`,
} as const;

type Options = NonNullable<Parameters<TestService['call']>[2]>;

/** Calls an endpoint with what makes the call valid, unless the options say otherwise; `query` with its `?`. */
export function invoke(
  service: TestService,
  endpoint: Endpoint,
  valid: Valid,
  { query = '', ...options }: Options & { readonly query?: string } = {},
): Promise<Answer> {
  const path = endpoint.path.replace(':id', valid.id ?? '') + query;
  return service.call(endpoint.method, path, {
    ...(valid.body === undefined ? {} : { body: valid.body }),
    ...options,
  });
}

/**
 * An answer in one line: its status, and of a problem its code and the fields that it names. On the way it holds the
 * answer to what the contract says of all of them.
 */
export function outcomeOf(answer: Answer): string {
  expectCommonHeaders(answer);
  if (answer.status < 400) return String(answer.status);

  const { code, errors } = answer.body;
  expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
  expect(answer.body).toEqual({
    type: `urn:mintmark:problem:${code}`,
    title: expect.stringMatching(/./),
    status: answer.status,
    detail: expect.stringMatching(/./),
    code,
    requestId: answer.headers.get('X-Request-Id'),
    ...(errors === undefined ? {} : { errors: expect.any(Array) }),
  });
  const paths: string[] = (errors ?? []).map(({ path, message }: Record<'path' | 'message', string>) => {
    expect(message).toMatch(/./);
    return path;
  });
  return [answer.status, code, ...[...new Set(paths)].toSorted()].join(' ').trim();
}

/** A problem without what differs from request to request: two that are equal here cannot be told apart. */
export function withoutRequestId({ status, headers, body }: Answer): unknown {
  const { requestId: _, ...rest } = body;
  return { status, challenge: headers.get('WWW-Authenticate'), ...rest };
}
