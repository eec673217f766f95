import type { KeyRecord } from './records.ts';
import type { Digest } from './secret.ts';

/** A key as a change left it. */
export interface ChangedKey {
  readonly digest: Digest;
  readonly record: KeyRecord;
}

/** What a change that was committed tells the isolate that made it. */
export interface News {
  /** As the batch that made the change read it. */
  readonly generation: string;
  /** The sequence number of the newest change, this one included. */
  readonly seq: number;
  /** The ids of what changed; what is new is not among them. */
  readonly changed: readonly string[];
  readonly keys: readonly ChangedKey[];
  /** Whether something was taken away. */
  readonly weakens: boolean;
}
