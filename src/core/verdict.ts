import type { Decision } from './decide.ts';

/** A decision, and what it rests on. */
export interface Verdict {
  readonly decision: Decision;
  readonly source: 'kv' | 'd1' | 'none';
  /** How old the knowledge behind the decision is, in whole seconds. */
  readonly ageSeconds: number;
}
