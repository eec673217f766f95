import { orThrow } from './or_throw.ts';
import type { Refused } from './services.ts';

interface Page<Entry> {
  readonly data: readonly Entry[];
  readonly nextCursor: string | null;
}

/**
 * Every entry of a list, page after page: `for await (const key of entries((cursor) => client.keys.list({ cursor })))`.
 * Throws a MintmarkError where a page is refused.
 */
export async function* entries<Entry>(
  list: (cursor: string | undefined) => PromiseLike<Page<Entry> | Refused>,
): AsyncGenerator<Entry, void, void> {
  let cursor: string | undefined;
  do {
    const page: Page<Entry> = orThrow(await list(cursor));
    yield* page.data;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}
