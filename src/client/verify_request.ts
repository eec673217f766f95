import { presented } from '../contract/credential.ts';
import { timeoutOf, within } from './deadline.ts';
import { boundRequest, headersOf, isOrganizationId, schemeOf, type Demands } from './demands.ts';
import { judge } from './judge.ts';
import { reasonOf, withoutSecrets } from './reason.ts';
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
  const secrets: string[] = [];
  let judged: ValidVerdict | Refusal;
  try {
    const read = presented(request.headers, headersOf(carriers));
    if ('fault' in read) judged = refusalOf(read.fault, read.fault);
    else {
      const { credential } = read;
      secrets.push(credential);
      judged = await within(timeoutOf(timeoutMs), async (signal) => {
        const options = await optionsOf();
        if ('credential' in options) secrets.push(options.credential);
        return judgedBy(request, credential, options, signal);
      });
    }
  } catch (error) {
    judged = refusalOf('unavailable', reasonOf(error));
  }
  if ('valid' in judged) return { ok: true, verdict: judged };
  const refusal = { ...judged, reason: withoutSecrets(judged.reason, secrets) };
  return { ok: false, refusal, response: refusalResponse(refusal, schemeOf(carriers), realm) };
}

async function judgedBy(
  request: Request,
  credential: string,
  options: VerifyRequestOptions,
  signal: AbortSignal,
): Promise<ValidVerdict | Refusal> {
  const { organization } = options;
  // It may be what the request says.
  if (organization === null || (typeof organization === 'string' && !isOrganizationId(organization)))
    return refusalOf('invalid_credential', 'no organization is expected');
  const question = boundRequest(credential, request, options);
  if (credential.length > MAX_CREDENTIAL_LENGTH) return refusalOf('invalid_credential', 'MALFORMED');
  return judge(await ask(options, question, signal), options);
}
