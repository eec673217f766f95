interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/** Virtual time: things happen in the order of their times, and what they set off runs to its next wait before the next. */
export class World {
  #now: number;
  #order = 0;
  readonly #events: Event[] = [];
  #isOver = false;

  constructor(start: number) {
    this.#now = start;
  }

  /** Epoch milliseconds. */
  get now(): number {
    return this.#now;
  }

  /** Lets something happen after so many milliseconds, unless what is returned is called before. */
  after(ms: number, run: () => void): () => void {
    const event: Event = { at: this.#now + ms, order: this.#order++, run, isCancelled: false };
    let index = this.#events.length;
    while (index > 0 && isAfter(this.#events[index - 1], event)) index--;
    this.#events.splice(index, 0, event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** Nothing happens any more. */
  end(): void {
    this.#isOver = true;
    this.#events.length = 0;
  }

  /** Lets all happen that is due until then. */
  async runUntil(time: number): Promise<void> {
    await settled();
    for (let [next] = this.#events; next !== undefined && next.at <= time; [next] = this.#events) {
      this.#events.shift();
      if (next.isCancelled) continue;
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settled();
      if (this.#isOver) return;
    }
    this.#now = Math.max(this.#now, time);
  }
}

function isAfter(one: Event | undefined, other: Event): boolean {
  return one !== undefined && (one.at > other.at || (one.at === other.at && one.order > other.order));
}

/** Once every promise that can go on without an event has done so. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
