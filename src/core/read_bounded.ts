import type { Platform } from './platform.ts';

/** The bytes of a stream, unless there are too many or they take too many milliseconds. Either way the rest is not read. */
export async function readBounded(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  timeoutMs: number,
  sleep: Platform['sleep'],
): Promise<Uint8Array | 'too_large' | 'too_slow' | 'broken'> {
  const reader = stream.getReader();
  const bytes = new Uint8Array(maxBytes);
  let length = 0;
  const read = new AbortController();
  const deadline = sleep(timeoutMs, read.signal).then(() => 'too_slow' as const);
  deadline.catch(() => undefined);
  try {
    for (;;) {
      const chunk = await Promise.race([reader.read(), deadline]);
      if (chunk === 'too_slow') return chunk;
      if (chunk.done) return bytes.subarray(0, length);
      if (length + chunk.value.length > maxBytes) return 'too_large';
      bytes.set(chunk.value, length);
      length += chunk.value.length;
    }
  } catch {
    return 'broken';
  } finally {
    read.abort();
    void reader.cancel().catch(() => undefined);
  }
}
