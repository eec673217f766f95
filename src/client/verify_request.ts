import { credentialIn } from '../contract/credential.ts';
import { headersOf } from './carriers.ts';
import { MAX_CREDENTIAL_LENGTH, MAX_TIMEOUT_MS, MIN_KEY_LENGTH } from './constants.ts';
import { timeoutOf, within } from './deadline.ts';
import { boundRequest, isAskable, type Demands } from './demands.ts';
import { judge, refused, type Judged } from './judge.ts';
import { reasonOf, withoutSecrets } from './reason.ts';
import { refusalOf, refusalResponse, type Refusal } from './refusal.ts';
import { ask, type Source } from './source.ts';
import type { ValidVerdict } from './verdict.ts';

export type VerifyRequestOptions = Source & Demands;

/** A verdict that lets a request through, or why it is refused, and the answer that says so. */
export type Outcome =
  | { readonly ok: true; readonly verdict: ValidVerdict }
  | { readonly ok: false; readonly refusal: Refusal; readonly response: Response };

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
  const { from = 'bearer', timeoutMs = MAX_TIMEOUT_MS } = fixed;
  const realm = typeof fixed.realm === 'string' ? fixed.realm : 'api';
  const carriers = [from].flat();
  const secrets: string[] = [];
  let judged: Judged;
  try {
    const read = credentialIn(request.headers, headersOf(carriers));
    judged =
      'fault' in read
        ? refused(refusalOf(read.fault, read.fault))
        : await within(timeoutOf(timeoutMs, MAX_TIMEOUT_MS), (signal) =>
            judgedBy(request, read.credential, optionsOf, secrets, signal),
          );
  } catch (error) {
    judged = refused(refusalOf('unavailable', reasonOf(error)));
  }
  if (judged.ok) return judged;
  const refusal = { ...judged.refusal, reason: withoutSecrets(judged.refusal.reason, secrets) };
  return { ok: false, refusal, response: refusalResponse(refusal, carriers, realm) };
}

async function judgedBy(
  request: Request,
  credential: string,
  optionsOf: () => VerifyRequestOptions | Promise<VerifyRequestOptions>,
  secrets: string[],
  signal: AbortSignal,
): Promise<Judged> {
  if (credential.length > MAX_CREDENTIAL_LENGTH) return refused(refusalOf('invalid_credential', 'MALFORMED'));
  if (credential.length >= MIN_KEY_LENGTH) secrets.push(credential);
  const options = await optionsOf();
  if ('credential' in options && typeof options.credential === 'string') secrets.push(options.credential);
  const question = boundRequest(credential, request, options);
  if (question === null) return refused(refusalOf('invalid_credential', 'organization is no id (org_…)'));
  if (!isAskable(question.scopes ?? []))
    return refused(refusalOf('insufficient_scope', 'too many scopes, or too long ones'));
  // What the question is made of may have taken all the time there was.
  signal.throwIfAborted();
  return judge(await ask(options, question, signal), options);
}
