import { DATABASE_PATIENCE_MS, MAX_KNOWN_ORGANIZATIONS } from '../core/constants.ts';
import { Unavailable } from '../core/faults.ts';
import type { Knowledge, ReadOf } from '../core/knowledge.ts';
import type { Platform } from '../core/platform.ts';
import type { Organization } from '../core/records.ts';
import { within } from '../core/within.ts';
import type { OrganizationStore } from '../store/organizations.ts';
import type { Limits } from './caches.ts';
import type { Feed } from './feed.ts';
import { Outage } from './outage.ts';

type Named = ReadOf & Pick<Organization, 'id' | 'slug'>;

/** Which organization an id or slug names. What is remembered of that is judged as a key's record is. */
export class OrganizationNames {
  readonly #organizations: OrganizationStore;
  readonly #knowledge: Knowledge;
  readonly #feed: Feed;
  readonly #limits: Limits;
  readonly #platform: Platform;
  /** Of its own, so that a name which can't be looked up keeps no key from it. */
  readonly #outage: Outage;
  readonly #known = new Map<string, Named>();

  constructor(
    organizations: OrganizationStore,
    knowledge: Knowledge,
    feed: Feed,
    limits: Limits,
    platform: Platform,
  ) {
    this.#organizations = organizations;
    this.#knowledge = knowledge;
    this.#feed = feed;
    this.#limits = limits;
    this.#platform = platform;
    this.#outage = new Outage(platform);
  }

  /**
   * Undefined: there is none. `maxAgeMs`: the oldest that what is known may be; null: as the deployment allows. Throws
   * `Unavailable` where D1 must say, and can't be reached.
   */
  async find(named: string, maxAgeMs: number | null): Promise<Named | undefined> {
    const { usableMs, graceMs } = this.#limits;
    const known = this.#recall(named, Math.min(maxAgeMs ?? Infinity, usableMs));
    if (known !== undefined) return known;
    const inOutage = maxAgeMs === null && usableMs > 0 ? this.#recall(named, usableMs + graceMs) : undefined;
    if (inOutage !== undefined && this.#outage.isPaused) return inOutage;
    this.#outage.trying();
    try {
      const found = await this.#ask(named);
      this.#outage.succeeded();
      return found;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.#outage.failed();
      if (inOutage === undefined) throw error;
      return inOutage;
    }
  }

  #recall(named: string, oldestMs: number): Named | undefined {
    const known = this.#known.get(named);
    if (known === undefined || oldestMs === 0 || !this.#knowledge.coversSubject(known, known.id))
      return undefined;
    return this.#feed.ageMsOf(known) <= oldestMs ? known : undefined;
  }

  async #ask(named: string): Promise<Named | undefined> {
    const now = this.#platform.clock();
    const found = await within(this.#platform, DATABASE_PATIENCE_MS, this.#organizations.named(named, now));
    if (found === null) {
      this.#known.delete(named);
      return undefined;
    }
    if (this.#known.size >= MAX_KNOWN_ORGANIZATIONS) this.#known.clear();
    this.#known.set(named, found);
    return found;
  }
}
