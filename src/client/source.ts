import { send, targetOf, type Endpoint } from './http.ts';
import { isRefused } from './problem.ts';
import type { BoundVerifyRequest } from './services.ts';

/** What can be asked for verdicts: a binding to Mintmark's entrypoint `Verifier`. Its answer is believed if it is one. */
export interface VerdictSource {
  verify(request: BoundVerifyRequest): PromiseLike<unknown>;
}

/** A binding as `wrangler types` has it with the caller's config alone. */
export interface UntypedBinding {
  fetch(...args: never[]): unknown;
}

/** Whom to ask: a service binding, or, from outside of Cloudflare, an address. */
export type Source =
  | { readonly service: VerdictSource | UntypedBinding | null | undefined; readonly url?: never }
  | (Endpoint & { readonly service?: never });

/** What one question was answered with, whatever it is. */
export interface Answered {
  readonly answer: unknown;
  /** Of an answer over HTTP that is no success. */
  readonly status?: number;
  /** Seconds after which to ask again, where that was said. */
  readonly retryAfter?: number;
  /** The credential does not see the organization that was asked for, nor then any key of it. */
  readonly isUnseen?: boolean;
}

/** Asks once; throws where there is no answer. */
export async function ask(
  source: Source,
  request: BoundVerifyRequest,
  signal: AbortSignal,
): Promise<Answered> {
  if (isEndpoint(source)) return askOver(source, request, signal);
  const { service } = source;
  if (!service) throw new TypeError('Mintmark is not bound');
  const verify: unknown = Reflect.get(service, 'verify');
  if (typeof verify !== 'function') throw new TypeError('what is bound is not the entrypoint Verifier');
  return { answer: await Reflect.apply(verify, service, [request]) };
}

/** Who gives a binding asks it, were it not there. */
const isEndpoint = (source: Source): source is Endpoint & { readonly service?: never } =>
  Object.hasOwn(source, 'url') && source.url !== undefined && !Object.hasOwn(source, 'service');

async function askOver(
  endpoint: Endpoint,
  { organization = 'own', ...body }: BoundVerifyRequest,
  signal: AbortSignal,
): Promise<Answered> {
  const isNamed = organization !== 'own';
  const reply = await send(
    targetOf(endpoint),
    {
      method: 'POST',
      path: '/v1/api-keys/verify',
      body: JSON.stringify(body),
      isRepeatable: true,
      ...(isNamed ? { organization } : {}),
    },
    signal,
  );
  const { status, headers, body: said } = reply;
  if (status === 200) return { answer: said };
  const answer = { error: said };
  const [seconds] = /^\d{1,9}$/.exec(headers.get('Retry-After') ?? '') ?? [];
  return {
    answer,
    status,
    // The code alone is also that of a path which is not there.
    isUnseen:
      isNamed &&
      isRefused(answer) &&
      answer.error.code === 'not_found' &&
      answer.error.detail.includes('organization'),
    ...(seconds === undefined ? {} : { retryAfter: Number(seconds) }),
  };
}
