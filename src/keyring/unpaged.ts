import { MAX_UNPAGED, UNPAGED_STEP } from '../core/constants.ts';
import type { Page, PageRequest } from '../core/page.ts';

/**
 * What `write` makes of each item of a list, newest first, null for none, for those who know no pages: of the newest
 * {@link MAX_UNPAGED} at least, those that pass the list's filter. Written as they are read, since so many records can be
 * more than an isolate holds.
 */
export async function unpaged<Item, Id, Written>(
  read: (request: PageRequest<Id>) => Promise<Page<Item, Id>>,
  write: (item: Item) => Written | null,
): Promise<Written[]> {
  const written: Written[] = [];
  let before: Id | null = null;
  for (let examined = 0; examined < MAX_UNPAGED; examined += UNPAGED_STEP) {
    const { items, next }: Page<Item, Id> = await read({ before, limit: UNPAGED_STEP });
    written.push(...items.map(write).filter((one) => one !== null));
    before = next;
    if (before === null) break;
  }
  return written;
}
