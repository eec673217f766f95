import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';

import type { HttpRefusal } from '../contract/describe.ts';
import { BODY_TIMEOUT_MS, MAX_BODY_BYTES } from '../core/constants.ts';
import { readBounded } from '../core/read_bounded.ts';
import type { AppEnv } from './env.ts';
import { problem } from './problem.ts';

const JSON_MEDIA_TYPE = /^application\/(?:[\w.-]+\+)?json$/i;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/**
 * Reads the body, whole and bounded, and leaves it for the validator: 413, 415 and unreadable JSON are told before any
 * field is looked at. No body counts as `{}`, so that a schema names the fields it misses.
 */
export const readBody = createMiddleware<AppEnv>(async (c, next) => {
  const read = await readBytes(c);
  if ('refusal' in read) return problem(c, read.refusal);
  const { bytes, mediaType } = read;
  if (bytes.length > 0 && !JSON_MEDIA_TYPE.test(mediaType))
    return problem(c, { kind: 'unsupported_media_type', detail: 'Send Content-Type: application/json.' });
  const json = bytes.length === 0 ? {} : parsed(textOf(bytes));
  if (json === undefined) return problem(c, NO_JSON);
  c.set('json', json);
  return next();
});

const NO_JSON: HttpRefusal = {
  kind: 'invalid_json',
  detail: 'It is not JSON in UTF-8; look at its quotes and commas.',
};

/** A body and the media type that it declares, in lower case; or why there is none. */
export async function readBytes<Env extends AppEnv>(
  c: Context<Env>,
): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string } | { readonly refusal: HttpRefusal }> {
  const { headers } = c.req.raw;
  const bytes = await readBounded(c.req.raw, MAX_BODY_BYTES, BODY_TIMEOUT_MS, c.get('after'));
  if (bytes === 'too_large') return { refusal: { kind: 'payload_too_large' } };
  if (bytes === 'too_slow') return { refusal: { kind: 'request_timeout' } };
  if (bytes === 'broken') return { refusal: { kind: 'invalid_json', detail: 'It broke off.' } };
  const encoding = headers.get('Content-Encoding');
  if (bytes.length > 0 && encoding !== null && encoding.toLowerCase() !== 'identity') {
    const detail = 'Send the body without Content-Encoding.';
    return { refusal: { kind: 'unsupported_media_type', detail } };
  }
  const [mediaType = ''] = (headers.get('Content-Type') ?? '').split(';', 1);
  return { bytes, mediaType: mediaType.trim().toLowerCase() };
}

/** Null: it is not UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

/** Undefined: it is no JSON. */
export function parsed(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
