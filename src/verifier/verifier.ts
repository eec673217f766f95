import { isNamed, holderOf, rootOf, type Principal } from '../core/caller.ts';
import { MAX_KNOWN_ORGANIZATIONS } from '../core/constants.ts';
import { decide, LIVE, type Question } from '../core/decide.ts';
import { DEFAULT_ORGANIZATION_ID, type OrganizationId } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { RootKeys } from '../core/root_keys.ts';
import { digestOf, parseSecret } from '../core/secret.ts';
import type { Verdict } from '../core/verdict.ts';
import type { OrganizationStore } from '../store/organizations.ts';
import type { Lookup } from './lookup.ts';
import type { Uses } from './uses.ts';

/** How a binding says that it is for every organization. */
const ANY_ORGANIZATION = '*';

/** From where a key was used, as far as is known. */
export interface UsedFrom {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

export interface VerifyRequest extends Question {
  /** The whole key as its holder presented it; any text. */
  readonly key: string;
  readonly usedFrom: UsedFrom;
  /** Seconds: the verdict reflects every change made more than so long ago. */
  readonly maxStaleness?: number | undefined;
}

/** The hot path: format and checksum, digest, KV, D1, decide. Every entrance that verifies a key ends here. */
export class Verifier {
  readonly #lookup: Lookup;
  readonly #organizations: OrganizationStore;
  readonly #rootKeys: RootKeys;
  readonly #uses: Uses;
  readonly #platform: Platform;
  readonly #usableMs: number;
  readonly #known = new Map<string, { readonly id: OrganizationId; readonly readAt: number }>();

  constructor(
    lookup: Lookup,
    organizations: OrganizationStore,
    rootKeys: RootKeys,
    uses: Uses,
    usable: number,
    platform: Platform,
  ) {
    this.#lookup = lookup;
    this.#organizations = organizations;
    this.#rootKeys = rootKeys;
    this.#uses = uses;
    this.#usableMs = usable;
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
    const now = this.#platform.clock();
    const decision = decide(found.record, request, now);
    if (decision.code === 'VALID') this.#uses.note(decision.record, { at: now, ...request.usedFrom });
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
    const now = this.#platform.clock();
    const decision = decide(record, LIVE, now);
    if (decision.code !== 'VALID') return refuse({ kind: 'invalid_credential', reason: decision.code });
    if (!isNamed(decision.record.organization, organization)) {
      return refuse({ kind: 'not_found', what: 'organization' });
    }
    this.#uses.note(decision.record, { at: now, ...usedFrom });
    return accept(holderOf(decision));
  }

  /**
   * The organization of this id or slug, the default one for none; null stands for every one (`*`), undefined for no such.
   * What a name means is remembered for as long as the bound allows.
   */
  async organizationOf(named: string | null): Promise<OrganizationId | null | undefined> {
    if (named === null) return DEFAULT_ORGANIZATION_ID;
    if (named === ANY_ORGANIZATION) return null;
    const now = this.#platform.clock();
    const known = this.#known.get(named);
    if (known !== undefined && now - known.readAt < this.#usableMs) return known.id;
    const found = await this.#organizations.find(named);
    if (found === null) return undefined;
    if (this.#known.size >= MAX_KNOWN_ORGANIZATIONS) this.#known.clear();
    this.#known.set(named, { id: found.id, readAt: now });
    return found.id;
  }

  async #root(named: string | null): Promise<Result<Principal>> {
    const organizationId = named === ANY_ORGANIZATION ? undefined : await this.organizationOf(named);
    return organizationId
      ? accept(rootOf(organizationId))
      : refuse({ kind: 'not_found', what: 'organization' });
  }
}
