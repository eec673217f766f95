import {
  MAX_BACKGROUND_MS,
  MAX_PENDING_USES,
  USAGE_FLUSH_INTERVAL_MS,
  USAGE_GATHER_MS,
} from '../core/constants.ts';
import type { KeyId } from '../core/id.ts';
import type { PendingUse, Platform } from '../core/platform.ts';
import type { KeyRecord, LastUse } from '../core/records.ts';
import type { UsageStore } from '../store/usage.ts';
import type { Succession } from './succession.ts';

/**
 * The latest use of each key that this isolate saw, written in one batch a minute at most, and never in an answer's way.
 *
 * Uses that must wait for their minute wait in the background. The platform ends background work after some 30 s, so a
 * longer wait goes on in another invocation, which takes the uses along: it may be another isolate's. That uses are being
 * waited for is a lease in time: where the wait was ended nevertheless, the next use after it starts another.
 */
export class Uses {
  readonly #store: UsageStore;
  readonly #succession: Succession;
  readonly #platform: Platform;
  readonly #pending = new Map<KeyId, LastUse>();
  #lastWriteAt = -Infinity;
  #leaseUntil = -Infinity;

  constructor(store: UsageStore, succession: Succession, platform: Platform) {
    this.#store = store;
    this.#succession = succession;
    this.#platform = platform;
  }

  /** Remembers a valid use. Costs no I/O and cannot fail. */
  note(record: KeyRecord, use: LastUse): void {
    this.#succession.note(record);
    this.#remember(record.key.id, use);
    if (this.#platform.clock() >= this.#leaseUntil) this.#wait(USAGE_GATHER_MS);
  }

  /** Goes on waiting with uses that another invocation could not wait for any longer. */
  take(uses: readonly PendingUse[]): void {
    for (const [keyId, use] of uses) {
      if (use.at > (this.#pending.get(keyId)?.at ?? -Infinity)) this.#remember(keyId, use);
    }
    this.#wait(0);
  }

  #wait(atLeastMs: number): void {
    const delayMs = Math.min(MAX_BACKGROUND_MS, Math.max(atLeastMs, this.#untilDue()));
    this.#leaseUntil = this.#platform.clock() + delayMs + USAGE_GATHER_MS;
    this.#platform.background(this.#writeAfter(delayMs));
  }

  async #writeAfter(delayMs: number): Promise<void> {
    if (delayMs > 0) await this.#platform.sleep(delayMs);
    if (this.#pending.size === 0) return;
    if (this.#untilDue() > 0) {
      await this.#platform.relay([...this.#pending]);
      return;
    }
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

  #untilDue(): number {
    return this.#lastWriteAt + USAGE_FLUSH_INTERVAL_MS - this.#platform.clock();
  }

  #remember(keyId: KeyId, use: LastUse): void {
    this.#pending.delete(keyId);
    this.#pending.set(keyId, use);
    const [oldest] = this.#pending.keys();
    if (this.#pending.size > MAX_PENDING_USES && oldest !== undefined) this.#pending.delete(oldest);
  }
}
