import type { Context } from 'hono';
import * as z from 'zod/mini';

import type { HttpRefusal } from '../contract/describe.ts';
import type { Refusal } from '../core/refusal.ts';
import { parsed, readBytes, textOf } from '../http/body.ts';
import type { AppEnv } from '../http/env.ts';

/** Parameters by name: each once, but for those that RFC 8707 §2 lets be repeated. */
export interface Form {
  readonly get: (name: string) => string | undefined;
  readonly resources: readonly string[];
}

const FORM = 'application/x-www-form-urlencoded';
const REPEATABLE = 'resource';

/** The body as OAuth has it (RFC 6749 appendix B). What is empty counts as left out, and what is not known is not looked at (§3.2). */
export async function readForm<Env extends AppEnv>(
  c: Context<Env>,
): Promise<{ readonly form: Form } | { readonly refusal: Refusal | HttpRefusal }> {
  const read = await readBytes(c);
  if ('refusal' in read) return read;
  const { bytes, mediaType } = read;
  if (bytes.length > 0 && mediaType !== FORM)
    return { refusal: { kind: 'unsupported_media_type', detail: `Send Content-Type: ${FORM}.` } };
  const text = textOf(bytes);
  if (text === null) return { refusal: { kind: 'invalid_json', detail: 'It is not UTF-8.' } };
  return formOf([...new URLSearchParams(text)]);
}

/** The same out of JSON, for systems that take either. */
export async function readFormOrJson<Env extends AppEnv>(
  c: Context<Env>,
): Promise<{ readonly form: Form } | { readonly refusal: Refusal | HttpRefusal }> {
  const [mediaType = ''] = (c.req.header('Content-Type') ?? '').split(';', 1);
  if (mediaType.trim().toLowerCase() === FORM) return readForm(c);
  const read = await readBytes(c);
  if ('refusal' in read) return read;
  const members = strings.safeParse(parsed(textOf(read.bytes)));
  return members.success
    ? formOf(Object.entries(members.data))
    : { refusal: { kind: 'invalid_json', detail: 'It must be a JSON object of strings.' } };
}

const strings = z.record(z.string(), z.string());

/** Pairs of names and values as a form, unless one is told twice. */
function formOf(
  pairs: readonly (readonly [string, string])[],
): { readonly form: Form } | { readonly refusal: Refusal } {
  const given = pairs.filter(([, value]) => value !== '');
  const single = given.filter(([name]) => name !== REPEATABLE);
  const values = new Map(single);
  if (values.size < single.length) {
    const repeated = KNOWN.find((name) => single.filter(([each]) => each === name).length > 1);
    const path = repeated ?? 'a parameter';
    return { refusal: { kind: 'invalid', faults: [{ path, message: 'must be there once' }] } };
  }
  const resources = given.filter(([name]) => name === REPEATABLE).map(([, value]) => value);
  return { form: { get: (name) => values.get(name), resources } };
}

/** Those that may be named in an answer: what else a client calls a parameter may be a secret that strayed. */
const KNOWN = ['grant_type', 'scope', 'client_id', 'client_secret', 'token', 'token_type_hint'];
