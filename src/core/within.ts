import { Unavailable } from './faults.ts';
import type { Platform } from './platform.ts';

/** What `work` comes to, or `Unavailable` if it takes longer than so many milliseconds; it goes on unheeded then. */
export async function within<Value>(
  { after }: Pick<Platform, 'after'>,
  ms: number,
  work: Promise<Value>,
): Promise<Value> {
  const deadline = Promise.withResolvers<never>();
  const disarm = after(ms, () => deadline.reject(new Unavailable(`no answer within ${ms} ms`)));
  try {
    return await Promise.race([work, deadline.promise]);
  } finally {
    disarm();
  }
}
