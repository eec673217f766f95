import { send, targetOf, type Endpoint } from './https.ts';
import { refusedBy } from './problem.ts';
import type { BoundVerifyRequest } from './services.ts';
import type { Verdict } from './wire.ts';

/** What can be asked for verdicts: a binding to Mintmark's entrypoint `Verifier`. Its answer is believed if it is one. */
export interface VerdictSource {
  verify(request: BoundVerifyRequest): PromiseLike<unknown>;
}

/** Whom to ask: a service binding, or, from outside of Cloudflare, an address. */
export type Source = { readonly service: VerdictSource | null | undefined } | Endpoint;

const NOT_FOUND: Verdict = { valid: false, code: 'NOT_FOUND', source: 'none', ageSeconds: 0 };

/** The answer to one question, whatever it is; throws where there is none. */
export async function ask(
  source: Source,
  request: BoundVerifyRequest,
  signal: AbortSignal,
): Promise<unknown> {
  if ('service' in source && source.service) return source.service.verify(request);
  if (!('url' in source)) throw new TypeError('Mintmark is not bound');
  const { organization, ...body } = request;
  const call = { method: 'POST', path: '/v1/api-keys/verify', organization, isRepeatable: true } as const;
  const reply = await send(targetOf(source), { ...call, body: JSON.stringify(body) }, signal);
  if (reply.status === 200) return reply.body;
  const refused = refusedBy(reply, true);
  // Of an organization that the credential does not see it sees no key either.
  if (typeof organization === 'string' && refused.error.code === 'not_found') return NOT_FOUND;
  const [retryAfter] = /^\d{1,9}$/.exec(reply.headers.get('Retry-After') ?? '') ?? [];
  return { ...refused, ...(retryAfter === undefined ? {} : { retryAfter: Number(retryAfter) }) };
}
