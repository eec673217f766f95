import { createMiddleware } from 'hono/factory';

import { BODY_TIMEOUT_MS, MAX_BODY_BYTES } from '../core/constants.ts';
import type { Platform } from '../core/platform.ts';
import type { AppEnv } from './env.ts';
import { problem } from './problem.ts';

const JSON_MEDIA_TYPE = /^application\/(?:[\w.-]+\+)?json$/i;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/**
 * Reads the body, whole and bounded, and leaves it for the validator: 413, 415 and unreadable JSON are told before any
 * field is looked at. No body counts as `{}`, so that a schema names the fields it misses.
 */
export const readBody = createMiddleware<AppEnv>(async (c, next) => {
  const { headers, body } = c.req.raw;
  if (Number(headers.get('Content-Length') ?? 0) > MAX_BODY_BYTES)
    return problem(c, { kind: 'payload_too_large' });
  const bytes = body === null ? new Uint8Array() : await readBounded(body, c.get('sleep'));
  if (bytes === 'too_large') return problem(c, { kind: 'payload_too_large' });
  if (bytes === 'too_slow') return problem(c, { kind: 'request_timeout' });
  if (bytes === 'broken') return problem(c, { kind: 'invalid_json', detail: 'It broke off.' });
  if (bytes.length > 0) {
    const encoding = headers.get('Content-Encoding');
    if (encoding !== null && encoding.toLowerCase() !== 'identity') {
      return problem(c, {
        kind: 'unsupported_media_type',
        detail: 'Send the body without Content-Encoding.',
      });
    }
    const [mediaType = ''] = (headers.get('Content-Type') ?? '').split(';', 1);
    if (!JSON_MEDIA_TYPE.test(mediaType.trim())) {
      return problem(c, { kind: 'unsupported_media_type', detail: 'Send Content-Type: application/json.' });
    }
  }
  const json = bytes.length === 0 ? '{}' : decode(bytes);
  if (json === null)
    return problem(c, {
      kind: 'invalid_json',
      detail: 'It is not JSON in UTF-8; look at its quotes and commas.',
    });
  const readable = new Headers(headers);
  readable.set('Content-Type', 'application/json');
  c.req.raw = new Request(c.req.url, { method: c.req.method, headers: readable, body: json });
  return next();
});

/** The bytes of a stream, unless there are too many or they take too long. Either way the rest is not read. */
async function readBounded(
  stream: ReadableStream<Uint8Array>,
  sleep: Platform['sleep'],
): Promise<Uint8Array | 'too_large' | 'too_slow' | 'broken'> {
  const reader = stream.getReader();
  const bytes = new Uint8Array(MAX_BODY_BYTES);
  let length = 0;
  const read = new AbortController();
  const deadline = sleep(BODY_TIMEOUT_MS, read.signal).then(() => 'too_slow' as const);
  deadline.catch(() => undefined);
  try {
    for (;;) {
      const chunk = await Promise.race([reader.read(), deadline]);
      if (chunk === 'too_slow') return chunk;
      if (chunk.done) return bytes.subarray(0, length);
      if (length + chunk.value.length > MAX_BODY_BYTES) return 'too_large';
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

function decode(bytes: Uint8Array): string | null {
  try {
    const text = utf8.decode(bytes);
    JSON.parse(text);
    return text;
  } catch {
    return null;
  }
}
