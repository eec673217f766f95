import { Hono, type Context } from 'hono';

import { verifyRequest } from '../../src/contract/verdict.ts';
import { readBody } from '../../src/http/body.ts';
import type { AppEnv } from '../../src/http/env.ts';
import { json } from '../../src/http/input.ts';
import { after } from '../after.ts';
import type { Constant } from './bare.ts';

/** A constant answer, said by a `PUT`, and how many credentials are digested before it. */
export interface Floor extends Constant {
  readonly digests: number;
}

/** Where a body is read as Mintmark reads it. */
export type CheckedPath = '/checked';

type Env = { Variables: AppEnv['Variables'] & { requestId: string } };

let constant: Floor = { status: 204, headers: {}, body: null, digests: 0 };
const utf8 = new TextEncoder();

/** Mintmark's most frequent calls without Mintmark: what the framework, the digests of credentials and an answer's headers cost. */
const app = new Hono<Env>()
  .put('/', async (c) => {
    constant = await c.req.json<Floor>();
    return c.body(null, 204);
  })
  .use(async (c, next) => {
    c.set('requestId', crypto.randomUUID());
    c.set('after', after);
    await next();
  })
  .get('/v1/whoami', (c) => answer(c))
  .post('/v1/api-keys/verify', async (c) => {
    await c.req.json();
    return answer(c);
  })
  .post('/checked' satisfies CheckedPath, readBody, json(verifyRequest), (c) => answer(c))
  .all('/v1/forward-auth/:organization/:scopes/*', (c) => answer(c));

async function answer(c: Context<Env>): Promise<Response> {
  const { status, headers, body, digests } = constant;
  const credential = utf8.encode(c.req.header('Authorization') ?? '');
  for (let digested = 0; digested < digests; digested++)
    new Uint8Array(await crypto.subtle.digest('SHA-256', credential)).toHex();
  return new Response(body, { status, headers: { ...headers, 'X-Request-Id': c.get('requestId') } });
}

export default app;
