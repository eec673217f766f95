import * as z from 'zod/mini';

/** A setting that is there and empty: as if it were not there. */
export const unset = z.pipe(
  z.literal(''),
  z.transform(() => undefined),
);

/** Text that is JSON, as the value that it writes. */
export const json = (rule: string) =>
  z.pipe(
    z.string(),
    z.transform((input: string, { issues }): unknown => {
      try {
        return JSON.parse(input);
      } catch {
        issues.push({ code: 'custom', message: rule, input });
        return z.NEVER;
      }
    }),
  );
