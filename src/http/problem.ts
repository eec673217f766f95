import type { Context } from 'hono';

import { describe, type Description, type HttpRefusal } from '../contract/describe.ts';
import { problemResource } from '../contract/resources.ts';
import type { Refusal } from '../core/refusal.ts';
import type { AppEnv } from './env.ts';

/** A refusal as it goes over the wire, but for the headers that HTTP itself asks for. */
export interface WrittenRefusal extends Pick<Description, 'status'> {
  readonly mediaType: string;
  readonly body: object;
}

/** How refusals are written below some path. */
export type RefusalWriter = (refusal: Refusal | HttpRefusal, requestId: string) => WrittenRefusal;

/** The contract's own way. */
export const contractWriter: RefusalWriter = (refusal, requestId) => {
  const description = describe(refusal);
  return {
    status: description.status,
    mediaType: 'application/problem+json',
    body: problemResource(description, requestId),
  };
};

/** The answer to what is refused. */
export function problem<Env extends AppEnv>(c: Context<Env>, refusal: Refusal | HttpRefusal): Response {
  const { requestId } = c.get('origin');
  if (refusal.kind === 'invalid_credential') {
    c.get('log')({ level: 'info', event: 'credential_refused', requestId, reason: refusal.reason });
  }
  const { status, mediaType, body } = c.get('writeRefusal')(refusal, requestId);
  return c.body(JSON.stringify(body), status, { 'Content-Type': mediaType, ...describe(refusal).headers });
}
