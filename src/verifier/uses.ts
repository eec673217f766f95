import { MAX_PENDING_USES, USAGE_FLUSH_INTERVAL_MS, USAGE_GATHER_MS } from '../core/constants.ts';
import type { KeyId } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import type { LastUse } from '../core/records.ts';
import type { UsageStore } from '../store/usage.ts';

/**
 * The latest use of each key that this isolate saw, written in one batch a minute at most, and never in an answer's way.
 *
 * A write that must wait for its minute waits in the background. The platform ends background work after some 30 s, so
 * the wait is a lease in time: the next use after it starts another. A use in the first half of a minute that began with
 * a write, in an isolate that then serves nothing more, is the one that is never written.
 */
export class Uses {
  readonly #store: UsageStore;
  readonly #platform: Platform;
  readonly #pending = new Map<KeyId, LastUse>();
  #lastWriteAt = -Infinity;
  #leaseUntil = -Infinity;

  constructor(store: UsageStore, platform: Platform) {
    this.#store = store;
    this.#platform = platform;
  }

  /** Remembers a valid use. Costs no I/O and cannot fail. */
  note(keyId: KeyId, use: LastUse): void {
    this.#remember(keyId, use);
    const now = this.#platform.clock();
    if (now < this.#leaseUntil) return;
    const delay = Math.max(USAGE_GATHER_MS, this.#untilDue(now));
    this.#leaseUntil = now + delay + USAGE_GATHER_MS;
    this.#platform.background(this.#writeAfter(delay));
  }

  async #writeAfter(delayMs: number): Promise<void> {
    for (let wait = delayMs; wait > 0; wait = this.#untilDue(this.#platform.clock()))
      await this.#platform.sleep(wait);
    if (this.#pending.size === 0) return;
    this.#lastWriteAt = this.#platform.clock();
    this.#leaseUntil = -Infinity;
    const uses = new Map(this.#pending);
    this.#pending.clear();
    try {
      await this.#store.write(uses);
    } catch (error) {
      for (const [keyId, use] of uses) if (!this.#pending.has(keyId)) this.#remember(keyId, use);
      throw error;
    }
  }

  #untilDue(now: number): number {
    return this.#lastWriteAt + USAGE_FLUSH_INTERVAL_MS - now;
  }

  #remember(keyId: KeyId, use: LastUse): void {
    this.#pending.delete(keyId);
    this.#pending.set(keyId, use);
    const [oldest] = this.#pending.keys();
    if (this.#pending.size > MAX_PENDING_USES && oldest !== undefined) this.#pending.delete(oldest);
  }
}
