import { Hono } from 'hono/tiny';

import { NUMERIC_DATE_MS } from '../core/constants.ts';
import { endOf, type Decision } from '../core/decide.ts';
import { coversAll, type ManagementScope } from '../core/scope.ts';
import { isUnasked } from '../core/verdict.ts';
import type { AppEnv } from '../http/env.ts';
import type { Verifier } from '../verifier/verifier.ts';
import { knownIssuer } from './issuer.ts';
import { clientFault, readTokenCall, TOKEN_NEEDED } from './oauth_client.ts';
import { refused } from './oauth_error.ts';

const NEEDED: ManagementScope = 'mintmark:keys:verify';

/**
 * POST /oauth/introspect (RFC 7662): what a key or a token of the caller's organization is good for. Of all else it says no more
 * than that it is not active.
 */
export function introspection(verifier: Verifier, issuer: string | null) {
  return new Hono<AppEnv>().post('/', async (c) => {
    const call = await readTokenCall(c);
    if ('refusal' in call) return refused(c, call.refusal);
    const named = c.req.header('Mintmark-Organization') ?? null;
    const principal = await verifier.identify(call.credential, named, c.get('origin'));
    if (!principal.ok) return refused(c, principal.refusal);
    const fault = clientFault(call, principal.value);
    if (fault !== null) return refused(c, fault);
    const { organizationId, scopes } = principal.value;
    if (!coversAll(scopes, [NEEDED])) return refused(c, { kind: 'insufficient_scope', needed: [NEEDED] });
    const { token: key } = call;
    if (key === undefined) return refused(c, TOKEN_NEEDED);
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
