import type { Platform } from './platform.ts';

/** What has a body, as a request and a response have one. */
type Carrier = Pick<Request, 'body' | 'headers' | 'arrayBuffer'>;

/** The bytes of a body, unless there are too many or they take too many milliseconds. Either way the rest is not waited for. */
export async function readBounded(
  carrier: Carrier,
  maxBytes: number,
  timeoutMs: number,
  after: Platform['after'],
): Promise<Uint8Array | 'too_large' | 'too_slow' | 'broken'> {
  const { body, headers } = carrier;
  if (body === null) return new Uint8Array();
  const declared = headers.get('Content-Length');
  if (Number(declared ?? 0) > maxBytes) return 'too_large';
  const deadline = Promise.withResolvers<'too_slow'>();
  const disarm = after(timeoutMs, () => deadline.resolve('too_slow'));
  try {
    // What declares its length the platform reads at once, and ends there; but what is compressed grows.
    const isMeasured = declared !== null && !headers.has('Content-Encoding');
    if (!isMeasured) return await readChunks(body, maxBytes, deadline.promise);
    const read = await Promise.race([carrier.arrayBuffer(), deadline.promise]);
    if (read === 'too_slow') return read;
    return read.byteLength > maxBytes ? 'too_large' : new Uint8Array(read);
  } catch {
    return 'broken';
  } finally {
    disarm();
  }
}

async function readChunks(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  deadline: Promise<'too_slow'>,
): Promise<Uint8Array | 'too_large' | 'too_slow'> {
  const reader = stream.getReader();
  const bytes = new Uint8Array(maxBytes);
  let length = 0;
  try {
    for (;;) {
      const chunk = await Promise.race([reader.read(), deadline]);
      if (chunk === 'too_slow') return chunk;
      if (chunk.done) return bytes.subarray(0, length);
      if (length + chunk.value.length > maxBytes) return 'too_large';
      bytes.set(chunk.value, length);
      length += chunk.value.length;
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}
