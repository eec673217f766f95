import { calculateJwkThumbprint, SignJWT } from 'jose';

import { makeSigningKey } from '../../scripts/secrets.ts';

export const SIGNING_KEY = makeSigningKey();

const { d, ...PUBLIC } = JSON.parse(SIGNING_KEY);
/** Longer than any history lasts. */
const LIFETIME_SECONDS = 86_400;

const signed = new Map<string, string>();

/** A token of a key that may do all that the key may, for as long as it lives. `start`: epoch milliseconds. */
export async function tokenOf(
  { id: keyId, accountId }: { readonly id: string; readonly accountId: string | null },
  start: number,
): Promise<string> {
  // Histories repeat each other's ids.
  const name = `${keyId} of ${accountId}`;
  const known = signed.get(name);
  if (known !== undefined) return known;
  const iat = start / 1_000;
  const claims = {
    iss: 'http://localhost',
    aud: 'http://localhost',
    sub: accountId ?? '',
    client_id: accountId,
    scope: '*',
    key_id: keyId,
    jti: `${keyId}.simulated`,
    iat,
    exp: iat + LIFETIME_SECONDS,
  };
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: await calculateJwkThumbprint(PUBLIC) })
    .sign({ ...PUBLIC, d });
  signed.set(name, token);
  return token;
}
