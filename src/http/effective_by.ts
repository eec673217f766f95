import type { Context } from 'hono';

import { timestampOf } from '../contract/resources.ts';

/** Tells of a change that takes something away the time from which no edge accepts what was taken. */
export function tellEffectiveBy(c: Context, effectiveBy: number | null): void {
  if (effectiveBy !== null) c.header('Mintmark-Effective-By', timestampOf(effectiveBy));
}
