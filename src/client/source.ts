import { send, targetOf, type Endpoint } from './https.ts';
import { refusedBy } from './problem.ts';
import type { BoundVerifyRequest } from './services.ts';

/** What can be asked for verdicts: a binding to Mintmark's entrypoint `Verifier`. Its answer is believed if it is one. */
export interface VerdictSource {
  verify(request: BoundVerifyRequest): PromiseLike<unknown>;
}

/** Whom to ask: a service binding, or, from outside of Cloudflare, an address. */
export type Source = { readonly service: VerdictSource | null | undefined } | Endpoint;

/** The answer to one question, whatever it is; throws where there is none. */
export async function ask(
  source: Source,
  request: BoundVerifyRequest,
  signal: AbortSignal,
): Promise<unknown> {
  if ('service' in source && source.service) return source.service.verify(request);
  if (!('url' in source)) throw new TypeError('Mintmark is not bound');
  const { organization, ...body } = request;
  const call = {
    method: 'POST',
    path: '/v1/api-keys/verify',
    body,
    organization,
    isRepeatable: true,
  } as const;
  const reply = await send(targetOf(source), call, signal);
  if (reply.status === 200) return reply.body;
  const retryAfter = reply.headers.get('Retry-After');
  return { ...refusedBy(reply, true), ...(retryAfter === null ? {} : { retryAfter: Number(retryAfter) }) };
}
