/** A verdict counts only so long after it was reached: the bound on a revocation has ten seconds for what is on its way. */
export const MAX_TIMEOUT_MS = 10_000;

/** `timeoutMs`, or the longest that there is; throws a TypeError for what is no number of milliseconds up to that. */
export function timeoutOf(timeoutMs: number = MAX_TIMEOUT_MS): number {
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS) return timeoutMs;
  throw new TypeError(`timeoutMs must be a whole number from 1 to ${MAX_TIMEOUT_MS}`);
}

/** What `work` comes to, or an Error once so many milliseconds have gone by; `work` is told by its signal. */
export async function within<Value>(
  ms: number,
  work: (signal: AbortSignal) => PromiseLike<Value> | Value,
): Promise<Value> {
  const aborter = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`no answer within ${ms} ms`);
      reject(error);
      aborter.abort(error);
    }, ms);
  });
  try {
    return await Promise.race([work(aborter.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}
