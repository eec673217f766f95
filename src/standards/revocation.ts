import { Hono } from 'hono';

import { timestampOf } from '../contract/resources.ts';
import type { AppEnv } from '../http/env.ts';
import type { Callers } from '../keyring/callers.ts';
import type { Surrenders } from '../keyring/surrenders.ts';
import { readForm } from './form.ts';
import { readClient } from './oauth_client.ts';
import { refused } from './oauth_error.ts';

/**
 * POST /oauth/revoke (RFC 7009): ends a key or a token, the caller's own or, where the caller may write keys, any of its
 * organization's. 200 as well where there is nothing to end.
 */
export function revocation(callers: Callers, surrenders: Surrenders) {
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
    const text = read.form.get('token');
    if (text === undefined)
      return refused(c, { kind: 'invalid', faults: [{ path: 'token', message: 'is required' }] });
    const ended = await surrenders.end(caller.value, text);
    if (!ended.ok) return refused(c, ended.refusal);
    const effectiveBy = ended.value?.effectiveBy ?? null;
    if (effectiveBy !== null) c.header('Mintmark-Effective-By', timestampOf(effectiveBy));
    return c.body(null, 200);
  });
}
