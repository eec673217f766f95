import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';

import { MAX_IP_LENGTH, MIN_ROOT_KEY_LENGTH } from '../core/constants.ts';
import type { Platform } from '../core/platform.ts';
import type { RootKeys } from '../core/root_keys.ts';
import { digestOf, holdsSecret } from '../core/secret.ts';
import { userAgentOf } from '../core/user_agent.ts';
import { NO_CARRIERS } from './credential.ts';
import type { AppEnv } from './env.ts';
import { contractWriter } from './refusal_writer.ts';
import { commonHeaders } from './whole.ts';

const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/;

/** What requests are begun with. */
interface Beginning {
  readonly platform: Pick<Platform, 'log' | 'after'>;
  readonly rootKeys: RootKeys;
  /** For refused credentials, which may come in floods. */
  readonly logRefused: Platform['log'];
  /** A header that carries a credential beside the contract's; null: none does. */
  readonly assertionHeader: string | null;
}

/** Gives each request its id and its log, and each answer, errors too, the headers that every answer has. */
export function origin({ platform, rootKeys, logRefused, assertionHeader }: Beginning) {
  const { log, after } = platform;
  const moreCarriers = assertionHeader === null ? NO_CARRIERS : { [assertionHeader]: ['bare' as const] };
  return createMiddleware<AppEnv>(async (c, next) => {
    const sent = c.req.header('X-Request-Id');
    const requestId = sent !== undefined && (await isKept(sent, rootKeys)) ? sent : crypto.randomUUID();
    c.set('origin', {
      requestId,
      ip: clientAddress(c),
      userAgent: userAgentOf(c.req.header('User-Agent') ?? ''),
    });
    c.set('log', log);
    c.set('logRefused', logRefused);
    c.set('after', after);
    c.set('moreCarriers', moreCarriers);
    c.set('writeRefusal', contractWriter);
    await next();
    const { headers } = c.res;
    if (headers.get('X-Request-Id') === requestId) return;
    for (const [name, value] of Object.entries(commonHeaders(requestId))) headers.set(name, value);
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
