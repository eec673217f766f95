import type * as z from 'zod/mini';

import { describe, thrownRefusal } from '../contract/describe.ts';
import { faultsOf } from '../contract/faults.ts';
import type { ProblemResource } from '../contract/problem.ts';
import { problemResource } from '../contract/resources.ts';
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
    if (result.ok) return result.value;
    if (result.refusal.kind === 'invalid_credential') {
      log({ level: 'warn', event: 'binding_refused', requestId, reason: result.refusal.reason });
    }
    return { error: problemResource(describe(result.refusal), requestId) };
  } catch (error) {
    log({ level: 'error', event: 'call_failed', requestId, error: String(error) });
    return { error: problemResource(describe(thrownRefusal(error)), requestId) };
  }
}

/** An argument by its schema. */
export function parsed<Schema extends z.ZodMiniType>(
  schema: Schema,
  input: unknown,
): Result<z.output<Schema>> {
  const { success, data, error } = schema.safeParse(input);
  return success
    ? accept(data)
    : refuse({ kind: 'invalid', faults: faultsOf(error, 'is not a known field') });
}
