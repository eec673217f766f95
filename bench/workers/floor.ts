import { Hono, type Context } from 'hono';

import type { Constant } from './bare.ts';

/** A constant answer, said by a `PUT`, and how many credentials are digested before it. */
export interface Floor extends Constant {
  readonly digests: number;
}

type Env = { Variables: { requestId: string } };

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
    await next();
  })
  .get('/v1/whoami', (c) => answer(c))
  .post('/v1/api-keys/verify', async (c) => {
    await c.req.json();
    return answer(c);
  })
  .all('/v1/forward-auth/:organization/:scopes/*', (c) => answer(c));

async function answer(c: Context<Env>): Promise<Response> {
  const { status, headers, body, digests } = constant;
  const credential = utf8.encode(c.req.header('Authorization') ?? '');
  for (let digested = 0; digested < digests; digested++)
    new Uint8Array(await crypto.subtle.digest('SHA-256', credential)).toHex();
  return new Response(body, { status, headers: { ...headers, 'X-Request-Id': c.get('requestId') } });
}

export default app;
