import type * as z from 'zod';

/** For `superRefine`: the rule that a value breaks, or null. */
export const ruled =
  <Value>(faultOf: (value: Value) => string | null) =>
  (value: Value, context: z.RefinementCtx<Value>): void => {
    const message = faultOf(value);
    if (message !== null) context.addIssue({ code: 'custom', message });
  };
