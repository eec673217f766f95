import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { Hono } from 'hono/tiny';

import type { HttpRefusal } from '../contract/describe.ts';
import type { Refusal } from '../core/refusal.ts';
import { scopeFault } from '../core/scope.ts';
import type { AppEnv } from '../http/env.ts';
import type { Callers } from '../keyring/callers.ts';
import { NO_CLIENT, type GrantedToken, type GrantFault, type TokenGrants } from '../keyring/token_grants.ts';
import { readForm, type Form } from './form.ts';
import type { IssuerOf } from './issuer.ts';
import { readClientCredentials } from './oauth_client.ts';
import { errorBody, refused } from './oauth_error.ts';

export interface TokenServices {
  readonly callers: Callers;
  readonly grants: TokenGrants;
  readonly issuerOf: IssuerOf;
}

/** Why a request for a token is refused, by its word in RFC 6749 §5.2 or RFC 8707 §2. */
export type TokenFault =
  | GrantFault
  | { readonly error: 'invalid_request' | 'unsupported_grant_type'; readonly description: string };

/** POST /oauth/token: a token for a service account's key (RFC 6749 §4.4). */
export function token(services: TokenServices, lifetimeSeconds: number) {
  return new Hono<AppEnv>().post('/', notCached, async (c) => {
    const read = await readForm(c);
    if ('refusal' in read) return refused(c, read.refusal);
    const granted = await grantToken(c, services, read.form, lifetimeSeconds);
    if ('refusal' in granted) return refused(c, granted.refusal);
    if ('error' in granted) return faulted(c, granted);
    return c.json(tokenResponse(granted));
  });
}

/** RFC 6749 §5.1; that it is not stored is said of every answer. */
const notCached = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  c.res.headers.set('Pragma', 'no-cache');
});

/** What a request for a token comes to, whoever writes the answer. Nothing but the request's form is read before the client is known. */
export async function grantToken<Env extends AppEnv>(
  c: Context<Env>,
  { callers, grants, issuerOf }: TokenServices,
  form: Form,
  lifetimeSeconds: number,
): Promise<GrantedToken | TokenFault | { readonly refusal: Refusal | HttpRefusal }> {
  const issuer = issuerOf(c.req.url);
  await grants.ready();
  const grantType = form.get('grant_type');
  if (grantType === undefined) return { error: 'invalid_request', description: 'grant_type is required' };
  const client = readClientCredentials(c, form);
  if (!client.ok) return withoutClient(c, client.refusal);
  if (grantType !== 'client_credentials')
    return { error: 'unsupported_grant_type', description: 'grant_type must be client_credentials' };
  const scopes =
    form
      .get('scope')
      ?.split(' ')
      .filter((scope) => scope !== '') ?? null;
  if (scopes !== null && scopes.some((scope) => scopeFault(scope) !== null))
    return {
      error: 'invalid_scope',
      description: 'scope must be scopes of Mintmark, with spaces between them',
    };
  const origin = c.get('origin');
  const caller = await callers.identify(client.value.secret, [], origin);
  if (!caller.ok) return withoutClient(c, caller.refusal);
  const request = { scopes, resources: form.resources, issuer, lifetimeSeconds };
  const granted = await grants.grant(caller.value, client.value.clientId, request);
  if ('token' in granted) callers.noteUse(caller.value);
  return granted;
}

/** What is wrong with a credential is a client that is not known. */
function withoutClient<Env extends AppEnv>(
  c: Context<Env>,
  refusal: Refusal,
): TokenFault | { readonly refusal: Refusal } {
  if (refusal.kind !== 'missing_credential' && refusal.kind !== 'invalid_credential') return { refusal };
  const { requestId } = c.get('origin');
  const reason = refusal.kind === 'invalid_credential' ? refusal.reason : 'none';
  c.get('logRefused')({ level: 'info', event: 'credential_refused', requestId, reason });
  return NO_CLIENT;
}

/** RFC 6749 §5.1. */
function tokenResponse({ text, token: { scopes }, lifetimeSeconds }: GrantedToken) {
  return {
    access_token: text,
    token_type: 'Bearer',
    expires_in: lifetimeSeconds,
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
  };
}

function faulted(c: Context<AppEnv>, { error, description }: TokenFault): Response {
  if (error !== 'invalid_client') return c.json(errorBody(error, description), 400);
  return c.json(errorBody(error, description), 401, { 'WWW-Authenticate': 'Basic realm="mintmark"' });
}
