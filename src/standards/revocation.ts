import { Hono } from 'hono';

import { timestampOf } from '../contract/resources.ts';
import { MAX_REVOKED_TOKENS, RETRY_AFTER_SECONDS } from '../core/constants.ts';
import type { AppEnv } from '../http/env.ts';
import type { Callers } from '../keyring/callers.ts';
import type { Surrenders } from '../keyring/surrenders.ts';
import type { Uses } from '../verifier/uses.ts';
import { readForm } from './form.ts';
import { readClient } from './oauth_client.ts';
import { errorBody, refused } from './oauth_error.ts';

const TOO_MUCH = `At most ${MAX_REVOKED_TOKENS} of a key's tokens can be ended ahead of their time at once. Try again, or end the key.`;

/**
 * POST /oauth/revoke (RFC 7009): ends a key or a token, the caller's own or, where the caller may write keys, any of its
 * organization's. 200 as well where there is nothing to end.
 */
export function revocation(callers: Callers, surrenders: Surrenders, uses: Uses, clock: () => number) {
  return new Hono<AppEnv>().post('/', async (c) => {
    const read = await readForm(c);
    if ('refusal' in read) return refused(c, read.refusal);
    const client = readClient(c, read.form);
    if (!client.ok) return refused(c, client.refusal);
    const { credential, clientId } = client.value;
    const named = c.req.header('Mintmark-Organization');
    const caller = await callers.identify(credential, named === undefined ? [] : [named], c.get('origin'));
    if (!caller.ok) return refused(c, caller.refusal);
    if (clientId !== null && caller.value.actor.id !== clientId)
      return refused(c, { kind: 'invalid_credential', reason: 'a key of another account' });
    const { credential: record } = caller.value;
    if (record !== null) uses.note(record, { at: clock(), ...c.get('origin') });
    const text = read.form.get('token');
    if (text === undefined)
      return refused(c, { kind: 'invalid', faults: [{ path: 'token', message: 'is required' }] });
    const ended = await surrenders.end(caller.value, text);
    if (!ended.ok && ended.refusal.kind === 'conflict') {
      // RFC 7009 §2.2.1: the client is to try again.
      const body = errorBody('temporarily_unavailable', TOO_MUCH);
      return c.json(body, 503, { 'Retry-After': String(RETRY_AFTER_SECONDS) });
    }
    if (!ended.ok) return refused(c, ended.refusal);
    const effectiveBy = ended.value?.effectiveBy ?? null;
    if (effectiveBy !== null) c.header('Mintmark-Effective-By', timestampOf(effectiveBy));
    return c.body(null, 200);
  });
}
