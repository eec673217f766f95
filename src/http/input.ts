import { zValidator } from '@hono/zod-validator';
import type { Context } from 'hono';
import * as z from 'zod';

import type { Fault } from '../core/refusal.ts';
import { problem } from './problem.ts';

/** Enough to mend any honest request; an answer is not made to grow with what is wrong in one. */
const MAX_FAULTS = 100;
/** No name of the contract's is as long. A key or a root key is, and an answer must not repeat one. */
const TELLABLE_NAME_LENGTH = 31;

/** The body, as `readBody` left it, by its schema. */
export function json<Schema extends z.ZodType>(schema: Schema) {
  return zValidator('json', schema, (result, c) =>
    result.success ? undefined : invalid(c, result.error, 'is not a known field'),
  );
}

/** The query by its schema: every parameter at most once, and none that is not known. */
export function query<Schema extends z.ZodType>(schema: Schema) {
  return zValidator('query', schema, (result, c) =>
    result.success ? undefined : invalid(c, result.error, 'is not a known query parameter'),
  );
}

export const noQuery = query(z.strictObject({}));
export const noBody = json(z.strictObject({}));

function invalid(c: Context, error: z.core.$ZodError, unknown: string): Response {
  return problem(c, { kind: 'invalid', faults: faultsOf(error, unknown).slice(0, MAX_FAULTS) });
}

function faultsOf(error: z.core.$ZodError, unknown: string): Fault[] {
  return error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: unknown }))
      : [{ path: pathOf(issue.path), message: issue.message }],
  );
}

function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map(String)
    .map((name) => (name.length > TELLABLE_NAME_LENGTH ? `[a name of ${name.length} characters]` : name))
    .join('.')
    .toWellFormed();
}
