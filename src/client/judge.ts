import type { Demands } from './demands.ts';
import { isRefused } from './problem.ts';
import { refusalByVerdict, refusalOf, type Refusal } from './refusal.ts';
import { isRefusedVerdict, isValidVerdict, type ValidVerdict } from './verdict.ts';
import type { Problem } from './wire.ts';

/** What an answer, whoever gave it, comes to: a verdict that lets the request through, or why it is refused. */
export function judge(answer: unknown, demands: Demands): ValidVerdict | Refusal {
  if (isRefused(answer)) return refusalByProblem(answer.error, answer);
  if (isRefusedVerdict(answer)) return refusalByVerdict(answer, demands.scopes ?? []);
  if (!isValidVerdict(answer)) return refusalOf('unavailable', 'the answer is no verdict');
  const { organization = answer.organizationId, environment = answer.environment } = demands;
  return organization === answer.organizationId && environment === answer.environment
    ? answer
    : refusalOf('invalid_credential', 'the verdict is on a key of another organization or environment');
}

function refusalByProblem({ code, detail, errors = [] }: Problem, answer: object): Refusal {
  const reason = [`${code}: ${detail}`, ...errors.map(({ path, message }) => `${path} ${message}`)].join(
    '; ',
  );
  // No key holds what is no scope; and which is asked for may depend on what the request says.
  const isScopeFault = errors.length > 0 && errors.every(({ path }) => path.startsWith('scopes'));
  if (code === 'invalid_request' && isScopeFault) return refusalOf('insufficient_scope', reason);
  const retryAfter = 'retryAfter' in answer ? answer.retryAfter : null;
  return refusalOf(
    code === 'rate_limited' ? code : 'unavailable',
    reason,
    isSeconds(retryAfter) ? { retryAfter } : {},
  );
}

const isSeconds = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
