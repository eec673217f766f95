import type { Hono } from 'hono/tiny';

import type { Platform } from './core/platform.ts';
import type { Fault } from './core/refusal.ts';
import { RootKeys } from './core/root_keys.ts';
import { compat, speaking } from './dialects/compat.ts';
import { apiKeys } from './http/api_keys.ts';
import { auditEvents } from './http/audit_events.ts';
import { manage } from './http/caller.ts';
import { docs, openapi } from './http/docs.ts';
import type { AppEnv } from './http/env.ts';
import { failure } from './http/failure.ts';
import { organizations } from './http/organizations.ts';
import { origin } from './http/origin.ts';
import { problem } from './http/problem.ts';
import { serviceAccounts } from './http/service_accounts.ts';
import { Surface } from './http/surface.ts';
import { wellKnown } from './http/well_known.ts';
import type { Management } from './management.ts';
import { forProxy } from './standards/forward_auth.ts';
import { introspection } from './standards/introspection.ts';
import { issuerBy } from './standards/issuer.ts';
import { discovery } from './standards/metadata.ts';
import { speakingOAuth } from './standards/oauth_error.ts';
import { revocation } from './standards/revocation.ts';
import { token } from './standards/token.ts';
import type { Verification } from './verification.ts';
import { verificationRoutes } from './verification_app.ts';

export type Services = Verification & Management;

/** The whole HTTP surface, that of verification too. */
export function createApp(services: Services) {
  const { accounts, callers, enrolments, grants, issuer, keys, rotations, verifier } = services;
  const { clock } = services.platform;
  const managed = manage(callers);
  const issuerOf = issuerBy(issuer);
  const tokens = { callers, grants, issuerOf };
  const app = new Surface()
    .use(origin(services))
    .use('/compat/*', speaking)
    .use('/v1/forward-auth/*', forProxy)
    .route('/', verificationRoutes(services))
    .use('/oauth/*', speakingOAuth)
    .use('/.well-known/oauth-authorization-server', speakingOAuth)
    .route('/.well-known', wellKnown())
    .route('/.well-known', discovery(services.signingKeys, issuerOf))
    .route('/oauth/token', token(tokens, services.tokenLifetimeSeconds))
    .route('/oauth/introspect', introspection(verifier, issuer))
    .route('/oauth/revoke', revocation(callers, services.surrenders))
    .route('/openapi.json', openapi())
    .route('/docs', docs())
    .route('/v1/api-keys', apiKeys(managed, keys, services.lineages, rotations, clock))
    .route('/v1/organizations', organizations(managed, services.organizations))
    .route('/v1/audit-events', auditEvents(managed, services.auditTrail))
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

/** Answers every call with what is missing. */
export function createMisconfiguredApp(faults: readonly Fault[], platform: Platform) {
  return new Surface()
    .use(origin({ platform, rootKeys: NO_ROOT, logRefused: platform.log, assertionHeader: null }))
    .use('/compat/*', speaking)
    .use('/v1/forward-auth/*', forProxy)
    .use('/oauth/*', speakingOAuth)
    .all('*', (c) => problem(c, { kind: 'misconfigured', faults }));
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

function methodsOf(app: Hono<AppEnv>, path: string): string[] {
  return METHODS.filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  );
}
