import type { Refusal } from '../core/refusal.ts';
import { describe, type Description, type HttpRefusal } from './describe.ts';

/** A refusal as most formats tell it: an HTTP status and a sentence. */
export interface Told {
  readonly status: Description['status'];
  readonly message: string;
}

/** As the contract has it; of what is wrong in a request each field with its rule. */
export function usually(refusal: Refusal | HttpRefusal): Told {
  const { status, detail } = describe(refusal);
  const faults = 'faults' in refusal ? refusal.faults : [];
  const rules = faults.map(({ path, message }) => `${path === '' ? 'the body' : path} ${message}`);
  return { status, message: rules.length === 0 ? detail : rules.join('; ') };
}
