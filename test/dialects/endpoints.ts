import { expect } from 'vitest';

import type { ManagementScope } from '../../src/core/scope.ts';
import { UNKNOWN_IDS } from '../http/endpoints.ts';
import { acceptsEach, expectCommonHeaders, refusesEach } from '../support/attempts.ts';
import { mapped } from '../support/records.ts';
import { TestService, type Answer } from '../support/service.ts';
import { jsonOf, type Field } from './samples.ts';

type Json = Readonly<Record<string, unknown>>;

/** What a part of a path names. */
export type Target = 'service account' | 'account name' | 'API key';

/** How a vendor's calls and refusals are written, apart from what each call is about. */
export interface Format {
  readonly name: 'Blaxel' | 'B3OS' | 'Kosli' | 'Factory';
  /** Where its calls are served. */
  readonly base: string;
  /** A refusal's body, to the letter but for what people read. */
  readonly refusal: (answer: Answer) => Json;
  /** What people read of it. */
  readonly message: (body: Answer['body']) => string;
  /** The fields that it names, each as often as it breaks a rule; `''` stands for the body. */
  readonly named: (body: Answer['body']) => string[];
  /** The headers in which a credential may come, for each way of sending one. */
  readonly carriers: Readonly<Record<string, (credential: string) => Record<string, string>>>;
  /** A call that names an organization, by id or slug. */
  readonly naming: (organization: string) => Sent;
  /** To whom is not of the organization that is named, whether it exists or not. */
  readonly foreign: Told;
  readonly notFound: Readonly<Record<Target, string>>;
  readonly forbidden?: string;
  /** Bodies that are too large, of another type and too slow. */
  readonly unread: Readonly<Record<'large' | 'type' | 'slow', 400 | 408 | 413 | 415>>;
  /** Where a name is taken, an account disabled, and an organization full of keys. */
  readonly conflicts: Readonly<Record<'taken' | 'disabled' | 'full', string>>;
  readonly refusesUnknownFields: boolean;
}

export interface Told {
  readonly outcome: string;
  readonly says?: string | RegExp;
}

/** RFC 9110 §15. */
const PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

const SOME_TEXT = expect.stringMatching(/./);

/** Where a sentence holds all rules that are broken, each begins with its field. */
const beginnings = ({ message }: Answer['body']): string[] =>
  String(message)
    .split('; ')
    .map((rule) => (rule.startsWith('the body ') ? '' : (rule.split(' ', 1)[0] ?? '')));

const bearer = (credential: string) => ({ Authorization: `Bearer ${credential}` });

const NOT_FOUND = {
  'service account': 'There is no such service account.',
  'account name': 'There is no such service account.',
  'API key': 'There is no such API key.',
};

const BY_STATUS = { large: 413, type: 415, slow: 408 } as const;
const ALL_400 = { large: 400, type: 400, slow: 400 } as const;

const CONFLICTS = { taken: '409', disabled: '409', full: '402' };

const BLAXEL: Format = {
  name: 'Blaxel',
  base: '/compat/blaxel/v0',
  refusal: ({ status }) => ({ code: status, error: PHRASES[status], message: SOME_TEXT }),
  message: ({ message }) => message,
  named: beginnings,
  carriers: {
    Authorization: bearer,
    'X-Blaxel-Authorization': (credential) => ({ 'X-Blaxel-Authorization': `Bearer ${credential}` }),
  },
  naming: (organization) => ({ headers: { 'X-Blaxel-Workspace': organization } }),
  foreign: { outcome: '403', says: 'The credential is not of this workspace.' },
  notFound: NOT_FOUND,
  unread: BY_STATUS,
  conflicts: CONFLICTS,
  refusesUnknownFields: false,
};

const B3OS: Format = {
  name: 'B3OS',
  base: '/compat/b3os/v1',
  refusal: ({ status, headers }) => ({
    code: status,
    message: SOME_TEXT,
    requestId: headers.get('X-Request-Id'),
  }),
  message: ({ message }) => message,
  named: beginnings,
  carriers: { Authorization: bearer },
  naming: (organization) => ({ headers: { 'X-Org-ID': organization } }),
  foreign: { outcome: '403', says: 'The credential is not of this organization.' },
  notFound: NOT_FOUND,
  unread: BY_STATUS,
  conflicts: CONFLICTS,
  refusesUnknownFields: false,
};

const NO_PERMISSION = "You don't have permission to access this resource";

const KOSLI: Format = {
  name: 'Kosli',
  base: '/compat/kosli/api/v2',
  refusal: ({ body }) => ({
    message: SOME_TEXT,
    ...('errors' in body ? { errors: expect.toSatisfy(holdsTexts) } : {}),
  }),
  message: ({ message }) => message,
  named: ({ errors = {} }) => Object.keys(errors).map((field) => (field === 'body' ? '' : field)),
  carriers: {
    Authorization: bearer,
    'the user name of Basic': (credential) => ({ Authorization: `Basic ${btoa(`${credential}:`)}` }),
    'Basic with a password': (credential) => ({ Authorization: `basic ${btoa(`${credential}:pass:word`)}` }),
    'Basic without a colon': (credential) => ({ Authorization: `Basic ${btoa(credential)}` }),
  },
  naming: (organization) => ({ params: { org: encodeURIComponent(organization) } }),
  foreign: { outcome: '403', says: NO_PERMISSION },
  notFound: {
    'service account': 'Service account not found',
    'account name': 'Service account not found',
    'API key': 'API key not found',
  },
  forbidden: NO_PERMISSION,
  unread: ALL_400,
  // Its client repeats what is answered by 409.
  conflicts: { taken: '400', disabled: '400', full: '400' },
  refusesUnknownFields: false,
};

const FACTORY: Format = {
  name: 'Factory',
  base: '/compat/factory/api/v0',
  refusal: ({ status, body }) => ({
    detail: SOME_TEXT,
    status,
    title: PHRASES[status],
    ...('metadata' in body ? { metadata: { errors: expect.toSatisfy(holdsFaults) } } : {}),
  }),
  message: ({ detail }) => detail,
  named: ({ metadata }) => (metadata?.errors ?? []).map(({ path }: { path: string }) => path),
  carriers: { Authorization: bearer },
  naming: (organization) => ({ headers: { 'Mintmark-Organization': organization } }),
  foreign: { outcome: '404', says: 'There is no such organization.' },
  notFound: NOT_FOUND,
  unread: ALL_400,
  conflicts: CONFLICTS,
  refusesUnknownFields: true,
};

export const FORMATS = [BLAXEL, B3OS, KOSLI, FACTORY] as const;

function holdsTexts(errors: unknown): boolean {
  const texts = typeof errors === 'object' && errors !== null ? Object.values(errors) : [];
  return texts.length > 0 && texts.every((text) => typeof text === 'string' && text !== '');
}

function holdsFaults(errors: unknown): boolean {
  return (
    Array.isArray(errors) &&
    errors.length > 0 &&
    errors.every(
      (fault) =>
        Object.keys(fault).join() === 'path,message' &&
        typeof fault.path === 'string' &&
        fault.message !== '',
    )
  );
}

/** What one valid call needs: made anew for each, so that no call stands in another's way. */
export interface Valid {
  /** Of what the path names, as it stands there. */
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: Json;
}

export interface DialectEndpoint {
  readonly format: Format;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As the router has it. */
  readonly path: string;
  /** What a caller must hold; the first of them is asked for first. */
  readonly scopes: readonly ManagementScope[];
  /** What its valid call hands on, and a caller must hold besides. */
  readonly grants?: readonly ManagementScope[];
  readonly success: 200 | 201 | 204;
  /** What the path names, but for the organization. */
  readonly targets?: Readonly<Record<string, Target>>;
  /** The fields that its body may have; absent: it reads no body. */
  readonly fields?: Readonly<Record<string, Field>>;
  /** It is a list in pages. */
  readonly isPaged?: true;
  readonly valid: (service: TestService) => Promise<Valid>;
  /** What in its answer shows what was sent; absent: it shows none of it. */
  readonly shown?: (body: Answer['body']) => Json;
}

const uniqueName = (): string => `name-${crypto.randomUUID()}`;

const nothing = async (): Promise<Valid> => ({});
/** Two, so that a page of one has a next. */
const someAccounts = async (service: TestService): Promise<Valid> => {
  await service.account();
  await service.account();
  return {};
};
const someKeys = async (service: TestService): Promise<Valid> => {
  await service.key();
  await service.key();
  return {};
};

/** A new account with a key as a path names them: an account by its id, but for Kosli, where the parameter is `name`. */
const aKey = (accountParam: string | null, keyParam: string | null) => async (service: TestService) => {
  const accountName = uniqueName();
  const { id } = await service.account({ name: accountName });
  const { key } = await service.key({ serviceAccountId: id });
  return {
    params: {
      ...(accountParam === null ? {} : { [accountParam]: accountParam === 'name' ? accountName : id }),
      ...(keyParam === null ? {} : { [keyParam]: key.id }),
    },
  };
};
const anAccount = (param: string) => aKey(param, null);

const name: Field = { kind: 'text', min: 1, max: 256 };
const neededName: Field = { ...name, isRequired: true };
const changedName: Field = { ...name, ifNull: 'anything' };
const description: Field = { kind: 'text', min: 0, max: 1_024, ifNull: 'absent' };
const privilege: Field = { kind: 'word', words: ['admin', 'member', 'snapshotter', 'reader'] };
const kosliDescription: Field = { kind: 'text', min: 0, max: 512, ifNull: 'absent' };
const kosliExpiry: Field = { kind: 'unixSeconds', ifNull: { is: 0 } };
const milliseconds: Field = { kind: 'unixMilliseconds' };

const READ_ACCOUNTS = { scopes: ['mintmark:accounts:read'] } as const;
const WRITE_ACCOUNTS = { scopes: ['mintmark:accounts:write'] } as const;
const READ_KEYS = { scopes: ['mintmark:keys:read'] } as const;
const WRITE_KEYS = { scopes: ['mintmark:keys:write'] } as const;

type Method = DialectEndpoint['method'];
type Row = Omit<DialectEndpoint, 'format' | 'method' | 'path' | 'success'> & {
  readonly success?: DialectEndpoint['success'];
};

/** A format's calls, as `METHOD /path` below its base; their success is 200 unless said. */
const rows = (format: Format, list: Readonly<Record<`${Method} /${string}`, Row>>): DialectEndpoint[] =>
  Object.entries(list).map(([call, { success = 200, ...row }]) => {
    const [method = '', path = ''] = call.split(' ');
    return Object.assign(row, { format, method: method as Method, path: format.base + path, success });
  });

const withBody =
  (valid: (service: TestService) => Promise<Valid>, body: () => Json) =>
  async (service: TestService): Promise<Valid> => ({ ...(await valid(service)), body: body() });
const aName = (): Json => ({ name: uniqueName() });

const whole = (body: Answer['body']): Json => body;
const data = (body: Answer['body']): Json => body.data;
const apiKey = (body: Answer['body']): Json => body.apiKey;

const blaxelAccount = { targets: { clientId: 'service account' }, valid: anAccount('clientId') } as const;
const blaxelKey = {
  targets: { clientId: 'service account', apiKeyId: 'API key' },
  valid: aKey('clientId', 'apiKeyId'),
} as const;
const b3osAccount = { targets: { id: 'service account' }, valid: anAccount('id') } as const;
const kosliAccount = { targets: { name: 'account name' }, valid: anAccount('name') } as const;
const kosliKey = { targets: { name: 'account name', id: 'API key' }, valid: aKey('name', 'id') } as const;
const factoryAccount = {
  targets: { serviceAccountId: 'service account' },
  valid: anAccount('serviceAccountId'),
} as const;
const factoryKey = {
  targets: { serviceAccountId: 'service account', keyId: 'API key' },
  valid: aKey('serviceAccountId', 'keyId'),
} as const;

/**
 * Every call of the other systems' wire formats. The tables of bad input and of callers run over it, and fail when the app
 * has a route that is not here.
 */
export const DIALECT_ENDPOINTS: readonly DialectEndpoint[] = [
  ...rows(BLAXEL, {
    'GET /service_accounts': { ...READ_ACCOUNTS, valid: someAccounts },
    'POST /service_accounts': {
      scopes: ['mintmark:accounts:write', 'mintmark:keys:write'],
      fields: { name: neededName, description },
      valid: withBody(nothing, aName),
      shown: whole,
    },
    'PUT /service_accounts/:clientId': {
      ...WRITE_ACCOUNTS,
      ...blaxelAccount,
      fields: { name: changedName, description },
      valid: withBody(blaxelAccount.valid, aName),
      shown: whole,
    },
    'DELETE /service_accounts/:clientId': { ...WRITE_ACCOUNTS, ...blaxelAccount },
    'GET /service_accounts/:clientId/api_keys': { ...READ_KEYS, ...blaxelAccount },
    'POST /service_accounts/:clientId/api_keys': {
      ...WRITE_KEYS,
      ...blaxelAccount,
      fields: { name: changedName, expires_in: { kind: 'duration', ifNull: 'absent' } },
      valid: withBody(blaxelAccount.valid, aName),
      shown: whole,
    },
    'DELETE /service_accounts/:clientId/api_keys/:apiKeyId': { ...WRITE_KEYS, ...blaxelKey },
  }),
  ...rows(B3OS, {
    'POST /api-keys': {
      ...WRITE_KEYS,
      fields: {
        name: neededName,
        description,
        expiresAt: { kind: 'instant', ifNull: 'absent' },
        scope: { kind: 'word', words: ['read', 'read-write'], ifNull: { is: 'read' } },
        // Null as well: without an account the key would be the caller's own, and root is no person.
        serviceAccountId: { kind: 'serviceAccountId' },
      },
      valid: async (service) => ({ body: { ...aName(), serviceAccountId: (await service.account()).id } }),
      shown: data,
    },
    'GET /api-keys': { ...READ_KEYS, isPaged: true, valid: someKeys },
    'DELETE /api-keys/:id': { ...WRITE_KEYS, targets: { id: 'API key' }, valid: aKey(null, 'id') },
    'POST /service-accounts': {
      ...WRITE_ACCOUNTS,
      fields: { name: neededName, permissions: { kind: 'scopes', isRequired: true }, description },
      valid: withBody(nothing, () => ({ ...aName(), permissions: ['files:read'] })),
      shown: data,
    },
    'GET /service-accounts': { ...READ_ACCOUNTS, isPaged: true, valid: someAccounts },
    'GET /service-accounts/:id': { ...READ_ACCOUNTS, ...b3osAccount },
    'PATCH /service-accounts/:id': {
      ...WRITE_ACCOUNTS,
      ...b3osAccount,
      fields: { name: changedName, permissions: { kind: 'scopes', ifNull: 'anything' }, description },
      valid: withBody(b3osAccount.valid, aName),
      shown: data,
    },
    'DELETE /service-accounts/:id': { ...WRITE_ACCOUNTS, ...b3osAccount },
  }),
  ...rows(KOSLI, {
    'POST /service-accounts/:org': {
      ...WRITE_ACCOUNTS,
      // Of a reader, which a new account is unless told otherwise.
      grants: ['mintmark:accounts:read', 'mintmark:keys:read'],
      success: 201,
      fields: { name: { kind: 'kosliName', isRequired: true }, description: kosliDescription, privilege },
      valid: withBody(nothing, aName),
      shown: whole,
    },
    'GET /service-accounts/:org': { ...READ_ACCOUNTS, valid: someAccounts },
    'GET /service-accounts/:org/:name': { ...READ_ACCOUNTS, ...kosliAccount },
    'PATCH /service-accounts/:org/:name': {
      ...WRITE_ACCOUNTS,
      ...kosliAccount,
      fields: { description: kosliDescription, privilege },
      valid: withBody(kosliAccount.valid, () => ({ description: 'a description' })),
      shown: whole,
    },
    'DELETE /service-accounts/:org/:name': { ...WRITE_ACCOUNTS, ...kosliAccount },
    'POST /service-accounts/:org/:name/api-keys': {
      ...WRITE_KEYS,
      ...kosliAccount,
      success: 201,
      fields: { description: neededName, expires_at: kosliExpiry },
      valid: withBody(kosliAccount.valid, () => ({ description: 'a key' })),
      shown: whole,
    },
    'GET /service-accounts/:org/:name/api-keys': { ...READ_KEYS, ...kosliAccount },
    'GET /service-accounts/:org/:name/api-keys/:id': { ...READ_KEYS, ...kosliKey },
    'POST /service-accounts/:org/:name/api-keys/:id/rotate': {
      ...WRITE_KEYS,
      ...kosliKey,
      success: 201,
      fields: {
        grace_period_hours: { kind: 'integer', min: 1, max: 720, isHidden: true },
        expires_at: kosliExpiry,
      },
      valid: withBody(kosliKey.valid, () => ({ grace_period_hours: 1 })),
      shown: whole,
    },
    'DELETE /service-accounts/:org/:name/api-keys/:id': { ...WRITE_KEYS, ...kosliKey },
  }),
  ...rows(FACTORY, {
    'POST /service-accounts/:serviceAccountId/api-keys': {
      ...WRITE_KEYS,
      ...factoryAccount,
      success: 201,
      fields: { name: { kind: 'text', min: 1, max: 128, isRequired: true }, expiresAt: milliseconds },
      valid: withBody(factoryAccount.valid, aName),
      shown: apiKey,
    },
    'GET /service-accounts/:serviceAccountId/api-keys': { ...READ_KEYS, ...factoryAccount },
    'POST /service-accounts/:serviceAccountId/api-keys/:keyId/revoke': {
      ...WRITE_KEYS,
      ...factoryKey,
      success: 204,
      fields: {},
    },
    'POST /service-accounts/:serviceAccountId/api-keys/:keyId/rotate': {
      ...WRITE_KEYS,
      ...factoryKey,
      fields: {
        expiresAt: milliseconds,
        gracePeriodMinutes: { kind: 'integer', min: 0, max: 10, isHidden: true },
      },
      valid: withBody(factoryKey.valid, () => ({ gracePeriodMinutes: 1 })),
      shown: apiKey,
    },
  }),
];

export const titleOf = ({ method, path }: DialectEndpoint): string => `${method} ${path}`;

/** `describe.for` rows: each endpoint under its title. */
export const titled = (endpoints: readonly DialectEndpoint[]): [string, DialectEndpoint][] =>
  endpoints.map((endpoint) => [titleOf(endpoint), endpoint]);

type Options = NonNullable<Parameters<TestService['call']>[2]>;

/** What differs from a valid call. */
export interface Sent extends Options {
  readonly params?: Readonly<Record<string, string>>;
  /** With its `?`. */
  readonly query?: string;
}

/** Calls an endpoint with what makes the call valid, unless told otherwise, in the default organization. */
export function invoke(
  service: TestService,
  endpoint: DialectEndpoint,
  valid: Valid,
  { params = {}, query = '', ...options }: Sent = {},
): Promise<Answer> {
  const named: Record<string, string> = { org: 'default', ...valid.params, ...params };
  const path = endpoint.path.replaceAll(/:(\w+)/g, (_, param: string) => named[param] ?? '');
  const { body = valid.body } = options;
  const isRaw = body instanceof ReadableStream || body instanceof Uint8Array || typeof body === 'string';
  const isSent = 'body' in options ? options.body !== undefined : body !== undefined;
  return service.call(endpoint.method, path + query, {
    ...options,
    body: isSent ? (isRaw ? body : jsonOf(body)) : undefined,
  });
}

/**
 * An answer in one line: its status, and of a refusal the fields that it names, where a format names any. On the way a
 * refusal is held to its format, key by key.
 */
export function outcomeOf({ format, fields = {} }: DialectEndpoint, answer: Answer): string {
  expectCommonHeaders(answer);
  const { status, headers } = answer;
  if (status < 400) return String(status);
  expect(headers.get('Content-Type')).toBe('application/json');
  expect(answer.body).toStrictEqual(format.refusal(answer));
  expect(headers.has('WWW-Authenticate') || status !== 401, 'a 401 has its challenge').toBe(true);
  // Where sentences name fields, any word could begin one.
  const isField = (path: string): boolean =>
    format.refusesUnknownFields ||
    [...Object.keys(fields), 'limit', 'offset', 'workspace', ''].includes(path.split('.', 1)[0] ?? '');
  const named = format.named(answer.body).filter(isField);
  return [status, ...new Set(named.map((path) => (path === '' ? 'the-body' : path)).toSorted())].join(' ');
}

/** The outcome of a call whose fields or parameters break their rules. */
export const invalid = (...paths: readonly string[]): string => ['400', ...paths.toSorted()].join(' ');

export interface Attempt extends Told {
  readonly sent: Sent;
}

/** Sends each to what would be a valid call, and holds each to what it is told; none may change anything. */
export async function refuses(
  service: TestService,
  endpoint: DialectEndpoint,
  attempts: (valid: Valid) => Readonly<Record<string, Attempt>>,
): Promise<Answer[]> {
  const valid = await endpoint.valid(service);
  return refusesEach(
    service,
    attempts(valid),
    ({ sent }) => invoke(service, endpoint, valid, sent),
    (answer, { says = '' }, title) => {
      const outcome = outcomeOf(endpoint, answer);
      if (answer.status >= 400) expect(endpoint.format.message(answer.body), title).toMatch(says);
      return outcome;
    },
  );
}

/** Sends each to a call of its own, which must succeed; gives back what each answer was. */
export function accepts(
  service: TestService,
  endpoint: DialectEndpoint,
  attempts: Readonly<Record<string, (valid: Valid) => Sent>>,
): Promise<Record<string, Answer>> {
  return acceptsEach(attempts, endpoint.success, async (attempt) => {
    const valid = await endpoint.valid(service);
    return invoke(service, endpoint, valid, attempt(valid));
  });
}

/** The same service to someone whose contract calls are about one organization: for what is to be found there. */
export class ServiceIn extends TestService {
  readonly #organizationId: string;

  constructor(organizationId: string, variables?: Readonly<Record<string, unknown>>) {
    super(variables);
    this.#organizationId = organizationId;
  }

  override call(...[method, path, options = {}]: Parameters<TestService['call']>): Promise<Answer> {
    const headers = path.startsWith('/v1/') ? { 'Mintmark-Organization': this.#organizationId } : {};
    return super.call(method, path, { ...options, headers: { ...headers, ...options.headers } });
  }
}

/** What paths call an account and its key, both new, by the kind of the name; and the key's secret. */
export async function namesOfNew(service: TestService): Promise<Record<Target | 'secret', string>> {
  const accountName = `Name-${crypto.randomUUID()}`;
  const { id } = await service.account({ name: accountName });
  const { key, secret } = await service.key({ serviceAccountId: id });
  return { 'service account': id, 'account name': accountName, 'API key': key.id, secret };
}

/** Each part of a path that names a thing, naming nothing. */
export const strayParams = ({ targets = {} }: DialectEndpoint): Record<string, string> =>
  mapped(targets, (kind) => UNKNOWN_IDS[kind === 'API key' ? kind : 'service account']);
