import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { Hono } from 'hono/tiny';

import { MAX_SCOPES } from '../core/constants.ts';
import type { VerdictCode } from '../core/decide.ts';
import type { KeyRecord } from '../core/records.ts';
import { accept, refuse, type Refusal, type Result } from '../core/refusal.ts';
import { scopeFault, type Scope } from '../core/scope.ts';
import { readKey } from '../http/credential.ts';
import type { AppEnv } from '../http/env.ts';
import { problem } from '../http/problem.ts';
import { contractWriter, type RefusalWriter } from '../http/refusal_writer.ts';
import { whole } from '../http/whole.ts';
import type { Verifier } from '../verifier/verifier.ts';

const NO_SCOPES = '-';

/**
 * The path's organization and scopes once more. A proxy that appends its client's path sends them, overwriting its client's, so
 * that no `/../` in that path chooses others: the platform resolves those before the Worker sees them.
 */
const PIN = 'Mintmark-Forward-Auth';

/** A proxy with needs of its own says who it is. A client that says so changes its own refusal, and nothing else. */
const PROXY = 'Mintmark-Proxy';

/**
 * `/v1/forward-auth/{organization}/{scopes}`, whatever the method, the query and what follows in the path: may the request
 * that a proxy is asked for pass? 204 tells the upstream whose key it carries, in four headers that are always there, so
 * that those which a client made up are overwritten. `organization` is an id or a slug, `scopes` a list with commas, or `-`.
 */
export function forwardAuth(verifier: Verifier) {
  return new Hono<AppEnv>().all('/:organization/:scopes/*', async (c) => {
    const judged = await judge(c, verifier, c.req.param('organization'), c.req.param('scopes'));
    if (!judged.ok) return problem(c, judged.refusal);
    // Envoy takes no other success.
    const status = c.req.header(PROXY) === 'envoy' ? 200 : 204;
    return whole(c, null, status, identityOf(judged.value));
  });
}

/** nginx understands 401 and 403, and makes a 500 of every other refusal: for it they are 403. */
export const forProxy = createMiddleware<AppEnv>(async (c, next) => {
  if (c.req.header(PROXY) === 'nginx') c.set('writeRefusal', forNginx);
  return next();
});

const forNginx: RefusalWriter = (refusal, requestId) => {
  const written = contractWriter(refusal, requestId);
  return written.status === 401
    ? written
    : { ...written, status: 403, body: { ...written.body, status: 403 } };
};

/** A key that lets the request pass. */
interface Passed {
  readonly record: KeyRecord;
  readonly scopes: readonly Scope[];
}

async function judge(
  c: Context<AppEnv>,
  verifier: Verifier,
  organization: string,
  scopes: string,
): Promise<Result<Passed>> {
  const credential = readKey(c.req.raw.headers);
  if (!credential.ok) return credential;
  const pinned = c.req.header(PIN);
  if (pinned !== undefined && pinned !== `${organization}/${scopes}`)
    return refuse({ kind: 'invalid_credential', reason: `${PIN} says otherwise than the path` });
  const asked = scopes === NO_SCOPES ? [] : scopes.split(',');
  // No key holds as many, and the answer names each.
  if (asked.length > MAX_SCOPES) return refuse({ kind: 'insufficient_scope', needed: [] });
  const { decision } = await verifier.verify({
    key: credential.value,
    organizationId: null,
    organizationNamed: organization,
    scopes: asked,
    usedFrom: c.get('origin'),
  });
  return decision.code === 'VALID' ? accept(decision) : refuse(refusalOf(decision.code, asked));
}

function refusalOf(code: Exclude<VerdictCode, 'VALID'>, asked: readonly Scope[]): Refusal {
  switch (code) {
    case 'INSUFFICIENT_SCOPE':
      // What is no scope, no key can hold; and it may hold what no header may.
      return { kind: 'insufficient_scope', needed: asked.filter((scope) => scopeFault(scope) === null) };
    case 'RATE_LIMITED':
    case 'USAGE_EXCEEDED':
      return { kind: 'rate_limited' };
    case 'MALFORMED':
    case 'NOT_FOUND':
    case 'REVOKED':
    case 'ACCOUNT_DISABLED':
    case 'DISABLED':
    case 'EXPIRED':
    case 'WRONG_ENVIRONMENT':
    case 'IP_DENIED':
      return { kind: 'invalid_credential', reason: code };
  }
}

function identityOf({ record: { key, account, organization }, scopes }: Passed): Record<string, string> {
  return {
    'Mintmark-Key-Id': encoded(key.id),
    'Mintmark-Organization': encoded(organization.id),
    'Mintmark-Subject': encoded(account?.id ?? key.userId ?? ''),
    'Mintmark-Scopes': scopes.map(encoded).join(' '),
  };
}

/** RFC 3986 §2.1, so that no name can end a header or begin another; `:` and `@` stand for themselves. */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':').replaceAll('%40', '@');
}
