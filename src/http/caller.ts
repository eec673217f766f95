import { createMiddleware } from 'hono/factory';

import type { Callers } from '../keyring/callers.ts';
import type { Uses } from '../verifier/uses.ts';
import type { Verifier } from '../verifier/verifier.ts';
import { readCredential } from './credential.ts';
import type { ManagementEnv, PrincipalEnv } from './env.ts';
import { problem } from './problem.ts';

const ORGANIZATION = 'Mintmark-Organization';

/** For calls that manage: the caller, judged on D1's primary. */
export function manage(callers: Callers, uses: Uses, clock: () => number) {
  return createMiddleware<ManagementEnv>(async (c, next) => {
    const credential = readCredential(c.req.raw.headers);
    if (!credential.ok) return problem(c, credential.refusal);
    const { ip, userAgent } = c.get('origin');
    const caller = await callers.identify(
      credential.value,
      c.req.header(ORGANIZATION) ?? null,
      c.get('origin'),
    );
    if (!caller.ok) return problem(c, caller.refusal);
    const { credential: record } = caller.value;
    if (record !== null) uses.note(record, { at: clock(), ip, userAgent });
    c.set('caller', caller.value);
    return next();
  });
}

/** For calls that only ask about keys: the caller, judged as any key is. */
export function identify(verifier: Verifier) {
  return createMiddleware<PrincipalEnv>(async (c, next) => {
    const credential = readCredential(c.req.raw.headers);
    if (!credential.ok) return problem(c, credential.refusal);
    const principal = await verifier.identify(
      credential.value,
      c.req.header(ORGANIZATION) ?? null,
      c.get('origin'),
    );
    if (!principal.ok) return problem(c, principal.refusal);
    c.set('principal', principal.value);
    return next();
  });
}
