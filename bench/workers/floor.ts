import { Hono } from 'hono';

const utf8 = new TextEncoder();

/** `whoami` without Mintmark: what the framework, the digest of the credential and the headers of an answer cost. */
const app = new Hono<{ Variables: { requestId: string } }>()
  .use(async (c, next) => {
    c.set('requestId', crypto.randomUUID());
    await next();
  })
  .get('/v1/whoami', async (c) => {
    const credential = c.req.header('Authorization') ?? '';
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', utf8.encode(credential))).toHex();
    const headers = {
      'Content-Type': 'application/json',
      'X-Request-Id': c.get('requestId'),
      'Cache-Control': 'no-store',
    };
    return new Response(JSON.stringify({ ...ANSWER, digest }), { headers });
  });

const ANSWER = {
  type: 'service_account',
  organizationId: 'org_000000000000000000000000',
  scopes: ['files:read', 'files:write'],
  key: { name: 'key', environment: 'live', expiresAt: '2027-02-19T00:40:44.338Z' },
};

export default app;
