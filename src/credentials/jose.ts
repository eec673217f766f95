import type * as Jose from './jwt.ts';

let loaded: typeof Jose | undefined;

/** What JWTs are signed and verified by, from the first of them on: an isolate that is shown keys alone starts without it. */
export async function jose(): Promise<typeof Jose> {
  loaded ??= await import('./jwt.ts');
  return loaded;
}
