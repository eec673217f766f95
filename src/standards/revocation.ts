import { Hono } from 'hono/tiny';

import { timestampOf } from '../contract/resources.ts';
import { MAX_REVOKED_TOKENS, REVOKED_TOKENS_RETRY_SECONDS } from '../core/constants.ts';
import type { AppEnv } from '../http/env.ts';
import type { Callers } from '../keyring/callers.ts';
import type { Surrenders } from '../keyring/surrenders.ts';
import { clientFault, readTokenCall, TOKEN_NEEDED } from './oauth_client.ts';
import { errorBody, refused } from './oauth_error.ts';

const TOO_MUCH = `At most ${MAX_REVOKED_TOKENS} of a key's tokens can be ended ahead of their time at once. Try again, or end the key.`;

/**
 * POST /oauth/revoke (RFC 7009): ends a key or a token, the caller's own or, where the caller may write keys, any of its
 * organization's. 200 as well where there is nothing to end.
 */
export function revocation(callers: Callers, surrenders: Surrenders) {
  return new Hono<AppEnv>().post('/', async (c) => {
    const call = await readTokenCall(c);
    if ('refusal' in call) return refused(c, call.refusal);
    const named = c.req.header('Mintmark-Organization');
    const origin = c.get('origin');
    const caller = await callers.identify(call.credential, named === undefined ? [] : [named], origin);
    if (!caller.ok) return refused(c, caller.refusal);
    const fault = clientFault(call, caller.value);
    if (fault !== null) return refused(c, fault);
    callers.noteUse(caller.value);
    if (call.token === undefined) return refused(c, TOKEN_NEEDED);
    const ended = await surrenders.end(caller.value, call.token);
    if (!ended.ok && ended.refusal.kind === 'conflict') {
      // RFC 7009 §2.2.1: the client is to try again.
      const body = errorBody('temporarily_unavailable', TOO_MUCH);
      return c.json(body, 503, { 'Retry-After': String(REVOKED_TOKENS_RETRY_SECONDS) });
    }
    if (!ended.ok) return refused(c, ended.refusal);
    const effectiveBy = ended.value?.effectiveBy ?? null;
    if (effectiveBy !== null) c.header('Mintmark-Effective-By', timestampOf(effectiveBy));
    return c.body(null, 200);
  });
}
