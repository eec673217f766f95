import type { Context } from 'hono';

import { isVisibleAscii } from '../contract/credential.ts';
import { accept, refuse, type Refusal, type Result } from '../core/refusal.ts';
import { readCredential } from '../http/credential.ts';
import type { AppEnv } from '../http/env.ts';
import type { Form } from './form.ts';

/** Who calls, as OAuth has it (RFC 6749 §2.3.1): a service account, by one of its keys. */
export interface ClientCredentials {
  readonly clientId: string;
  readonly secret: string;
}

/** A credential of the contract's, and whose the caller says that it is; null: the caller does not say. */
export interface PresentedClient {
  readonly credential: string;
  readonly clientId: string | null;
}

const BASIC = /^Basic +([A-Za-z0-9+/]*={0,2}) *$/i;

const BAD: Refusal = { kind: 'invalid_credential', reason: 'MALFORMED' };

/** `client_id` and `client_secret`: by `Authorization: Basic`, each form-encoded, or in the form. Not in both, nor beside another credential. */
export function readClientCredentials<Env extends AppEnv>(
  c: Context<Env>,
  form: Form,
): Result<ClientCredentials> {
  const { headers } = c.req.raw;
  const authorization = headers.get('Authorization');
  const [clientId, secret] = [form.get('client_id'), form.get('client_secret')];
  const others = ['X-API-Key', ...Object.keys(c.get('moreCarriers'))];
  const isThere = authorization !== null || secret !== undefined;
  if (isThere && others.some((name) => headers.has(name))) return refuse({ kind: 'multiple_credentials' });
  if (authorization === null) {
    if (clientId === undefined || secret === undefined) return refuse({ kind: 'missing_credential' });
    return isVisibleAscii(secret) ? accept({ clientId, secret }) : refuse(BAD);
  }
  if (secret !== undefined) return refuse({ kind: 'multiple_credentials' });
  const client = basicClient(authorization);
  if (client === null) return refuse(BAD);
  return clientId === undefined || clientId === client.clientId ? accept(client) : refuse(BAD);
}

/** The same or, as at every other call, a key or a token by itself; as Basic it is the user name, and the password is empty. */
export function readClient(c: Context<AppEnv>, form: Form): Result<PresentedClient> {
  const authorization = c.req.header('Authorization') ?? '';
  const isBare = basicClient(authorization)?.secret === '';
  if (form.get('client_secret') !== undefined || (/^basic /i.test(authorization) && !isBare)) {
    const client = readClientCredentials(c, form);
    if (!client.ok) return client;
    return accept({ credential: client.value.secret, clientId: client.value.clientId });
  }
  const credential = readCredential(c);
  return credential.ok ? accept({ credential: credential.value, clientId: null }) : credential;
}

function basicClient(authorization: string): ClientCredentials | null {
  const [, encoded] = BASIC.exec(authorization) ?? [];
  if (encoded === undefined) return null;
  try {
    const text = atob(encoded);
    const colon = text.indexOf(':');
    const [clientId = '', secret = ''] = [text.slice(0, colon), text.slice(colon + 1)].map(decoded);
    const isGood = isVisibleAscii(clientId) && (secret === '' || isVisibleAscii(secret));
    return colon > 0 && isGood ? { clientId, secret } : null;
  } catch {
    return null;
  }
}

/** Throws for what is not form-encoded. */
const decoded = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
