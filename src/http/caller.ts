import type { Context, HonoRequest } from 'hono';
import { createMiddleware } from 'hono/factory';

import type { CredentialHeaders } from '../contract/credential.ts';
import type { Principal } from '../core/caller.ts';
import { CALLER_JUDGED_MS } from '../core/constants.ts';
import type { Result } from '../core/refusal.ts';
import type { Callers } from '../keyring/callers.ts';
import type { Verifier } from '../verifier/verifier.ts';
import { readCredential } from './credential.ts';
import type { ManagementEnv, PrincipalEnv } from './env.ts';
import { problem } from './problem.ts';

const ORGANIZATION = 'Mintmark-Organization';

/** Where a call says who it is and which organization it means. */
export interface CallerPlaces {
  /** The headers that may carry the credential; the contract's unless said. */
  readonly credential?: CredentialHeaders;
  /** Organizations that a call names beside `Mintmark-Organization`, by id or slug: all must be the same. */
  readonly organizations?: (request: HonoRequest) => readonly string[];
}

const namedOrganization = (request: HonoRequest): string | null => request.header(ORGANIZATION) ?? null;

/** Methods that change nothing. */
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** For calls that manage: who reads is judged on D1's primary now, who changes something by the batch that does it. */
export function manage(
  callers: Callers,
  { credential: carriers, organizations = () => [] }: CallerPlaces = {},
) {
  return createMiddleware<ManagementEnv>(async (c, next) => {
    const credential = readCredential(c, carriers);
    if (!credential.ok) return problem(c, credential.refusal);
    const header = namedOrganization(c.req);
    const named = [...organizations(c.req), ...(header === null ? [] : [header])];
    const caller = READING.has(c.req.method)
      ? await callers.identify(credential.value, named, c.get('origin'))
      : await callers.presume(credential.value, named, c.get('origin'));
    if (!caller.ok) return problem(c, caller.refusal);
    if (!caller.value.isPresumed) callers.noteUse(caller.value);
    c.set('caller', caller.value);
    return next();
  });
}

/** For calls that only ask about keys: the caller, judged as any key is. */
export function identify(verifier: Verifier, clock: () => number) {
  return createMiddleware<PrincipalEnv>(async (c, next) => {
    const principal = await principalOf(c, verifier, null);
    if (!principal.ok) return problem(c, principal.refusal);
    c.set('principal', principal.value);
    c.set('judgedAt', clock());
    return next();
  });
}

/**
 * The caller once its body has arrived, which it may have held back until it was revoked. An organization that it named is
 * looked up again where the answer may be no older than `maxStaleness` seconds.
 */
export async function principalNow(
  c: Context<PrincipalEnv>,
  verifier: Verifier,
  clock: () => number,
  maxStaleness: number | undefined,
): Promise<Result<Principal>> {
  const isNamed = maxStaleness !== undefined && c.req.header(ORGANIZATION) !== undefined;
  return isNamed || clock() - c.get('judgedAt') > CALLER_JUDGED_MS
    ? principalOf(c, verifier, maxStaleness ?? null)
    : { ok: true, value: c.get('principal') };
}

async function principalOf(
  c: Context<PrincipalEnv>,
  verifier: Verifier,
  maxStaleness: number | null,
): Promise<Result<Principal>> {
  const credential = readCredential(c);
  if (!credential.ok) return credential;
  return verifier.identify(credential.value, namedOrganization(c.req), c.get('origin'), maxStaleness);
}
