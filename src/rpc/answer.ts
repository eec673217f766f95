import type * as z from 'zod';

import { describe } from '../contract/describe.ts';
import { faultsOf } from '../contract/faults.ts';
import type { ProblemResource } from '../contract/problem.ts';
import { problemResource } from '../contract/resources.ts';
import { Unavailable } from '../core/faults.ts';
import type { Platform } from '../core/platform.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';

/** What a call answers instead of its value: over RPC nothing is thrown. */
export interface Refused {
  readonly error: ProblemResource;
}

/** Runs a call and makes whatever keeps it from its value a value too. */
export async function answered<Value>(
  { log }: Pick<Platform, 'log'>,
  call: (requestId: string) => Promise<Result<Value>>,
): Promise<Value | Refused> {
  const requestId = crypto.randomUUID();
  try {
    const result = await call(requestId);
    return result.ok ? result.value : { error: problemResource(describe(result.refusal), requestId) };
  } catch (error) {
    const isUnavailable = error instanceof Unavailable;
    log({ level: 'error', event: 'call_failed', requestId, error: String(error) });
    return {
      error: problemResource(describe({ kind: isUnavailable ? 'unavailable' : 'internal' }), requestId),
    };
  }
}

/** An argument by its schema. */
export function parsed<Schema extends z.ZodType>(schema: Schema, input: unknown): Result<z.output<Schema>> {
  const { success, data, error } = schema.safeParse(input);
  return success
    ? accept(data)
    : refuse({ kind: 'invalid', faults: faultsOf(error, 'is not a known field') });
}
