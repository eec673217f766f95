import { isNamed, holderOf, rootOf, type Principal } from '../core/caller.ts';
import { decide, LIVE, type Decision, type Question } from '../core/decide.ts';
import { DEFAULT_ORGANIZATION_ID, type OrganizationId } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { RootKeys } from '../core/root_keys.ts';
import { digestOf, parseSecret } from '../core/secret.ts';
import type { OrganizationStore } from '../store/organizations.ts';
import type { Lookup } from './lookup.ts';
import type { Uses } from './uses.ts';

/** From where a key was used, as far as is known. */
export interface UsedFrom {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

export interface VerifyRequest extends Question {
  readonly organizationId: OrganizationId;
  /** The whole key as its holder presented it; any text. */
  readonly key: string;
  readonly usedFrom: UsedFrom;
  /** Seconds: the verdict reflects every change made more than so long ago. */
  readonly maxStaleness?: number | undefined;
}

export interface Verdict {
  readonly decision: Decision;
  readonly source: 'kv' | 'd1' | 'none';
  /** How old the knowledge behind the decision is, in whole seconds. */
  readonly ageSeconds: number;
}

/** The hot path: format and checksum, digest, KV, D1, decide. Every entrance that verifies a key ends here. */
export class Verifier {
  readonly #lookup: Lookup;
  readonly #organizations: OrganizationStore;
  readonly #rootKeys: RootKeys;
  readonly #uses: Uses;
  readonly #platform: Platform;

  constructor(
    lookup: Lookup,
    organizations: OrganizationStore,
    rootKeys: RootKeys,
    uses: Uses,
    platform: Platform,
  ) {
    this.#lookup = lookup;
    this.#organizations = organizations;
    this.#rootKeys = rootKeys;
    this.#uses = uses;
    this.#platform = platform;
  }

  /**
   * The verdict on a key. A malformed one costs no I/O, one in KV one read, one that is not one D1 query more.
   * Throws `Unavailable` when no verdict can be had: never a yes for want of a no.
   */
  async verify(request: VerifyRequest): Promise<Verdict> {
    const secret = parseSecret(request.key);
    if (secret === null) return { decision: { code: 'MALFORMED' }, source: 'none', ageSeconds: 0 };
    const found = await this.#lookup.find(await digestOf(secret), {
      organizationId: request.organizationId,
      maxAgeMs: request.maxStaleness === undefined ? Infinity : request.maxStaleness * 1_000,
    });
    const decision = this.#judge(found.record, request, request.usedFrom);
    return { decision, source: found.source, ageSeconds: Math.floor(found.ageMs / 1_000) };
  }

  /**
   * Who presents a credential, judged as any key is: from the cache, within the bound. `organization` is what the caller
   * named, by id or slug; null: its own, or the default one for root.
   */
  async identify(
    credential: string,
    organization: string | null,
    usedFrom: UsedFrom,
  ): Promise<Result<Principal>> {
    const digest = await digestOf(credential);
    if (await this.#rootKeys.match(digest)) return this.#root(organization);
    if (parseSecret(credential) === null) return refuse({ kind: 'invalid_credential', reason: 'MALFORMED' });
    const { record } = await this.#lookup.find(digest, { organizationId: null, maxAgeMs: Infinity });
    const decision = this.#judge(record, LIVE, usedFrom);
    if (decision.code !== 'VALID') return refuse({ kind: 'invalid_credential', reason: decision.code });
    return isNamed(decision.record.organization, organization)
      ? accept(holderOf(decision))
      : refuse({ kind: 'not_found', what: 'organization' });
  }

  async #root(named: string | null): Promise<Result<Principal>> {
    if (named === null) return accept(rootOf(DEFAULT_ORGANIZATION_ID));
    const organization = await this.#organizations.find(named);
    return organization === null
      ? refuse({ kind: 'not_found', what: 'organization' })
      : accept(rootOf(organization.id));
  }

  #judge(record: Parameters<typeof decide>[0], question: Question, usedFrom: UsedFrom): Decision {
    const now = this.#platform.clock();
    const decision = decide(record, question, now);
    if (decision.code === 'VALID') this.#uses.note(decision.record.key.id, { at: now, ...usedFrom });
    return decision;
  }
}
