import type { Context } from 'hono';

import { describe, type HttpRefusal } from '../contract/describe.ts';
import type { Refusal } from '../core/refusal.ts';
import type { AppEnv } from './env.ts';
import { whole } from './whole.ts';

/** The answer to what is refused, in the way of its path. */
export function problem<Env extends AppEnv>(c: Context<Env>, refusal: Refusal | HttpRefusal): Response {
  const { requestId } = c.get('origin');
  if (refusal.kind === 'invalid_credential') {
    c.get('logRefused')({ level: 'info', event: 'credential_refused', requestId, reason: refusal.reason });
  }
  const { status, mediaType, body } = c.get('writeRefusal')(refusal, requestId);
  return whole(c, JSON.stringify(body), status, { 'Content-Type': mediaType, ...describe(refusal).headers });
}
