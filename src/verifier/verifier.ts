import { isForIssuer, type AccessToken } from '../core/access_token.ts';
import { holderOf, personOf, rootOf, type Principal, type Vouched } from '../core/caller.ts';
import { decide, LIVE, type Question } from '../core/decide.ts';
import { missesOf } from '../core/floods.ts';
import { ANY_ORGANIZATION, DEFAULT_ORGANIZATION_ID, type OrganizationId } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import { isNamed } from '../core/records.ts';
import { accept, ORGANIZATION_NEEDED, refuse, type Result } from '../core/refusal.ts';
import { digestOf, parseSecret } from '../core/secret.ts';
import type { Verdict } from '../core/verdict.ts';
import type { AccessTokens } from '../credentials/access_tokens.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { Caches } from './caches.ts';
import type { Answer, Lookup } from './lookup.ts';
import type { OrganizationNames } from './organization_names.ts';
import type { Uses } from './uses.ts';
import type { Wanted } from './wanted.ts';

/** From where a key was used, as far as is known. */
export interface UsedFrom {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

export interface VerifyRequest extends Question {
  /** The whole key, or a token got with it, as its holder presented it; any text. */
  readonly key: string;
  /** Whether tokens that are for others than this deployment are judged as well. */
  readonly isForAnyone?: boolean | undefined;
  readonly usedFrom: UsedFrom;
  /** Seconds: the verdict reflects every change made more than so long ago. */
  readonly maxStaleness?: number | undefined;
}

/** What is looked up for a request, and the token that asks for it, if one does. */
interface Sought {
  readonly wanted: Wanted;
  readonly token: AccessToken | null;
}

const MALFORMED: Verdict = {
  decision: { code: 'MALFORMED' },
  source: 'none',
  ageSeconds: 0,
  isDegraded: false,
};
/** The key was not looked for. */
const RATE_LIMITED: Verdict = { ...MALFORMED, decision: { code: 'RATE_LIMITED' } };

/** The hot path: format and checksum or signature, digest, memory, KV, D1, decide. Every entrance that verifies a key ends here. */
export class Verifier {
  readonly #caches: Caches;
  readonly #lookup: Lookup;
  readonly #names: OrganizationNames;
  readonly #credentials: Credentials;
  readonly #tokens: AccessTokens;
  readonly #uses: Uses;
  readonly #platform: Platform;

  constructor(
    caches: Caches,
    lookup: Lookup,
    names: OrganizationNames,
    credentials: Credentials,
    tokens: AccessTokens,
    uses: Uses,
    platform: Platform,
  ) {
    this.#caches = caches;
    this.#lookup = lookup;
    this.#names = names;
    this.#credentials = credentials;
    this.#tokens = tokens;
    this.#uses = uses;
    this.#platform = platform;
  }

  /**
   * The verdict on a key. A malformed one costs no I/O, nor does one in memory; one in KV one read, one that is not one
   * D1 query more. Throws `Unavailable` when no verdict can be had: never a yes for want of a no.
   */
  async verify(request: VerifyRequest): Promise<Verdict> {
    const sought = await this.#sought(request);
    return sought === null ? MALFORMED : this.#verdict(request, sought, await this.#find(sought.wanted));
  }

  /** As {@link verify} for each, in the order of asking, at the cost of one: one KV read and one D1 query for all. */
  async verifyMany(requests: readonly VerifyRequest[]): Promise<Verdict[]> {
    const sought = await Promise.all(requests.map((request) => this.#sought(request)));
    const asked = sought.filter((one) => one !== null);
    const answers = new Map<Sought | null, Answer>();
    for (const [index, answer] of (await this.#lookup.find(asked.map(({ wanted }) => wanted))).entries()) {
      answers.set(asked[index] ?? null, answer);
    }
    return requests.map((request, index) => {
      const one = sought[index] ?? null;
      const answer = answers.get(one);
      return one === null || answer === undefined ? MALFORMED : this.#verdict(request, one, answer);
    });
  }

  /**
   * Who presents a credential, judged as any key is: from the cache, within the bound. `organization` is what the caller
   * named, by id or slug; null: its own, or the default one for root. With `maxStaleness` what is known of it is no
   * older than so many seconds.
   */
  async identify(
    credential: string,
    organization: string | null,
    usedFrom: UsedFrom,
    maxStaleness: number | null = null,
  ): Promise<Result<Principal>> {
    const read = await this.#credentials.read(credential, usedFrom.ip);
    if (!read.ok) return read;
    const presented = read.value;
    if (presented.kind === 'root') return this.#root(organization, maxStaleness);
    if (presented.kind === 'vouched') return this.#person(presented.vouched, organization, maxStaleness);
    const token = presented.kind === 'token' ? presented.token : null;
    const handle = presented.kind === 'token' ? presented.token.keyId : presented.digest;
    const { asker } = presented;
    const answer = await this.#find({ handle, asker, organizationId: null, maxAgeMs: msOf(maxStaleness) });
    if (answer === 'limited') return refuse({ kind: 'rate_limited' });
    const now = this.#platform.clock();
    const decision = decide(answer.record, LIVE, now, token);
    if (decision.code !== 'VALID') return refuse({ kind: 'invalid_credential', reason: decision.code });
    if (!isNamed(decision.record.organization, organization)) {
      return refuse({ kind: 'not_found', what: 'organization' });
    }
    this.#uses.note(decision.record, { at: now, ...usedFrom });
    return accept(holderOf(decision));
  }

  /**
   * The organization of this id or slug, the default one for none; null stands for every one (`*`), undefined for no such.
   * What is known of it is no older than the bound, or than `maxStaleness` seconds.
   */
  async organizationOf(
    named: string | null,
    maxStaleness: number | null,
  ): Promise<OrganizationId | null | undefined> {
    if (named === null) return DEFAULT_ORGANIZATION_ID;
    if (named === ANY_ORGANIZATION) return null;
    return (await this.#names.find(named, msOf(maxStaleness)))?.id;
  }

  /** What a request looks for; null: its key is malformed, and nothing is. */
  async #sought({
    key,
    isForAnyone = false,
    organizationId,
    usedFrom,
    maxStaleness,
  }: VerifyRequest): Promise<Sought | null> {
    const secret = parseSecret(key);
    const token = secret === null ? await this.#tokens.read(key) : null;
    if (token !== null && !isForAnyone && !isForIssuer(token)) return null;
    const handle = secret === null ? token?.keyId : await digestOf(secret);
    if (handle === undefined) return null;
    const asker = missesOf(organizationId, usedFrom.ip);
    return { token, wanted: { handle, organizationId, maxAgeMs: msOf(maxStaleness ?? null), asker } };
  }

  async #find(wanted: Wanted): Promise<Answer> {
    const found = this.#caches.recall(wanted);
    if (found !== null) return found;
    const [answer] = await this.#lookup.find([wanted]);
    if (answer === undefined) throw new Error('what is wanted has an answer');
    return answer;
  }

  #verdict(request: VerifyRequest, { token }: Sought, answer: Answer): Verdict {
    if (answer === 'limited') return RATE_LIMITED;
    const { record, source, ageMs, isDegraded } = answer;
    const now = this.#platform.clock();
    const decision = decide(record, request, now, token);
    if (decision.code === 'VALID') this.#uses.note(decision.record, { at: now, ...request.usedFrom });
    return { decision, source, ageSeconds: Math.floor(ageMs / 1_000), isDegraded };
  }

  async #root(named: string | null, maxStaleness: number | null): Promise<Result<Principal>> {
    const organizationId =
      named === ANY_ORGANIZATION ? undefined : await this.organizationOf(named, maxStaleness);
    return organizationId
      ? accept(rootOf(organizationId))
      : refuse({ kind: 'not_found', what: 'organization' });
  }

  /** In the organization that is named, if it is one of the person's; else in the person's, if there is one alone. */
  async #person(
    vouched: Vouched,
    named: string | null,
    maxStaleness: number | null,
  ): Promise<Result<Principal>> {
    const [own, another] = vouched.organizations;
    const meant = named ?? (another === undefined ? own : undefined);
    if (meant === undefined) return refuse(ORGANIZATION_NEEDED);
    const organization = await this.#names.find(meant, msOf(maxStaleness));
    return organization !== undefined && vouched.organizations.some((name) => isNamed(organization, name))
      ? accept(personOf(organization.id, vouched))
      : refuse({ kind: 'not_found', what: 'organization' });
  }
}

const msOf = (seconds: number | null): number | null => (seconds === null ? null : seconds * 1_000);
