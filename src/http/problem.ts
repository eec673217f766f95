import type { Context } from 'hono';

import { describe, type HttpRefusal } from '../contract/describe.ts';
import { problemResource } from '../contract/resources.ts';
import type { Refusal } from '../core/refusal.ts';
import type { AppEnv } from './env.ts';

/** The answer to what is refused. */
export function problem<Env extends AppEnv>(c: Context<Env>, refusal: Refusal | HttpRefusal): Response {
  const { requestId } = c.get('origin');
  if (refusal.kind === 'invalid_credential') {
    c.get('log')({ level: 'info', event: 'credential_refused', requestId, reason: refusal.reason });
  }
  const description = describe(refusal);
  const body = problemResource(description, requestId);
  return c.body(JSON.stringify(body), description.status, {
    'Content-Type': 'application/problem+json',
    ...description.headers,
  });
}
