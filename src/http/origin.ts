import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';

import { MAX_IP_LENGTH, MAX_USER_AGENT_LENGTH } from '../core/constants.ts';
import type { Platform } from '../core/platform.ts';
import type { AppEnv } from './env.ts';

const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/;

/** Gives each request its id and its log, and each answer, errors too, the headers that every answer has. */
export function origin(log: Platform['log']) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const sent = c.req.header('X-Request-Id');
    const requestId = sent !== undefined && REQUEST_ID.test(sent) ? sent : crypto.randomUUID();
    c.set('origin', { requestId, ip: clientAddress(c), userAgent: userAgent(c) });
    c.set('log', log);
    await next();
    c.res.headers.set('X-Request-Id', requestId);
    c.res.headers.set('Cache-Control', 'no-store');
  });
}

/** Only Cloudflare's own header: `X-Forwarded-For` is whatever a client says. */
function clientAddress(c: Context): string | null {
  return c.req.header('CF-Connecting-IP')?.slice(0, MAX_IP_LENGTH) ?? null;
}

function userAgent(c: Context): string | null {
  return c.req.header('User-Agent')?.slice(0, MAX_USER_AGENT_LENGTH).toWellFormed() ?? null;
}
