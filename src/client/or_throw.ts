import { isRefused } from './problem.ts';
import type { Refused } from './services.ts';
import type { Problem } from './wire.ts';

/** A refusal, thrown. `problem` is what Mintmark said; its `code` is stable. */
export class MintmarkError extends Error {
  override readonly name = 'MintmarkError';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
  }
}

/** The value of an answer, for where a refusal is not expected; throws a {@link MintmarkError} for one. */
export function orThrow<Value>(answer: Value | Refused): Value {
  if (isRefused(answer)) throw new MintmarkError(answer.error);
  return answer;
}
