import { MAX_ROWS_EXAMINED, MAX_UNPAGED } from '../core/constants.ts';
import type { Page, PageRequest } from '../core/page.ts';
import { accept, type Result } from '../core/refusal.ts';

/** The items of a list whose system has no pages, newest first: those among the newest {@link MAX_UNPAGED} that pass. */
export async function unpaged<Item, Id>(
  list: (request: PageRequest<Id>) => Promise<Result<Page<Item, Id>>>,
): Promise<Result<Item[]>> {
  const items: Item[] = [];
  let before: Id | null = null;
  for (let examined = 0; examined < MAX_UNPAGED; examined += MAX_ROWS_EXAMINED) {
    const page = await list({ before, limit: MAX_ROWS_EXAMINED });
    if (!page.ok) return page;
    items.push(...page.value.items);
    before = page.value.next;
    if (before === null) break;
  }
  return accept(items);
}
