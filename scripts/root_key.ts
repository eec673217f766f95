import { randomBytes } from 'node:crypto';

export const ROOT_KEY_NAME = 'MINTMARK_ROOT_KEY';

/** The Worker refuses root while its key is shorter. */
export const ROOT_KEY_MIN_CHARACTERS = 32;

/** 256 bits, beyond guessing. */
const ROOT_KEY_BYTES = 32;

/** Base64url needs no quoting, neither in a shell nor in `.dev.vars`. */
export function makeRootKey(): string {
  return randomBytes(ROOT_KEY_BYTES).toString('base64url');
}

/** What is wrong with a root key that a person chose; it has to fit into an HTTP header. */
export function rootKeyFault(rootKey: string): string | undefined {
  if (rootKey.length < ROOT_KEY_MIN_CHARACTERS)
    return `A root key has at least ${ROOT_KEY_MIN_CHARACTERS} characters.`;
  if (!/^[\x21-\x7e]*$/.test(rootKey)) return 'A root key is printable ASCII without spaces.';
  return undefined;
}
