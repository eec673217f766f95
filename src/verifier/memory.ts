import type { Handle } from '../core/handle.ts';
import type { KeyRecord } from '../core/records.ts';

interface Held {
  readonly record: KeyRecord;
  readonly bytes: number;
}

/** What a record costs beside its JSON: objects, headers of strings, its place in the map. Measured, and rounded up. */
const OVERHEAD_BYTES = 800;
/** A text with one of these takes two bytes a character. */
const WIDE = /[\u0100-\uffff]/;

/** The records that were used last, plain data, bounded in bytes. A hint like KV: whether one may be used is not judged here. */
export class Memory {
  readonly #limitBytes: number;
  readonly #held = new Map<Handle, Held>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get(handle: Handle): KeyRecord | undefined {
    const held = this.#held.get(handle);
    if (held === undefined) return undefined;
    // Last in, last to go.
    this.#held.delete(handle);
    this.#held.set(handle, held);
    return held.record;
  }

  /** Keeps a record, unless a later one is there: answers overtake each other. */
  put(handle: Handle, record: KeyRecord): void {
    const before = this.#held.get(handle);
    if (before !== undefined) {
      if (before.record.generation === record.generation && before.record.asOf > record.asOf) return;
      this.#remove(handle, before);
    }
    const held = { record, bytes: bytesOf(record) };
    this.#held.set(handle, held);
    this.#bytes += held.bytes;
    for (const [oldest, { bytes }] of this.#held) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#held.delete(oldest);
      this.#bytes -= bytes;
    }
  }

  clear(): void {
    this.#held.clear();
    this.#bytes = 0;
  }

  #remove(handle: Handle, { bytes }: Held): void {
    this.#held.delete(handle);
    this.#bytes -= bytes;
  }
}

function bytesOf(record: KeyRecord): number {
  const json = JSON.stringify(record);
  return OVERHEAD_BYTES + json.length * (WIDE.test(json) ? 2 : 1);
}
