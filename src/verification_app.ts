import { Hono } from 'hono/tiny';

import type { AppEnv } from './http/env.ts';
import { failure } from './http/failure.ts';
import { health } from './http/health.ts';
import { origin } from './http/origin.ts';
import { Surface } from './http/surface.ts';
import { verify, whoami } from './http/verify.ts';
import { forProxy, forwardAuth } from './standards/forward_auth.ts';
import type { Verification } from './verification.ts';

/** The calls that verify, and that ask whether this can. */
export function verificationRoutes({ verifier, rootKeys, credentials, probes, platform }: Verification) {
  const { clock } = platform;
  return new Hono<AppEnv>()
    .route('/health', health(probes, rootKeys, credentials, clock))
    .route('/v1/whoami', whoami(verifier, clock))
    .route('/v1/api-keys/verify', verify(verifier, clock))
    .route('/v1/forward-auth', forwardAuth(verifier));
}

/** What is called over HTTP. */
export type App = Pick<Hono<AppEnv>, 'fetch'>;

/** What an isolate answers from its start: those calls. Every other is for the whole surface, which `load` brings. */
export function createVerificationApp(verification: Verification, load: () => Promise<App>) {
  const first = origin(verification);
  /** Fails as any call fails. */
  const failing = (error: Error): App =>
    new Surface()
      .use(first)
      .all('*', () => {
        throw error;
      })
      .onError(failure);
  return new Surface()
    .on('GET', ['/health', '/health/ready', '/v1/whoami'], first)
    .post('/v1/api-keys/verify', first)
    .all('/v1/forward-auth/:organization/:scopes/*', first, forProxy)
    .route('/', verificationRoutes(verification))
    .notFound(async (c) => (await load().catch(failing)).fetch(c.req.raw))
    .onError(failure);
}
