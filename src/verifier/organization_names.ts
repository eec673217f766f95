import { DATABASE_PATIENCE_MS, MAX_KNOWN_ORGANIZATIONS } from '../core/constants.ts';
import { Unavailable } from '../core/faults.ts';
import type { OrganizationId } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import { within } from '../core/within.ts';
import type { OrganizationStore } from '../store/organizations.ts';
import type { Limits } from './caches.ts';
import type { Outage } from './outage.ts';

/**
 * Which organization an id or slug names. Remembered for as long as the bound allows; while D1 can't be reached, for as
 * long as keys are.
 */
export class OrganizationNames {
  readonly #organizations: OrganizationStore;
  readonly #outage: Outage;
  readonly #limits: Limits;
  readonly #platform: Platform;
  readonly #known = new Map<string, { readonly id: OrganizationId; readonly readAt: number }>();

  constructor(organizations: OrganizationStore, outage: Outage, limits: Limits, platform: Platform) {
    this.#organizations = organizations;
    this.#outage = outage;
    this.#limits = limits;
    this.#platform = platform;
  }

  /** Undefined: there is none. Throws `Unavailable` where D1 must say, and can't be reached. */
  async find(named: string): Promise<OrganizationId | undefined> {
    const { usableMs, graceMs } = this.#limits;
    const known = this.#recall(named, usableMs);
    if (known !== undefined) return known;
    const inOutage = usableMs > 0 ? this.#recall(named, usableMs + graceMs) : undefined;
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

  #recall(named: string, maxAgeMs: number): OrganizationId | undefined {
    const known = this.#known.get(named);
    return known !== undefined && this.#platform.clock() - known.readAt < maxAgeMs ? known.id : undefined;
  }

  async #ask(named: string): Promise<OrganizationId | undefined> {
    const readAt = this.#platform.clock();
    const found = await within(this.#platform, DATABASE_PATIENCE_MS, this.#organizations.find(named));
    if (found === null) {
      this.#known.delete(named);
      return undefined;
    }
    if (this.#known.size >= MAX_KNOWN_ORGANIZATIONS) this.#known.clear();
    this.#known.set(named, { id: found.id, readAt });
    return found.id;
  }
}
