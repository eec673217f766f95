import { Hono } from 'hono/tiny';

import { MANAGEMENT_SCOPES } from '../core/scope.ts';
import type { SigningKeys } from '../credentials/signing_keys.ts';
import type { AppEnv } from '../http/env.ts';
import type { IssuerOf } from './issuer.ts';

const CLIENT_AUTHENTICATION = ['client_secret_basic', 'client_secret_post'];

/** What an OAuth client, and whoever verifies tokens offline, finds out by itself. */
export function discovery(signingKeys: SigningKeys, issuerOf: IssuerOf) {
  return new Hono<AppEnv>()
    .get('/jwks.json', async (c) => {
      c.header('Content-Type', 'application/jwk-set+json');
      return c.body(JSON.stringify({ keys: await signingKeys.published() }));
    })
    .get('/oauth-authorization-server', (c) => {
      const issuer = issuerOf(c.req.url);
      // RFC 8414 §2, RFC 9068 §4.
      return c.json({
        issuer,
        token_endpoint: `${issuer}/oauth/token`,
        jwks_uri: `${issuer}/.well-known/jwks.json`,
        introspection_endpoint: `${issuer}/oauth/introspect`,
        revocation_endpoint: `${issuer}/oauth/revoke`,
        grant_types_supported: ['client_credentials'],
        response_types_supported: [],
        scopes_supported: MANAGEMENT_SCOPES,
        token_endpoint_auth_methods_supported: CLIENT_AUTHENTICATION,
        introspection_endpoint_auth_methods_supported: CLIENT_AUTHENTICATION,
        revocation_endpoint_auth_methods_supported: CLIENT_AUTHENTICATION,
      });
    });
}
