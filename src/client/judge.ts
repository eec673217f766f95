import type { Demands } from './demands.ts';
import { isRefused } from './problem.ts';
import { refusalByVerdict, refusalOf, type Refusal } from './refusal.ts';
import type { Answered } from './source.ts';
import { isRefusedVerdict, isValidVerdict, type ValidVerdict } from './verdict.ts';
import type { Problem } from './wire.ts';

export type Judged =
  | { readonly ok: true; readonly verdict: ValidVerdict }
  | { readonly ok: false; readonly refusal: Refusal };

export const refused = (refusal: Refusal): Judged => ({ ok: false, refusal });

/**
 * What an answer, whoever gave it, comes to: a verdict that lets the request through, or why it is refused. That the key has the
 * scopes is Mintmark's word, which alone knows what covers what.
 */
export function judge(answered: Answered, demands: Demands): Judged {
  const { answer, status } = answered;
  if (isRefused(answer)) return refused(refusalByProblem(answer.error, answered));
  if (isRefusedVerdict(answer)) return refused(refusalByVerdict(answer, demands.scopes ?? []));
  if (!isValidVerdict(answer))
    return refused(
      refusalOf('unavailable', `the answer is no verdict${status === undefined ? '' : `, but ${status}`}`),
    );
  const { organization = answer.organizationId, environment = answer.environment, maxStaleness } = demands;
  if (organization !== answer.organizationId || environment !== answer.environment)
    return refused(refusalOf('invalid_credential', 'a key of another organization or environment'));
  return answer.ageSeconds > (maxStaleness ?? Infinity)
    ? refused(refusalOf('unavailable', 'the verdict is too old'))
    : { ok: true, verdict: answer };
}

function refusalByProblem(
  { code, detail, errors = [] }: Problem,
  { isUnseen = false, retryAfter }: Answered,
): Refusal {
  const faults = errors.map(({ path, message }) => `${path} ${message}`).join('; ');
  const reason = `${code}: ${faults || detail}`;
  if (isUnseen) return refusalOf('invalid_credential', reason);
  // No key holds what is no scope; and which is asked for may depend on what the request says.
  const isScopeFault = errors.length > 0 && errors.every(({ path }) => path.startsWith('scopes'));
  if (code === 'invalid_request' && isScopeFault) return refusalOf('insufficient_scope', reason);
  return refusalOf(
    code === 'rate_limited' ? code : 'unavailable',
    reason,
    retryAfter === undefined ? {} : { retryAfter },
  );
}
