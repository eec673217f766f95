import { CLOCK_TOLERANCE_MS } from './constants.ts';
import type { KeyRecord } from './records.ts';

/**
 * What D1 told of its changes, by one query: what an isolate learns, and what KV holds as the stamped snapshot. It may
 * be late, but says how late.
 */
export interface Snapshot {
  /** The name of the database's life; another one means a restored database. */
  readonly generation: string;
  /** Every change with a higher sequence number, up to `newest`, is among `changes`. */
  readonly from: number;
  /** The sequence number of the newest change of all. */
  readonly newest: number;
  /** Subjects (ids of keys, accounts and organizations) and the sequence numbers of their changes, ascending. */
  readonly changes: readonly (readonly [subject: string, seq: number])[];
  /** When the query started, in epoch milliseconds: what was committed before is reflected. */
  readonly knownAt: number;
}

/** Of what D1 was when something was read from it. */
export type ReadOf = Pick<KeyRecord, 'generation' | 'asOf' | 'readAt'>;

/** What was known when D1 was asked. */
export interface Position {
  /** Every change up to this one is known, as far back as knowledge reaches. */
  readonly seq: number;
  /** The newest change that there is known to be, the isolate's own included. */
  readonly highest: number;
  readonly generation: string | null;
  /** How often everything had been forgotten: an answer to what was asked before is of no use after. */
  readonly life: number;
}

/**
 * What an isolate knows of the changes in D1: the latest of each changed subject (a floor), how far back that reaches,
 * and when the query behind it started. Bounded: to forget some floors is to reach back less far.
 */
export class Knowledge {
  readonly #limit: number;
  readonly #floors = new Map<string, number>();
  #generation: string | null = null;
  #from = 0;
  #newest = 0;
  #highestMade = 0;
  #knownAt = -Infinity;
  #notBefore = -Infinity;
  #life = 0;

  /** `limit`: how many subjects are remembered. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Every change committed before this time, in epoch milliseconds, is known; `-Infinity` where nothing is. */
  get knownAt(): number {
    return this.#knownAt;
  }

  /** From where on to ask D1. */
  get position(): Position {
    return {
      seq: this.#newest,
      highest: Math.max(this.#newest, this.#highestMade),
      generation: this.#generation,
      life: this.#life,
    };
  }

  /**
   * Takes what D1 answered to a question asked from `asked`. Returns whether everything was forgotten: the database is
   * another one than was known when it was asked, since its generation is, or since it lacks changes that it had.
   * Answers overtake each other, so one that cannot tell which of two generations is the later is let be.
   */
  learn(snapshot: Snapshot, asked: Position): boolean {
    if (asked.life !== this.#life) return false;
    const isOther = isAnother(snapshot, asked) || snapshot.newest < asked.highest;
    if (isOther) this.forget(snapshot.knownAt);
    this.#generation ??= snapshot.generation;
    if (snapshot.generation === this.#generation) this.#merge(snapshot);
    return isOther;
  }

  /**
   * Takes a snapshot that came by way of a cache, if it says more than is known. Returns whether it did. It never makes
   * an isolate forget: which of two generations is the later one, only D1 can tell.
   */
  accept(snapshot: Snapshot): boolean {
    // Another isolate's clock may be ahead of the one that was forgotten by.
    const isEarlier = snapshot.knownAt <= this.#notBefore + CLOCK_TOLERANCE_MS;
    if (isEarlier || snapshot.knownAt <= this.#knownAt) return false;
    this.#generation ??= snapshot.generation;
    if (snapshot.generation !== this.#generation || snapshot.newest < this.#newest) return false;
    this.#merge(snapshot);
    return true;
  }

  /**
   * Raises floors after a change that this isolate made, as of a batch that read `generation` and was sent off at `asked`.
   * Where that is not the life that is known now, what was known before `now`, a time after the commit, is of no use any
   * more. Returns whether everything was forgotten for that.
   */
  raise(subjects: readonly string[], seq: number, generation: string, asked: Position, now: number): boolean {
    if (asked.life === this.#life) this.#generation ??= generation;
    if (generation !== this.#generation) {
      const isForgotten = this.#generation !== null;
      if (isForgotten || subjects.length > 0) this.forget(now);
      return isForgotten;
    }
    for (const subject of subjects) this.#raise(subject, seq);
    this.#trim();
    this.#highestMade = Math.max(this.#highestMade, seq);
    return false;
  }

  /** Starts over, and believes no snapshot from before `now`: what is forgotten here was known then. */
  forget(now: number): void {
    this.#generation = null;
    this.#floors.clear();
    this.#from = 0;
    this.#newest = 0;
    this.#highestMade = 0;
    this.#knownAt = -Infinity;
    this.#notBefore = Math.max(this.#notBefore, now);
    this.#life += 1;
  }

  /**
   * Looks of which life of the database D1's answer is; it was asked at `asked`, and answered before `now`. Returns whether
   * everything was forgotten, since it is another one than was known when it was asked.
   */
  notice({ generation }: Pick<ReadOf, 'generation'>, asked: Position, now: number): boolean {
    if (asked.life !== this.#life) return false;
    const isOther = isAnother({ generation }, asked);
    if (isOther) this.forget(now);
    else this.#generation ??= generation;
    return isOther;
  }

  /** Whether a record may lack a change, or be of another life of the database, by what is known or was forgotten. */
  isPast(record: KeyRecord): boolean {
    return this.#generation === null ? record.readAt <= this.#notBefore : !this.covers(record);
  }

  /** Whether a record reflects every change that is known. */
  covers(record: KeyRecord): boolean {
    const { asOf, key, account, organization } = record;
    return (
      record.generation === this.#generation &&
      asOf >= this.#from &&
      asOf >= this.#floorOf(key.id) &&
      asOf >= this.#floorOf(organization.id) &&
      (account === null || asOf >= this.#floorOf(account.id))
    );
  }

  /** Whether what was read of one subject reflects every change of it that is known. */
  coversSubject({ generation, asOf }: ReadOf, subject: string): boolean {
    return generation === this.#generation && asOf >= this.#from && asOf >= this.#floorOf(subject);
  }

  /** What is known, as a snapshot of at most so many changes; null where nothing is. */
  snapshot(limit: number): Snapshot | null {
    if (this.#generation === null || this.#knownAt === -Infinity) return null;
    const newestFirst = [...this.#floors].toSorted(([, one], [, other]) => other - one);
    const [, forgotten = this.#from] = newestFirst[limit] ?? [];
    return {
      generation: this.#generation,
      from: Math.max(this.#from, forgotten),
      newest: this.#newest,
      changes: newestFirst.slice(0, limit).toReversed(),
      knownAt: this.#knownAt,
    };
  }

  #merge({ from, newest, changes, knownAt }: Snapshot): void {
    // Between what was known and what this reaches back to, anything may have changed.
    if (from > this.#newest) this.#from = Math.max(this.#from, from);
    for (const [subject, seq] of changes) this.#raise(subject, seq);
    this.#trim();
    this.#newest = Math.max(this.#newest, newest);
    this.#knownAt = Math.max(this.#knownAt, knownAt);
  }

  #raise(subject: string, seq: number): void {
    const floor = Math.max(seq, this.#floorOf(subject));
    // The latest change stands last, so that the oldest is forgotten first.
    this.#floors.delete(subject);
    this.#floors.set(subject, floor);
  }

  #trim(): void {
    for (const [subject, forgotten] of this.#floors) {
      if (this.#floors.size <= this.#limit) break;
      this.#floors.delete(subject);
      this.#from = Math.max(this.#from, forgotten);
    }
  }

  #floorOf(subject: string): number {
    return this.#floors.get(subject) ?? 0;
  }
}

/** Which of two generations is the later one is certain only where one was known before the other was asked for. */
function isAnother({ generation }: { readonly generation: string }, asked: Position): boolean {
  return asked.generation !== null && generation !== asked.generation;
}
