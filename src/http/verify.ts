import { Hono } from 'hono';

import { verdictResource, whoamiResource } from '../contract/resources.ts';
import { verifyRequest } from '../contract/verdict.ts';
import { coversAll, type ManagementScope } from '../core/scope.ts';
import { isUnasked } from '../core/verdict.ts';
import type { Verifier } from '../verifier/verifier.ts';
import { readBody } from './body.ts';
import { identify } from './caller.ts';
import type { PrincipalEnv } from './env.ts';
import { json, noQuery } from './input.ts';
import { problem } from './problem.ts';

const NEEDED: ManagementScope = 'mintmark:keys:verify';

/** POST /v1/api-keys/verify: the verdict on any key, 200 whatever it is. */
export function verify(verifier: Verifier) {
  return new Hono<PrincipalEnv>().post(
    '/',
    identify(verifier),
    readBody,
    noQuery,
    json(verifyRequest),
    async (c) => {
      const { organizationId, scopes: held } = c.get('principal');
      if (!coversAll(held, [NEEDED])) return problem(c, { kind: 'insufficient_scope', needed: NEEDED });
      const { scopes = [], ip = null, userAgent = null, ...request } = c.req.valid('json');
      const verdict = await verifier.verify({
        ...request,
        scopes,
        organizationId,
        usedFrom: { ip, userAgent },
      });
      return isUnasked(verdict) ? problem(c, { kind: 'rate_limited' }) : c.json(verdictResource(verdict));
    },
  );
}

/** GET /v1/whoami: what the presented credential is and may do. */
export function whoami(verifier: Verifier) {
  return new Hono<PrincipalEnv>().get('/', identify(verifier), noQuery, (c) =>
    c.json(whoamiResource(c.get('principal'))),
  );
}
