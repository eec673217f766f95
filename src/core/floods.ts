import { FLOOD_PAUSE_MS, MAX_FLOODS } from './constants.ts';
import { networkOf } from './network.ts';
import type { Platform } from './platform.ts';

/** Counts one more for a source, and tells whether it is still within its limit. */
export type Limit = (source: string) => Promise<boolean>;

/**
 * Who asks in vain too often. Only what was in vain is counted, after the answer, so the limit lags a little behind;
 * past it the source is paused. A limit that cannot be asked pauses nobody: it saves cost, and guards no secret.
 */
export class Floods {
  readonly #limit: Limit;
  readonly #platform: Platform;
  readonly #pausedUntil = new Map<string, number>();

  constructor(limit: Limit, platform: Platform) {
    this.#limit = limit;
    this.#platform = platform;
  }

  /** Whether a source is to be refused for now. */
  isPaused(source: string): boolean {
    const until = this.#pausedUntil.get(source);
    if (until === undefined) return false;
    if (this.#platform.clock() < until) return true;
    this.#pausedUntil.delete(source);
    return false;
  }

  /** Counts, in the background, that a source asked in vain. */
  note(source: string): void {
    this.#platform.background(this.#count(source));
  }

  async #count(source: string): Promise<void> {
    if (await this.#limit(source)) return;
    if (this.#pausedUntil.size >= MAX_FLOODS) this.#pausedUntil.clear();
    this.#pausedUntil.set(source, this.#platform.clock() + FLOOD_PAUSE_MS);
  }
}

/** Sources of what is looked up in vain: a caller's organization, where there is one, and the client's address. */
export function missesOf(organizationId: string | null, address: string | null): string {
  return `miss:${organizationId ?? ''}:${networkOf(address ?? '')}`;
}

/** Sources of credentials that are no key, and so a guess at the root key. */
export function guessesOf(address: string | null): string {
  return `root:${networkOf(address ?? '')}`;
}
