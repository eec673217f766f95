import { zValidator } from '@hono/zod-validator';
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import * as z from 'zod/mini';

import { faultsOf } from '../contract/faults.ts';
import type { AppEnv } from './env.ts';
import { problem } from './problem.ts';

/** The body, as `readBody` left it, by its schema. */
export function json<Schema extends z.ZodMiniType<object>>(schema: Schema) {
  return createMiddleware<AppEnv, string, { in: { json: z.input<Schema> }; out: { json: z.output<Schema> } }>(
    async (c, next) => {
      const { success, data, error } = schema.safeParse(c.get('json'));
      if (!success) return invalid(c, error, 'is not a known field');
      c.req.addValidatedData('json', data);
      return next();
    },
  );
}

/** The query by its schema: every parameter at most once, and none that is not known. */
export function query<Schema extends z.ZodMiniType>(schema: Schema) {
  return zValidator('query', schema, (result, c) =>
    result.success ? undefined : invalid(c, result.error, 'is not a known query parameter'),
  );
}

const noParameters = query(z.strictObject({}));

/** No query parameter is known: most calls have none, and are told so at a glance. */
export const noQuery = createMiddleware((c, next) =>
  c.req.url.includes('?') ? noParameters(c, next) : next(),
);
export const noBody = json(z.strictObject({}));

function invalid(c: Context, error: z.core.$ZodError, unknown: string): Response {
  return problem(c, { kind: 'invalid', faults: faultsOf(error, unknown) });
}
