import { randomBytes } from 'node:crypto';

export const ROOT_KEY_NAME = 'MINTMARK_ROOT_KEY';

/** 256 bits, beyond guessing. */
const ROOT_KEY_BYTES = 32;

/** Base64url needs no quoting, neither in a shell nor in `.dev.vars`. */
export function makeRootKey(): string {
  return randomBytes(ROOT_KEY_BYTES).toString('base64url');
}
