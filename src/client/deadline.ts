/** `timeoutMs` where it is whole milliseconds up to `most`; throws a TypeError where it is not. */
export function timeoutOf(timeoutMs: number, most: number): number {
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= most) return timeoutMs;
  throw new TypeError(`mintmark: timeoutMs must be a whole number from 1 to ${most}`);
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
