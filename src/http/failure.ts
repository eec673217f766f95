import type { Context } from 'hono';

import { thrownRefusal } from '../contract/describe.ts';
import type { AppEnv } from './env.ts';
import { problem } from './problem.ts';

/** What was thrown is a broken dependency or a defect: the log gets the message, the answer does not. */
export function failure(error: Error, c: Context<AppEnv>): Response {
  const { requestId } = c.get('origin');
  c.get('log')({
    level: 'error',
    event: 'request_failed',
    requestId,
    error: error.message,
    stack: error.stack,
  });
  return problem(c, thrownRefusal(error));
}
