import type { Context } from 'hono';

import { timestampOf } from '../contract/resources.ts';
import type { Result } from '../core/refusal.ts';
import type { Changed } from '../keyring/changes.ts';
import type { AppEnv } from './env.ts';
import { problem } from './problem.ts';

/** The answer to a question: what was found as `write` has it, or why it is refused. */
export function answer<Value, Env extends AppEnv>(
  c: Context<Env>,
  result: Result<Value>,
  write: (value: Value) => Response,
): Response {
  return result.ok ? write(result.value) : problem(c, result.refusal);
}

/** The answer to a change. One that takes something away tells the time from which no edge accepts what was taken. */
export function answerChange<Value, Env extends AppEnv>(
  c: Context<Env>,
  result: Result<Changed<Value>>,
  write: (value: Value, effectiveBy: number | null) => Response,
): Response {
  return answer(c, result, ({ value, effectiveBy }) => {
    if (effectiveBy !== null) c.header('Mintmark-Effective-By', timestampOf(effectiveBy));
    return write(value, effectiveBy);
  });
}
