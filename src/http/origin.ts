import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';

import type { CredentialHeaders } from '../contract/credential.ts';
import { MAX_IP_LENGTH, MIN_ROOT_KEY_LENGTH } from '../core/constants.ts';
import type { Platform } from '../core/platform.ts';
import type { RootKeys } from '../core/root_keys.ts';
import { digestOf, holdsSecret } from '../core/secret.ts';
import { userAgentOf } from '../core/user_agent.ts';
import type { AppEnv } from './env.ts';
import { contractWriter } from './refusal_writer.ts';

const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/;

/** Gives each request its id and its log, and each answer, errors too, the headers that every answer has. */
export function origin({ log, sleep }: Platform, rootKeys: RootKeys, assertionHeader: string | null = null) {
  const moreCarriers: CredentialHeaders = assertionHeader === null ? {} : { [assertionHeader]: ['bare'] };
  return createMiddleware<AppEnv>(async (c, next) => {
    const sent = c.req.header('X-Request-Id');
    const requestId = sent !== undefined && (await isKept(sent, rootKeys)) ? sent : crypto.randomUUID();
    c.set('origin', {
      requestId,
      ip: clientAddress(c),
      userAgent: userAgentOf(c.req.header('User-Agent') ?? ''),
    });
    c.set('log', log);
    c.set('sleep', sleep);
    c.set('moreCarriers', moreCarriers);
    c.set('writeRefusal', contractWriter);
    await next();
    c.res.headers.set('X-Request-Id', requestId);
    c.res.headers.set('Cache-Control', 'no-store');
  });
}

/** Only Cloudflare's own header: `X-Forwarded-For` is whatever a client says. */
function clientAddress(c: Context): string | null {
  return c.req.header('CF-Connecting-IP')?.slice(0, MAX_IP_LENGTH) ?? null;
}

/** A request's own id is kept if it is well-formed and is no credential that strayed there: ids are logged and stored. */
async function isKept(id: string, rootKeys: RootKeys): Promise<boolean> {
  if (!REQUEST_ID.test(id) || holdsSecret(id)) return false;
  return id.length < MIN_ROOT_KEY_LENGTH || !(await rootKeys.match(await digestOf(id)));
}
