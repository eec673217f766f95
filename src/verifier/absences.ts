import type { Handle } from '../core/handle.ts';
import type { OrganizationId } from '../core/id.ts';

/** Whose key is looked for; null: anyone's. */
type Whose = OrganizationId | null;

/** Digests that were lately found to be no key's, or not the organization's that asked: both cost the same. */
export class Absences {
  readonly #limit: number;
  readonly #ttlMs: number;
  readonly #readAt = new Map<string, number>();

  constructor(limit: number, ttlMs: number) {
    this.#limit = limit;
    this.#ttlMs = ttlMs;
  }

  /** When D1 was asked, if it said lately that there is no such key. Epoch milliseconds. */
  readAt(whose: Whose, handle: Handle, now: number): number | undefined {
    const readAt = this.#readAt.get(nameOf(whose, handle));
    return readAt !== undefined && now - readAt < this.#ttlMs ? readAt : undefined;
  }

  note(whose: Whose, handle: Handle, readAt: number): void {
    const name = nameOf(whose, handle);
    this.#readAt.delete(name);
    this.#readAt.set(name, readAt);
    const [oldest] = this.#readAt.keys();
    if (this.#readAt.size > this.#limit && oldest !== undefined) this.#readAt.delete(oldest);
  }

  clear(): void {
    this.#readAt.clear();
  }
}

function nameOf(whose: Whose, handle: Handle): string {
  return `${whose ?? ''}:${handle}`;
}
