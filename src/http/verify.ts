import { Hono } from 'hono/tiny';

import { verdictResource, whoamiResource } from '../contract/resources.ts';
import { verifyRequest } from '../contract/verdict.ts';
import { coversAll, type ManagementScope } from '../core/scope.ts';
import { isUnasked } from '../core/verdict.ts';
import type { Verifier } from '../verifier/verifier.ts';
import { readBody } from './body.ts';
import { identify, principalNow } from './caller.ts';
import type { PrincipalEnv } from './env.ts';
import { json, noQuery } from './input.ts';
import { problem } from './problem.ts';
import { wholeJson } from './whole.ts';

const NEEDED: ManagementScope = 'mintmark:keys:verify';

/** POST /v1/api-keys/verify: the verdict on any key, 200 whatever it is. */
export function verify(verifier: Verifier, clock: () => number) {
  return new Hono<PrincipalEnv>().post(
    '/',
    identify(verifier, clock),
    readBody,
    noQuery,
    json(verifyRequest),
    async (c) => {
      const { scopes = [], ip = null, userAgent = null, ...request } = c.req.valid('json');
      const principal = await principalNow(c, verifier, clock, request.maxStaleness);
      if (!principal.ok) return problem(c, principal.refusal);
      const { organizationId, scopes: held } = principal.value;
      if (!coversAll(held, [NEEDED])) return problem(c, { kind: 'insufficient_scope', needed: [NEEDED] });
      const verdict = await verifier.verify({
        ...request,
        scopes,
        organizationId,
        usedFrom: { ip, userAgent },
      });
      return isUnasked(verdict)
        ? problem(c, { kind: 'rate_limited' })
        : wholeJson(c, verdictResource(verdict));
    },
  );
}

/** GET /v1/whoami: what the presented credential is and may do. */
export function whoami(verifier: Verifier, clock: () => number) {
  return new Hono<PrincipalEnv>().get('/', identify(verifier, clock), noQuery, (c) =>
    wholeJson(c, whoamiResource(c.get('principal'))),
  );
}
