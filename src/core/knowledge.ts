import type { KeyRecord } from './records.ts';

/**
 * The latest change that this isolate knows of each subject (a key's, an account's or an organization's id). A record
 * read before it must not be used, however late it arrives from a cache. Bounded: to forget some is to know less, so
 * records from before what was forgotten are not used either.
 */
export class Floors {
  readonly #limit: number;
  readonly #latest = new Map<string, number>();
  #from = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `seq` is the number of the change's row in `changes`. */
  raise(subject: string, seq: number): void {
    const known = this.#latest.get(subject) ?? 0;
    this.#latest.delete(subject);
    this.#latest.set(subject, Math.max(known, seq));
    for (const [oldest, forgotten] of this.#latest) {
      if (this.#latest.size <= this.#limit) break;
      this.#latest.delete(oldest);
      this.#from = Math.max(this.#from, forgotten);
    }
  }

  /** Whether a record reflects every change that this isolate knows of. */
  permit(record: KeyRecord): boolean {
    const floorOf = (subject: string | undefined): number =>
      subject === undefined ? 0 : (this.#latest.get(subject) ?? 0);
    return (
      record.asOf >= this.#from &&
      record.asOf >= floorOf(record.key.id) &&
      record.asOf >= floorOf(record.account?.id) &&
      record.asOf >= floorOf(record.organization.id)
    );
  }
}
