import type { Decision } from './decide.ts';

/** Whether a key was not looked for, since its like was asked for in vain too often. */
export function isUnasked({ decision }: Verdict): boolean {
  return decision.code === 'RATE_LIMITED' && !('record' in decision);
}

/** A decision, and what it rests on. */
export interface Verdict {
  readonly decision: Decision;
  readonly source: 'memory' | 'kv' | 'd1' | 'none';
  /** How old the knowledge behind the decision is, in whole seconds. */
  readonly ageSeconds: number;
  /** Older than the bound allows, since D1 can't be reached. */
  readonly isDegraded: boolean;
}
