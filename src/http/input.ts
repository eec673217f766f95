import { zValidator } from '@hono/zod-validator';
import type { Context } from 'hono';
import * as z from 'zod';

import { faultsOf } from '../contract/faults.ts';
import { problem } from './problem.ts';

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
  return problem(c, { kind: 'invalid', faults: faultsOf(error, unknown) });
}
