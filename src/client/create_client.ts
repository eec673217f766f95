import { isVisibleAscii } from '../contract/credential.ts';
import { call, type Connection } from './call.ts';
import { DEFAULT_CALL_TIMEOUT_MS, MAX_CALL_TIMEOUT_MS, MAX_TIMEOUT_MS } from './constants.ts';
import { timeoutOf } from './deadline.ts';
import { targetOf, type Endpoint, type Fetch } from './http.ts';
import { isRefused, unanswered } from './problem.ts';
import type { KeysService, Refused } from './services.ts';
import { isRefusedVerdict, isValidVerdict, type RefusedVerdict, type ValidVerdict } from './verdict.ts';
import type {
  ApiKey,
  ApiKeyPage,
  AuditEvent,
  AuditEventPage,
  MintedKey,
  NewOrganization,
  NewServiceAccount,
  Organization,
  OrganizationPage,
  OrganizationPatch,
  RevokedKey,
  RotatedKey,
  ServiceAccount,
  ServiceAccountPage,
  ServiceAccountPatch,
  VerifyRequest,
  Whoami,
} from './wire.ts';

interface Bound {
  /** A service binding to Mintmark itself, without an entrypoint: the same calls without a network hop. */
  readonly service: { readonly fetch: Fetch };
  /** A key with the scopes that the calls need. */
  readonly credential: string;
}

export type ClientOptions = (Endpoint | Bound) & {
  /** For a root key: the id or slug of the organization that is meant. Absent: `default`. */
  readonly organization?: string;
  /** Milliseconds that an answer is waited for, 1 to 600,000 and 30,000 unless said; a verdict 10,000 at most. */
  readonly timeoutMs?: number;
};

/** A page of a list, newest first. */
export interface PageRequest {
  /** 1 to 100; 50 unless said. */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

export interface AuditEventListRequest extends PageRequest {
  readonly action?: AuditEvent['action'] | undefined;
  /** Who did it. */
  readonly actorId?: string | undefined;
  /** To what it was done. */
  readonly targetId?: string | undefined;
  /** RFC 3339: of this time or later. */
  readonly from?: string | undefined;
  /** RFC 3339: before this time. */
  readonly to?: string | undefined;
}

/** What takes something away says by when: from then on no edge accepts it. */
export interface Effective {
  readonly effectiveBy?: string;
}

/**
 * The contract's calls. A refusal is answered as `{ error }`, an RFC 9457 problem, and so is what could not be reached:
 * `unavailable`, or `outcome_unknown` where something may have been done. Nothing is thrown.
 */
export interface Client {
  /** The verdict on a key; sent once more if the connection broke. */
  verify(request: VerifyRequest): Promise<ValidVerdict | RefusedVerdict | Refused>;
  /** What the client's own credential is and may do. */
  whoami(): Promise<Whoami | Refused>;
  /** The calls of the entrypoint `Keys`, and `delete`, which also takes a key out of the lists. */
  readonly keys: KeysService & { delete(id: string): Promise<Effective | Refused> };
  readonly serviceAccounts: {
    create(input: NewServiceAccount): Promise<ServiceAccount | Refused>;
    get(id: string): Promise<ServiceAccount | Refused>;
    list(input?: PageRequest): Promise<ServiceAccountPage | Refused>;
    update(id: string, input: ServiceAccountPatch): Promise<(ServiceAccount & Effective) | Refused>;
    /** Its keys are refused until it is enabled again. */
    disable(id: string): Promise<(ServiceAccount & Effective) | Refused>;
    enable(id: string): Promise<ServiceAccount | Refused>;
    /** Its keys are revoked. */
    delete(id: string): Promise<Effective | Refused>;
  };
  /** For a root key alone. */
  readonly organizations: {
    create(input: NewOrganization): Promise<Organization | Refused>;
    get(id: string): Promise<Organization | Refused>;
    list(input?: PageRequest): Promise<OrganizationPage | Refused>;
    update(id: string, input: OrganizationPatch): Promise<(Organization & Effective) | Refused>;
    delete(id: string): Promise<Effective | Refused>;
  };
  readonly auditEvents: { list(input?: AuditEventListRequest): Promise<AuditEventPage | Refused> };
}

/** A client of one Mintmark; throws a TypeError for options with which nothing could be called. */
export function createClient(options: ClientOptions): Client {
  const { organization, timeoutMs = DEFAULT_CALL_TIMEOUT_MS } = options;
  if (organization !== undefined && !isVisibleAscii(organization))
    throw new TypeError('mintmark: organization must be the id or slug of an organization');
  const connection: Connection = {
    target: targetOf('service' in options ? boundEndpoint(options) : options),
    timeoutMs: timeoutOf(timeoutMs, MAX_CALL_TIMEOUT_MS),
    ...(organization === undefined ? {} : { organization }),
  };

  /** The calls that every resource has. */
  const resource = <Resource, Page>(name: string) => ({
    create: (body: object) => call<Resource>(connection, 'POST', [name], { body }),
    get: (id: string) => call<Resource>(connection, 'GET', [name, id]),
    list: (query: object = {}) => call<Page>(connection, 'GET', [name], { query }),
    update: (id: string, body: object) =>
      call<Resource & Effective>(connection, 'PATCH', [name, id], { body }),
    delete: (id: string) => call<Effective>(connection, 'DELETE', [name, id]),
  });
  const action =
    <Answer>(name: string, verb: string) =>
    (id: string, body?: object) =>
      call<Answer>(connection, 'POST', [name, id, verb], { body });

  return {
    verify: async (request) => {
      const inTime = { ...connection, timeoutMs: Math.min(timeoutMs, MAX_TIMEOUT_MS) };
      const answer = await call<unknown>(inTime, 'POST', ['api-keys', 'verify'], {
        body: request,
        isRepeatable: true,
      });
      return isValidVerdict(answer) || isRefusedVerdict(answer) || isRefused(answer)
        ? answer
        : unanswered('The answer is no verdict.', true);
    },
    whoami: () => call(connection, 'GET', ['whoami']),
    keys: {
      ...resource<ApiKey, ApiKeyPage>('api-keys'),
      create: (body) => call<MintedKey>(connection, 'POST', ['api-keys'], { body }),
      rotate: action<RotatedKey>('api-keys', 'rotate'),
      revoke: action<RevokedKey>('api-keys', 'revoke'),
    },
    serviceAccounts: {
      ...resource<ServiceAccount, ServiceAccountPage>('service-accounts'),
      disable: action<ServiceAccount & Effective>('service-accounts', 'disable'),
      enable: action<ServiceAccount>('service-accounts', 'enable'),
    },
    organizations: resource<Organization, OrganizationPage>('organizations'),
    auditEvents: { list: (query = {}) => call(connection, 'GET', ['audit-events'], { query }) },
  };
}

/** Any host will do where a binding says whom to call. */
function boundEndpoint({ service, credential }: Bound): Endpoint {
  if (typeof service?.fetch !== 'function')
    throw new TypeError('mintmark: service must be a binding to Mintmark');
  return { url: 'https://mintmark', credential, fetch: (url, init) => service.fetch(url, init) };
}
