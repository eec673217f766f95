import { expect } from 'vitest';

import type { Answer, TestService } from '../support/service.ts';

export const ISSUER = 'http://localhost';
export const DEFAULT_ORGANIZATION = 'org_000000000000000000000000';
export const FORM = 'application/x-www-form-urlencoded';

/** A service account, by one of its keys. */
export interface Client {
  /** The account's id. */
  readonly id: string;
  readonly keyId: string;
  readonly secret: string;
}

export const basic = (user: string, password: string): string => `Basic ${btoa(`${user}:${password}`)}`;

/** A new client, of a new account unless the key's fields name one. */
export async function newClient(
  service: TestService,
  account: Record<string, unknown> = { permissions: ['files:*'], role: 'admin' },
  fields: Record<string, unknown> = {},
): Promise<Client> {
  const { key, secret } = await service.key(fields, account);
  return { id: key.serviceAccountId, keyId: key.id, secret };
}

/** Parameters in order; a list for one that is repeated. */
export type Parameters = Readonly<Record<string, string | readonly string[]>>;

/** Posts a form to one of OAuth's endpoints. Without credential or headers it says nothing of who calls. */
export function post(
  service: TestService,
  endpoint: 'token' | 'introspect' | 'revoke',
  parameters: Parameters,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const pairs = Object.entries(parameters).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  );
  return service.call('POST', `/oauth/${endpoint}`, {
    credential: null,
    body: new URLSearchParams(pairs).toString(),
    headers: { 'Content-Type': FORM, ...headers },
  });
}

/** Asks for a token by Basic. */
export const request = (
  service: TestService,
  client: Pick<Client, 'id' | 'secret'>,
  parameters: Parameters = {},
): Promise<Answer> =>
  post(
    service,
    'token',
    { grant_type: 'client_credentials', ...parameters },
    { Authorization: basic(client.id, client.secret) },
  );

export async function getToken(
  service: TestService,
  client: Pick<Client, 'id' | 'secret'>,
  parameters: Parameters = {},
): Promise<string> {
  const { status, text, body } = await request(service, client, parameters);
  expect(status, text).toBe(200);
  return body.access_token;
}

/** As that caller: a key or a token, by Bearer. */
export const introspect = (service: TestService, credential: string, token: string): Promise<Answer> =>
  post(service, 'introspect', { token }, { Authorization: `Bearer ${credential}` });

export const revoke = (service: TestService, credential: string, token: string): Promise<Answer> =>
  post(service, 'revoke', { token }, { Authorization: `Bearer ${credential}` });

export const whoami = (
  service: TestService,
  credential: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> => service.call('GET', '/v1/whoami', { credential, headers });

/** The error of one of OAuth's answers, held to the form of RFC 6749 §5.2; or that it succeeded. */
export function oauthOutcome({ status, headers, body }: Answer): string {
  expect(headers.get('Cache-Control')).toBe('no-store');
  if (status < 400) return String(status);
  expect(headers.get('Content-Type')).toBe('application/json');
  expect(body).toEqual({
    error: expect.stringMatching(/^[a-z_]+$/),
    error_description: expect.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/),
  });
  return `${status} ${body.error}`;
}
