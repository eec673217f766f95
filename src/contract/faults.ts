import type * as z from 'zod/mini';

import type { Fault } from '../core/refusal.ts';

/** Enough to mend any honest request; an answer is not made to grow with what is wrong in one. */
const MAX_FAULTS = 100;
/** No name of the contract's is as long. A key or a root key is, and an answer must not repeat one. */
const TELLABLE_NAME_LENGTH = 31;

/** What is wrong with an input, field by field; `unknown` says what a field is that has no place in it. */
export function faultsOf(error: z.core.$ZodError, unknown: string): Fault[] {
  const faults = error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: unknown }))
      : [{ path: pathOf(issue.path), message: issue.message }],
  );
  return faults.slice(0, MAX_FAULTS);
}

function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map(String)
    .map((name) => (name.length > TELLABLE_NAME_LENGTH ? `[a name of ${name.length} characters]` : name))
    .join('.')
    .toWellFormed();
}
