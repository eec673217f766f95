import { OUTAGE_RETRY_MS } from '../core/constants.ts';
import type { Platform } from '../core/platform.ts';

/**
 * Whether D1 is worth asking. After it failed, what can be answered without it is, for a while; then one request at a
 * time tries it, and the others do not wait to see how that goes.
 */
export class Outage {
  readonly #platform: Pick<Platform, 'clock'>;
  #pausedUntil = -Infinity;

  constructor(platform: Pick<Platform, 'clock'>) {
    this.#platform = platform;
  }

  /** Whether what can be answered without D1 is to be. */
  get isPaused(): boolean {
    return this.#platform.clock() < this.#pausedUntil;
  }

  /** D1 is about to be asked. */
  trying(): void {
    if (this.#platform.clock() < this.#pausedUntil + OUTAGE_RETRY_MS) this.failed();
  }

  failed(): void {
    this.#pausedUntil = this.#platform.clock() + OUTAGE_RETRY_MS;
  }

  succeeded(): void {
    this.#pausedUntil = -Infinity;
  }
}
