import { presented } from '../contract/credential.ts';
import { timeoutOf, within } from './deadline.ts';
import { boundRequest, headersOf, schemeOf, type Demands } from './demands.ts';
import { judge } from './judge.ts';
import { refusalOf, refusalResponse, type Refusal } from './refusal.ts';
import { ask, type Source } from './source.ts';
import type { ValidVerdict } from './verdict.ts';

export type VerifyRequestOptions = Source & Demands;

/** A verdict that lets a request through, or why it is refused, and the answer that says so. */
export type Outcome =
  | { readonly ok: true; readonly verdict: ValidVerdict }
  | { readonly ok: false; readonly refusal: Refusal; readonly response: Response };

/** Longer than any key: what is longer is malformed, whoever says it. */
const MAX_CREDENTIAL_LENGTH = 512;

/**
 * Asks Mintmark, by one call, whether a request's API key lets it through. Never throws, and says ok to nothing but a valid
 * verdict: where none can be had, for whatever reason, the request is refused with 503.
 *
 * Nothing is remembered from one request to the next, since each second of that would be a second more in which a revoked
 * key passes. Mintmark has a cache of its own, which is kept true by what it knows of changes.
 */
export function verifyRequest(request: Request, options: VerifyRequestOptions): Promise<Outcome> {
  return outcomeOf(request, options, () => options);
}

/** The same where the rest of the options is made for each request that carries a key, which may fail as well. */
export async function outcomeOf(
  request: Request,
  fixed: Pick<Demands, 'from' | 'realm' | 'timeoutMs'>,
  optionsOf: () => VerifyRequestOptions | Promise<VerifyRequestOptions>,
): Promise<Outcome> {
  const { from = 'bearer', realm = 'api', timeoutMs } = fixed;
  const carriers = [from].flat();
  let credential: string | null = null;
  let judged: ValidVerdict | Refusal;
  try {
    const read = presented(request.headers, headersOf(carriers));
    if ('credential' in read) ({ credential } = read);
    judged =
      'fault' in read
        ? refusalOf(read.fault, read.fault)
        : await within(timeoutOf(timeoutMs), async (signal) =>
            judgedBy(request, read.credential, await optionsOf(), signal),
          );
  } catch (error) {
    const reason = String(error);
    // Whoever threw it may have said what it was given.
    judged = refusalOf(
      'unavailable',
      credential === null ? reason : reason.replaceAll(credential, '[the key]'),
    );
  }
  return 'valid' in judged
    ? { ok: true, verdict: judged }
    : { ok: false, refusal: judged, response: refusalResponse(judged, schemeOf(carriers), realm) };
}

async function judgedBy(
  request: Request,
  credential: string,
  options: VerifyRequestOptions,
  signal: AbortSignal,
): Promise<ValidVerdict | Refusal> {
  const question = boundRequest(credential, request, options);
  if (options.organization === null) return refusalOf('invalid_credential', 'no organization is expected');
  if (credential.length > MAX_CREDENTIAL_LENGTH) return refusalOf('invalid_credential', 'MALFORMED');
  return judge(await ask(options, question, signal), options);
}
