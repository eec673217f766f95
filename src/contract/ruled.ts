import * as z from 'zod/mini';

/** A check that says the rule that a value breaks, or null. Other checks of the value are made as well. */
export const ruled = <Value>(faultOf: (value: Value) => string | null) =>
  z.check<Value>(({ value: input, issues }) => {
    const message = faultOf(input);
    if (message !== null) issues.push({ code: 'custom', message, input, continue: true });
  });
