import type { Random } from './random.ts';
import type { Mood } from './weather.ts';
import type { World } from './world.ts';

interface Version {
  /** Null: there is nothing. */
  readonly value: string | null;
  readonly at: number;
}

/** What KV says is late by at most so much, usually. */
const USUAL_LAG_MS = 60_000;
const WRITE_INTERVAL_MS = 1_000;

/** What all edges share of KV: everything that was ever there, since any of it may turn up again. */
export class HostileKv {
  readonly #world: World;
  readonly #mood: Mood;
  readonly #versions = new Map<string, Version[]>();
  readonly #writtenAt = new Map<string, number>();

  constructor(world: World, mood: Mood) {
    this.#world = world;
    this.#mood = mood;
  }

  /** KV as one isolate reaches it. */
  edge(random: () => Random, isAlive: () => boolean, onRead: () => void): KVNamespace {
    const answer = <Value>(read: () => Value): Promise<Value> =>
      new Promise((resolve, reject) => {
        const chance = random();
        const isFailing = this.#mood === 'hostile' && chance.chance(0.1);
        const ms = this.#delay(chance);
        if (ms === Infinity) return;
        this.#world.after(ms, () => {
          if (!isAlive()) return;
          if (isFailing) return reject(new Error('KV GET failed: 503'));
          onRead();
          resolve(read());
        });
      });
    const read = (name: string, chosen: number): unknown => {
      const text = this.#at(name, chosen);
      return text === null ? null : JSON.parse(text);
    };
    const write = (name: string, value: string | null): Promise<void> =>
      new Promise((resolve, reject) => {
        const chance = random();
        this.#world.after(chance.below(50), () => {
          if (!isAlive()) return;
          const isTooSoon = this.#world.now - (this.#writtenAt.get(name) ?? -Infinity) < WRITE_INTERVAL_MS;
          if (isTooSoon) return reject(new Error('KV PUT failed: 429 Too Many Requests'));
          this.#writtenAt.set(name, this.#world.now);
          this.#write(chance, name, value);
          resolve();
        });
      });
    return {
      get: (names: string | readonly string[]) => {
        const chosen = random().next();
        return answer(() =>
          typeof names === 'string'
            ? read(names, chosen)
            : new Map(names.map((name) => [name, read(name, chosen)])),
        );
      },
      put: (name: string, value: string) => write(name, value),
      delete: (name: string) => write(name, null),
    } as unknown as KVNamespace;
  }

  #delay(random: Random): number {
    if (this.#mood !== 'hostile' || random.chance(0.8)) return random.below(40, 1);
    return random.chance(0.2) ? Infinity : random.below(3_000);
  }

  /** A write is lost, or shows at once, or some time later, after others that were made later. */
  #write(random: Random, name: string, value: string | null): void {
    const isHostile = this.#mood === 'hostile';
    if (isHostile && random.chance(0.15)) return;
    this.#world.after(isHostile && random.chance(0.3) ? random.below(300_000) : 0, () => {
      const versions = this.#versions.get(name) ?? [];
      versions.push({ value, at: this.#world.now });
      this.#versions.set(name, versions);
    });
  }

  #at(name: string, chosen: number): string | null {
    const versions = this.#versions.get(name) ?? [];
    const newest = versions.length - 1;
    if (this.#mood === 'hostile' && chosen < 0.5) {
      // Anything that was ever there, or nothing.
      return versions[Math.floor(chosen * 2 * (versions.length + 1)) - 1]?.value ?? null;
    }
    if (this.#mood === 'usual') {
      const until = this.#world.now - chosen * USUAL_LAG_MS;
      const seen = versions.findLastIndex(({ at }) => at <= until);
      return versions[seen]?.value ?? null;
    }
    return versions[newest]?.value ?? null;
  }
}
