import * as z from 'zod/mini';

import { verdictResource } from '../contract/resources.ts';
import { boundVerifyRequest, type VerdictResource } from '../contract/verdict.ts';
import { MAX_VERIFY_MANY } from '../core/constants.ts';
import { ANY_ORGANIZATION, parseOrganizationId, type OrganizationId } from '../core/id.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import { parseSecret } from '../core/secret.ts';
import { isCompact } from '../credentials/access_tokens.ts';
import type { Verifier, VerifyRequest } from '../verifier/verifier.ts';
import { parsed } from './answer.ts';

/** Set on the binding by who deploys it; it is how Mintmark knows the caller. */
const verifierProps = z.optional(
  z.strictObject({
    /** An id or a slug; absent: the default organization. `*`: every one, and a request says whose key is meant. */
    organization: z.optional(z.string()),
  }),
);
export type VerifierProps = z.input<typeof verifierProps>;

/** Of the form of an id, and nobody's. */
const NO_ORGANIZATION: OrganizationId = 'org_';

const manyRequests = z.array(boundVerifyRequest).check(z.maxLength(MAX_VERIFY_MANY));

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
  const asked = await askedOf(verifier, props, [request.value], () => 'organization');
  if (!asked.ok) return asked;
  return accept(verdictResource(await verifier.verify(toVerify(request.value, asked.value))));
}

/** The verdicts on up to a hundred keys, in the order of asking; one bad request refuses them all. */
export async function verifyMany(
  verifier: Verifier,
  props: unknown,
  inputs: readonly VerifyInput[],
): Promise<Result<VerdictResource[]>> {
  const requests = parsed(manyRequests, inputs);
  if (!requests.ok) return requests;
  const asked = await askedOf(verifier, props, requests.value, (index) => `${index}.organization`);
  if (!asked.ok) return asked;
  const verdicts = await verifier.verifyMany(requests.value.map((request) => toVerify(request, asked.value)));
  return accept(verdicts.map(verdictResource));
}

/** Whose keys a binding asks about; null: anyone's. */
async function askedOf(
  verifier: Verifier,
  props: unknown,
  requests: readonly VerifyArguments[],
  pathOf: (index: number) => string,
): Promise<Result<OrganizationId | null>> {
  const bound = verifierProps.safeParse(props);
  if (!bound.success)
    return refuse({ kind: 'invalid_credential', reason: 'the binding has no usable props' });
  const { organization: named = null } = bound.data ?? {};
  if (named === ANY_ORGANIZATION) {
    const faults = requests.flatMap(({ organization }, index) =>
      organization === 'own'
        ? [{ path: pathOf(index), message: 'is required: the binding is for every organization' }]
        : [],
    );
    return faults.length > 0 ? refuse({ kind: 'invalid', faults }) : accept(null);
  }
  // A malformed key needs no organization looked up.
  const isNeeded = requests.some(({ key }) => parseSecret(key) !== null || isCompact(key));
  const own = isNeeded ? await organizationOf(verifier, named, strictestOf(requests)) : null;
  return own === undefined ? refuse({ kind: 'not_found', what: 'organization' }) : accept(own);
}

/** What a request asks of the verifier, of a binding for this organization. */
function toVerify(request: VerifyArguments, own: OrganizationId | null): VerifyRequest {
  const { scopes = [], ip = null, userAgent = null, organization = 'own', ...asked } = request;
  const organizationId = intersection(own, organization === 'own' ? own : organization);
  return { ...asked, scopes, organizationId, usedFrom: { ip, userAgent } };
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
