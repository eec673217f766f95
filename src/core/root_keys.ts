import { MIN_ROOT_KEY_LENGTH } from './constants.ts';
import { digestOf, sameDigest, type Digest } from './secret.ts';

/** What a header can carry without being taken apart. */
const VISIBLE_ASCII = /^[\x21-\x7e]*$/;

/** Why a text can't be a root key, or null. */
export function rootKeyFault(rootKey: string): string | null {
  if (rootKey.length < MIN_ROOT_KEY_LENGTH)
    return `A root key has at least ${MIN_ROOT_KEY_LENGTH} characters.`;
  return VISIBLE_ASCII.test(rootKey) ? null : 'A root key is visible ASCII, without spaces.';
}

const isUsable = (rootKey: string | undefined): rootKey is string =>
  rootKey !== undefined && rootKeyFault(rootKey) === null;

/** The root key, and beside it the one that it replaces. Neither is kept but as configured, and compared as a digest. */
export class RootKeys {
  readonly #accepted: readonly string[];
  #digests: readonly Digest[] | null = null;
  /** Root is refused unless this is `ok`. */
  readonly status: 'ok' | 'missing' | 'unusable';

  constructor(current: string | undefined, previous: string | undefined) {
    this.#accepted = isUsable(current) ? [current, previous].filter(isUsable) : [];
    this.status = isUsable(current) ? 'ok' : current ? 'unusable' : 'missing';
  }

  /** Whether this is the digest of a root key, in a time that does not depend on where it differs. */
  async match(digest: Digest): Promise<boolean> {
    this.#digests ??= await Promise.all(this.#accepted.map(digestOf));
    return this.#digests.map((accepted) => sameDigest(accepted, digest)).includes(true);
  }
}
