import { MIN_ROOT_KEY_LENGTH } from './constants.ts';
import { digestOf, sameDigest, type Digest } from './secret.ts';

const isLongEnough = (key: string | undefined): key is string => (key?.length ?? 0) >= MIN_ROOT_KEY_LENGTH;

/** The root key, and the one that it replaces. Neither is kept but as configured, and compared as a digest. */
export class RootKeys {
  readonly #accepted: readonly string[];
  #digests: readonly Digest[] | null = null;
  readonly status: 'ok' | 'missing' | 'too_short';

  constructor(current: string | undefined, previous: string | undefined) {
    this.#accepted = [current, previous].filter(isLongEnough);
    this.status = isLongEnough(current) ? 'ok' : current ? 'too_short' : 'missing';
  }

  /** Whether this is the digest of a root key, in a time that does not depend on where it differs. */
  async match(digest: Digest): Promise<boolean> {
    this.#digests ??= await Promise.all(this.#accepted.map(digestOf));
    return this.#digests.map((accepted) => sameDigest(accepted, digest)).includes(true);
  }
}
