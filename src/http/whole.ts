import type { Context } from 'hono';

import type { AppEnv } from './env.ts';

/** What every answer has. */
export function commonHeaders(requestId: string): Readonly<Record<string, string>> {
  return { 'X-Request-Id': requestId, 'Cache-Control': 'no-store' };
}

/**
 * An answer with what every answer has, made in one piece, where a header that is set afterwards would be felt. To the others
 * `origin` adds it.
 */
export function whole<Env extends AppEnv>(
  c: Context<Env>,
  body: string | null,
  status: number,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(body, { status, headers: { ...headers, ...commonHeaders(c.get('origin').requestId) } });
}

/** {@link whole}, of JSON. */
export function wholeJson<Env extends AppEnv>(c: Context<Env>, body: object): Response {
  return whole(c, JSON.stringify(body), 200, { 'Content-Type': 'application/json' });
}
