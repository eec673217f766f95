import { MAX_SUCCESSIONS, SUPERSEDE_RETRY_MS } from '../core/constants.ts';
import type { KeyId } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import type { KeyRecord } from '../core/records.ts';

/**
 * Notices the first use of a successor that was to end its predecessor. What is known of it may be cached, so each
 * isolate tries again on use, at a measured pace, until the record says that it is done. The mark is a lease in time:
 * background work may be ended by the platform.
 */
export class Succession {
  readonly #finish: (record: KeyRecord) => Promise<unknown>;
  readonly #platform: Platform;
  readonly #triedAt = new Map<KeyId, number>();

  /** `finish` ends what a record supersedes; it must be safe to repeat. */
  constructor(finish: (record: KeyRecord) => Promise<unknown>, platform: Platform) {
    this.#finish = finish;
    this.#platform = platform;
  }

  /** Tells of a valid use. Never delays or fails an answer. */
  note(record: KeyRecord): void {
    if (record.key.supersedes === null) return;
    const { id } = record.key;
    const now = this.#platform.clock();
    if (now < (this.#triedAt.get(id) ?? -Infinity) + SUPERSEDE_RETRY_MS) return;
    if (this.#triedAt.size >= MAX_SUCCESSIONS) this.#triedAt.clear();
    this.#triedAt.set(id, now);
    this.#platform.background(this.#finish(record));
  }
}
