import { Unavailable } from './faults.ts';
import type { Platform } from './platform.ts';

/** What `work` comes to, or `Unavailable` if it takes longer than so many milliseconds; it goes on unheeded then. */
export async function within<Value>(
  { sleep }: Pick<Platform, 'sleep'>,
  ms: number,
  work: Promise<Value>,
): Promise<Value> {
  const done = new AbortController();
  const deadline = sleep(ms, done.signal).then(() => {
    throw new Unavailable(`no answer within ${ms} ms`);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    // A reason of its own spares the making of an exception that nobody sees.
    done.abort('no longer awaited');
  }
}
