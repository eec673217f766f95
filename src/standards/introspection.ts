import { Hono } from 'hono';

import { NUMERIC_DATE_MS } from '../core/constants.ts';
import type { Decision } from '../core/decide.ts';
import { endOf } from '../core/decide.ts';
import type { ManagementScope } from '../core/scope.ts';
import { coversAll } from '../core/scope.ts';
import { isUnasked } from '../core/verdict.ts';
import type { AppEnv } from '../http/env.ts';
import type { Verifier } from '../verifier/verifier.ts';
import { readForm } from './form.ts';
import { knownIssuer } from './issuer.ts';
import { readClient } from './oauth_client.ts';
import { refused } from './oauth_error.ts';

const NEEDED: ManagementScope = 'mintmark:keys:verify';

/**
 * POST /oauth/introspect (RFC 7662): what a key or a token of the caller's organization is good for. Of all else it says no more
 * than that it is not active.
 */
export function introspection(verifier: Verifier, issuer: string | null) {
  return new Hono<AppEnv>().post('/', async (c) => {
    const read = await readForm(c);
    if ('refusal' in read) return refused(c, read.refusal);
    const client = readClient(c, read.form);
    if (!client.ok) return refused(c, client.refusal);
    const { credential, clientId } = client.value;
    const named = c.req.header('Mintmark-Organization') ?? null;
    const origin = c.get('origin');
    const principal = await verifier.identify(credential, named, origin);
    if (!principal.ok) return refused(c, principal.refusal);
    const { organizationId, scopes, actor } = principal.value;
    if (clientId !== null && actor.id !== clientId)
      return refused(c, { kind: 'invalid_credential', reason: 'a key of another account' });
    if (!coversAll(scopes, [NEEDED])) return refused(c, { kind: 'insufficient_scope', needed: [NEEDED] });
    const key = read.form.get('token');
    if (key === undefined)
      return refused(c, { kind: 'invalid', faults: [{ path: 'token', message: 'is required' }] });
    const verdict = await verifier.verify({
      key,
      isForAnyone: true,
      organizationId,
      scopes: [],
      // Who holds the token is not who asks about it.
      usedFrom: { ip: null, userAgent: null },
    });
    if (isUnasked(verdict)) return refused(c, { kind: 'rate_limited' });
    const { decision } = verdict;
    return c.json(
      decision.code === 'VALID' ? introspected(decision, knownIssuer(issuer, c.req.url)) : { active: false },
    );
  });
}

/** RFC 7662 §2.2; times are seconds since the epoch. */
function introspected(decision: Extract<Decision, { code: 'VALID' }>, issuer: string | null) {
  const { record, token, scopes } = decision;
  const { key, account } = record;
  const holder = account?.id ?? key.userId ?? '';
  const end = endOf(decision);
  const issuedAt = seconds(token?.issuedAt ?? key.createdAt);
  return {
    active: true,
    scope: scopes.join(' '),
    client_id: holder,
    sub: holder,
    ...(key.userId === null ? {} : { username: key.userId }),
    token_type: 'Bearer',
    ...(end === null ? {} : { exp: seconds(end) }),
    iat: issuedAt,
    nbf: issuedAt,
    ...(token === null
      ? { ...(issuer === null ? {} : { iss: issuer, aud: issuer }), jti: key.id }
      : { iss: token.issuer, aud: audienceOf(token.audience), jti: token.id }),
  };
}

const seconds = (ms: number): number => Math.floor(ms / NUMERIC_DATE_MS);

const audienceOf = ([only = '', ...others]: readonly string[]): string | string[] =>
  others.length === 0 ? only : [only, ...others];
