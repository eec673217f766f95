/** The values that were used last: at most so many, and none for longer than so long after it was set. */
export class Recent<Key, Value> {
  readonly #limit: number;
  readonly #lifetimeMs: number;
  readonly #clock: () => number;
  readonly #held = new Map<Key, { readonly value: Value; readonly setAt: number }>();

  constructor(limit: number, lifetimeMs: number, clock: () => number) {
    this.#limit = limit;
    this.#lifetimeMs = lifetimeMs;
    this.#clock = clock;
  }

  get(key: Key): Value | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    this.#held.delete(key);
    // A clock may step back.
    if (Math.abs(this.#clock() - held.setAt) >= this.#lifetimeMs) return undefined;
    // Last in, last to go.
    this.#held.set(key, held);
    return held.value;
  }

  clear(): void {
    this.#held.clear();
  }

  /** With `null` in place of a value, forgets the one that is there. */
  set(key: Key, value: Value | null): void {
    this.#held.delete(key);
    if (value === null) return;
    this.#held.set(key, { value, setAt: this.#clock() });
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= this.#limit) break;
      this.#held.delete(oldest);
    }
  }
}
