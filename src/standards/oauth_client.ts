import type { Context } from 'hono';

import { isVisibleAscii } from '../contract/credential.ts';
import type { HttpRefusal } from '../contract/describe.ts';
import type { Caller } from '../core/caller.ts';
import { accept, refuse, type Refusal, type Result } from '../core/refusal.ts';
import { readCredential } from '../http/credential.ts';
import type { AppEnv } from '../http/env.ts';
import { readForm, type Form } from './form.ts';

/** Who calls, as OAuth has it (RFC 6749 §2.3.1): a service account, by one of its keys. */
export interface ClientCredentials {
  readonly clientId: string;
  readonly secret: string;
}

/** A call about a key or a token. */
export interface TokenCall {
  /** The caller's own. */
  readonly credential: string;
  /** Whose the caller says that it is; null: the caller does not say. */
  readonly clientId: string | null;
  /** What it asks about; undefined: it does not say. */
  readonly token: string | undefined;
}

const IS_BASIC = /^basic /i;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

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

/**
 * What is asked about and who asks: as a client, or as at every other call by a key or a token alone; as Basic that is the user
 * name, and the password is empty.
 */
export async function readTokenCall(
  c: Context<AppEnv>,
): Promise<TokenCall | { readonly refusal: Refusal | HttpRefusal }> {
  const read = await readForm(c);
  if ('refusal' in read) return read;
  const { form } = read;
  const token = form.get('token');
  const authorization = c.req.header('Authorization') ?? '';
  const isBare = basicClient(authorization)?.secret === '';
  if (form.get('client_secret') !== undefined || (IS_BASIC.test(authorization) && !isBare)) {
    const client = readClientCredentials(c, form);
    return client.ok ? { credential: client.value.secret, clientId: client.value.clientId, token } : client;
  }
  const credential = readCredential(c);
  return credential.ok ? { credential: credential.value, clientId: null, token } : credential;
}

/** Why a caller is not who it says that it is, or null. */
export function clientFault({ clientId }: TokenCall, { actor }: Pick<Caller, 'actor'>): Refusal | null {
  return clientId === null || clientId === actor.id
    ? null
    : { kind: 'invalid_credential', reason: 'a key of another account' };
}

export const TOKEN_NEEDED: Refusal = {
  kind: 'invalid',
  faults: [{ path: 'token', message: 'is required' }],
};

/** RFC 7617, with both parts form-encoded. */
function basicClient(authorization: string): ClientCredentials | null {
  if (!IS_BASIC.test(authorization)) return null;
  const encoded = authorization.slice('basic '.length).trim();
  if (!BASE64.test(encoded)) return null;
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
