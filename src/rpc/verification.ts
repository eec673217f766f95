import type * as z from 'zod';

import { verdictResource } from '../contract/resources.ts';
import { verifyRequest, type VerdictResource } from '../contract/verdict.ts';
import { MAX_VERIFY_MANY } from '../core/constants.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { Verifier } from '../verifier/verifier.ts';
import { parsed } from './answer.ts';

/** Set on the binding by who deploys it; it is how Mintmark knows the caller. */
export interface VerifierProps {
  /** An id or a slug; absent: the default organization. `*`: every one, and the verdict says which. */
  readonly organization?: string;
}

export type VerifyInput = z.input<typeof verifyRequest>;

/** The verdict on one key for the organization that the binding is for. */
export async function verify(
  verifier: Verifier,
  props: VerifierProps | undefined,
  input: VerifyInput,
): Promise<Result<VerdictResource>> {
  const request = parsed(verifyRequest, input);
  if (!request.ok) return request;
  const organizationId = await verifier.organizationOf(props?.organization ?? null);
  if (organizationId === undefined) return refuse({ kind: 'not_found', what: 'organization' });
  const { scopes = [], ip = null, userAgent = null, ...rest } = request.value;
  return accept(
    verdictResource(await verifier.verify({ ...rest, scopes, organizationId, usedFrom: { ip, userAgent } })),
  );
}

/** The verdicts on up to a hundred keys, in the order of asking; one bad request refuses them all. */
export async function verifyMany(
  verifier: Verifier,
  props: VerifierProps | undefined,
  inputs: readonly VerifyInput[],
): Promise<Result<VerdictResource[]>> {
  if (!Array.isArray(inputs) || inputs.length > MAX_VERIFY_MANY) {
    return refuse({
      kind: 'invalid',
      faults: [{ path: '', message: `must be a list of at most ${MAX_VERIFY_MANY} requests` }],
    });
  }
  const results = await Promise.all(inputs.map((input) => verify(verifier, props, input)));
  const verdicts: VerdictResource[] = [];
  for (const result of results) {
    if (!result.ok) return result;
    verdicts.push(result.value);
  }
  return accept(verdicts);
}
