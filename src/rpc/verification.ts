import * as z from 'zod';

import { verdictResource } from '../contract/resources.ts';
import { boundVerifyRequest, type VerdictResource } from '../contract/verdict.ts';
import { MAX_VERIFY_MANY } from '../core/constants.ts';
import { ANY_ORGANIZATION, parseOrganizationId, type OrganizationId } from '../core/id.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import { parseSecret } from '../core/secret.ts';
import { isCompact } from '../credentials/access_tokens.ts';
import type { Verifier } from '../verifier/verifier.ts';
import { parsed } from './answer.ts';

/** Set on the binding by who deploys it; it is how Mintmark knows the caller. */
const verifierProps = z
  .strictObject({
    /** An id or a slug; absent: the default organization. `*`: every one, and a request says whose key is meant. */
    organization: z.string().optional(),
  })
  .optional();
export type VerifierProps = z.input<typeof verifierProps>;

/** Of the form of an id, and nobody's. */
const NO_ORGANIZATION: OrganizationId = 'org_';

const manyRequests = z.array(boundVerifyRequest).max(MAX_VERIFY_MANY);

export type VerifyInput = z.input<typeof boundVerifyRequest>;
type VerifyArguments = z.output<typeof boundVerifyRequest>;

/** The verdict on one key for the organization that the binding is for. */
export async function verify(
  verifier: Verifier,
  props: unknown,
  input: VerifyInput,
): Promise<Result<VerdictResource>> {
  const request = parsed(boundVerifyRequest, input);
  if (!request.ok) return request;
  const verdicts = await verdictsOf(verifier, props, [request.value], () => 'organization');
  if (!verdicts.ok) return verdicts;
  const [verdict] = verdicts.value;
  return verdict === undefined ? refuse({ kind: 'unavailable' }) : accept(verdict);
}

/** The verdicts on up to a hundred keys, in the order of asking; one bad request refuses them all. */
export async function verifyMany(
  verifier: Verifier,
  props: unknown,
  inputs: readonly VerifyInput[],
): Promise<Result<VerdictResource[]>> {
  const requests = parsed(manyRequests, inputs);
  return requests.ok
    ? verdictsOf(verifier, props, requests.value, (index) => `${index}.organization`)
    : requests;
}

async function verdictsOf(
  verifier: Verifier,
  props: unknown,
  requests: readonly VerifyArguments[],
  pathOf: (index: number) => string,
): Promise<Result<VerdictResource[]>> {
  const bound = verifierProps.safeParse(props);
  if (!bound.success)
    return refuse({ kind: 'invalid_credential', reason: 'the binding has no usable props' });
  const { organization: named = null } = bound.data ?? {};
  const isForAll = named === ANY_ORGANIZATION;
  const faults = requests.flatMap(({ organization }, index) =>
    isForAll && organization === 'own'
      ? [{ path: pathOf(index), message: 'is required: the binding is for every organization' }]
      : [],
  );
  if (faults.length > 0) return refuse({ kind: 'invalid', faults });

  // A malformed key needs no organization looked up.
  const isNeeded = requests.some(({ key }) => parseSecret(key) !== null || isCompact(key));
  const own = isNeeded ? await organizationOf(verifier, named, strictestOf(requests)) : null;
  if (own === undefined) return refuse({ kind: 'not_found', what: 'organization' });

  const verdicts = await verifier.verifyMany(
    requests.map(({ scopes = [], ip = null, userAgent = null, organization = 'own', ...request }) => ({
      ...request,
      scopes,
      organizationId: intersection(own, organization === 'own' ? own : organization),
      usedFrom: { ip, userAgent },
    })),
  );
  return accept(verdicts.map(verdictResource));
}

/** The organization that is both, where null is any; where none is, one that has no keys. */
function intersection(own: OrganizationId | null, asked: OrganizationId | null): OrganizationId | null {
  return own === null || asked === null || own === asked ? (own ?? asked) : NO_ORGANIZATION;
}

/** The least staleness that any of them asks for; null: none asks. */
function strictestOf(requests: readonly VerifyArguments[]): number | null {
  const strictest = Math.min(...requests.map(({ maxStaleness = Infinity }) => maxStaleness));
  return Number.isFinite(strictest) ? strictest : null;
}

/** An id stands for itself: of an organization that is none no key can be found. */
function organizationOf(
  verifier: Verifier,
  named: string | null,
  maxStaleness: number | null,
): Promise<OrganizationId | null | undefined> {
  const id = named === null ? null : parseOrganizationId(named);
  return id === null ? verifier.organizationOf(named, maxStaleness) : Promise.resolve(id);
}
