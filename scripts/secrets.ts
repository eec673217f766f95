import { generateKeyPairSync, randomBytes } from 'node:crypto';

export const ROOT_KEY_NAME = 'MINTMARK_ROOT_KEY';
export const SIGNING_KEY_NAME = 'MINTMARK_SIGNING_KEY';

/** 256 bits, beyond guessing. */
const ROOT_KEY_BYTES = 32;

/** Base64url needs no quoting, neither in a shell nor in `.dev.vars`. */
export function makeRootKey(): string {
  return randomBytes(ROOT_KEY_BYTES).toString('base64url');
}

/** A private JWK for ES256, as JSON. */
export function makeSigningKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return JSON.stringify(privateKey.export({ format: 'jwk' }));
}

/** The secrets that a deployment has, and how each is made where it is missing. */
export const SECRETS = {
  [ROOT_KEY_NAME]: makeRootKey,
  [SIGNING_KEY_NAME]: makeSigningKey,
} as const;
export type SecretName = keyof typeof SECRETS;
