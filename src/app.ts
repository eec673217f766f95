import { Hono, type Context } from 'hono';

import { thrownRefusal } from './contract/describe.ts';
import type { Platform } from './core/platform.ts';
import type { Fault } from './core/refusal.ts';
import { RootKeys } from './core/root_keys.ts';
import type { Credentials } from './credentials/credentials.ts';
import type { SigningKeys } from './credentials/signing_keys.ts';
import { compat, speaking } from './dialects/compat.ts';
import { apiKeys } from './http/api_keys.ts';
import { auditEvents } from './http/audit_events.ts';
import { manage } from './http/caller.ts';
import { docs, openapi } from './http/docs.ts';
import type { AppEnv } from './http/env.ts';
import { health, type Probes } from './http/health.ts';
import { organizations } from './http/organizations.ts';
import { origin } from './http/origin.ts';
import { problem } from './http/problem.ts';
import { RememberingRouter } from './http/remembering_router.ts';
import { serviceAccounts } from './http/service_accounts.ts';
import { verify, whoami } from './http/verify.ts';
import { wellKnown } from './http/well_known.ts';
import type { Accounts } from './keyring/accounts.ts';
import type { AuditTrail } from './keyring/audit_trail.ts';
import type { Callers } from './keyring/callers.ts';
import type { Enrolments } from './keyring/enrolments.ts';
import type { Keys } from './keyring/keys.ts';
import type { Lineages } from './keyring/lineages.ts';
import type { Organizations } from './keyring/organizations.ts';
import type { Rotations } from './keyring/rotations.ts';
import type { Surrenders } from './keyring/surrenders.ts';
import type { TokenGrants } from './keyring/token_grants.ts';
import { forProxy, forwardAuth } from './standards/forward_auth.ts';
import { introspection } from './standards/introspection.ts';
import { issuerBy } from './standards/issuer.ts';
import { discovery } from './standards/metadata.ts';
import { speakingOAuth } from './standards/oauth_error.ts';
import { revocation } from './standards/revocation.ts';
import { token } from './standards/token.ts';
import type { Uses } from './verifier/uses.ts';
import type { Verifier } from './verifier/verifier.ts';

export interface Services {
  readonly organizations: Organizations;
  readonly auditTrail: AuditTrail;
  readonly rotations: Rotations;
  readonly accounts: Accounts;
  readonly enrolments: Enrolments;
  readonly keys: Keys;
  readonly lineages: Lineages;
  readonly surrenders: Surrenders;
  readonly grants: TokenGrants;
  readonly signingKeys: SigningKeys;
  /** What this deployment is called as an issuer; null: what a call on this machine calls it. */
  readonly issuer: string | null;
  readonly tokenLifetimeSeconds: number;
  /** A header that carries a trusted issuer's token; null: none does. */
  readonly assertionHeader: string | null;
  readonly callers: Callers;
  readonly verifier: Verifier;
  readonly uses: Uses;
  readonly rootKeys: RootKeys;
  readonly credentials: Credentials;
  readonly probes: Probes;
  /** What the scheduled handler does each minute. */
  readonly upkeep: () => Promise<void>;
  readonly platform: Platform;
}

/** The whole HTTP surface. */
export function createApp({
  organizations: tenants,
  auditTrail,
  rotations,
  accounts,
  enrolments,
  keys,
  lineages,
  surrenders,
  grants,
  signingKeys,
  issuer,
  tokenLifetimeSeconds,
  assertionHeader,
  callers,
  verifier,
  rootKeys,
  credentials,
  probes,
  platform,
}: Services) {
  const { clock } = platform;
  const managed = manage(callers);
  const issuerOf = issuerBy(issuer);
  const tokens = { callers, grants, issuerOf };
  const app = new Hono<AppEnv>({ router: new RememberingRouter() })
    .use(origin(platform, rootKeys, assertionHeader))
    .use('/compat/*', speaking)
    .use('/v1/forward-auth/*', forProxy)
    .route('/health', health(probes, rootKeys, credentials, clock))
    .use('/oauth/*', speakingOAuth)
    .use('/.well-known/oauth-authorization-server', speakingOAuth)
    .route('/.well-known', wellKnown())
    .route('/.well-known', discovery(signingKeys, issuerOf))
    .route('/oauth/token', token(tokens, tokenLifetimeSeconds))
    .route('/oauth/introspect', introspection(verifier, issuer))
    .route('/oauth/revoke', revocation(callers, surrenders))
    .route('/openapi.json', openapi())
    .route('/docs', docs())
    .route('/v1/whoami', whoami(verifier, clock))
    .route('/v1/api-keys/verify', verify(verifier, clock))
    .route('/v1/forward-auth', forwardAuth(verifier))
    .route('/v1/api-keys', apiKeys(managed, keys, lineages, rotations, clock))
    .route('/v1/organizations', organizations(managed, tenants))
    .route('/v1/audit-events', auditEvents(managed, auditTrail))
    .route('/v1/service-accounts', serviceAccounts(managed, accounts, keys, clock))
    .route('/', compat({ accounts, enrolments, keys, rotations, tokens, callers, clock }))
    .onError(failure);
  app.notFound((c) => {
    const allowed = methodsOf(app, c.req.path);
    return problem(
      c,
      allowed.length === 0 ? { kind: 'no_such_path' } : { kind: 'method_not_allowed', allowed },
    );
  });
  return app;
}

const NO_ROOT = new RootKeys(undefined, undefined);

/** Answers every call with what is missing: a Worker cannot refuse to start. */
export function createMisconfiguredApp(faults: readonly Fault[], platform: Platform) {
  return new Hono<AppEnv>()
    .use(origin(platform, NO_ROOT))
    .use('/compat/*', speaking)
    .use('/v1/forward-auth/*', forProxy)
    .use('/oauth/*', speakingOAuth)
    .all('*', (c) => problem(c, { kind: 'misconfigured', faults }));
}

/** What was thrown is a broken dependency or a defect: the log gets the message, the answer does not. */
function failure(error: Error, c: Context<AppEnv>): Response {
  const { requestId } = c.get('origin');
  c.get('log')({
    level: 'error',
    event: 'request_failed',
    requestId,
    error: error.message,
    stack: error.stack,
  });
  return problem(c, thrownRefusal(error));
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

function methodsOf(app: Hono<AppEnv>, path: string): string[] {
  return METHODS.filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  );
}
