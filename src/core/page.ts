/** Which part of a list is asked for: up to `limit` items, older than `before`, newest first. */
export interface PageRequest<Id> {
  readonly before: Id | null;
  readonly limit: number;
  /** How many items after `before` are passed over first; none unless said. They are read for nothing. */
  readonly offset?: number | undefined;
}

export interface Page<Item, Id> {
  readonly items: readonly Item[];
  /** Where the next page begins: items older than this may follow. Null: none do. */
  readonly next: Id | null;
}

/**
 * A page of what was read with one item more than `limit`, to see whether any follow. `lastExamined` is where a filter
 * stopped looking, if it did.
 */
export function pageOf<Item, Id>(
  read: readonly Item[],
  limit: number,
  idOf: (item: Item) => Id,
  lastExamined: Id | null = null,
): Page<Item, Id> {
  const items = read.slice(0, limit);
  const last = items.at(-1);
  return { items, next: read.length > limit && last !== undefined ? idOf(last) : lastExamined };
}
