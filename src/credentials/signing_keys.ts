import type { CryptoKey } from 'jose';

import { Misconfigured } from '../core/faults.ts';
import { jose } from './jose.ts';
import type { PrivateJwk, PublicJwk } from './jwk.ts';

/** ECDSA on P-256 with SHA-256 (RFC 7518 §3.4). */
export const SIGNING_ALGORITHM = 'ES256';

/** A member of the JWK set (RFC 7517 §4); `kid` is the key's thumbprint (RFC 7638). */
export interface PublishedJwk extends PublicJwk {
  readonly kid: string;
  readonly alg: typeof SIGNING_ALGORITHM;
  readonly use: 'sig';
}

interface Signer {
  readonly kid: string;
  readonly key: CryptoKey;
}

/** What access tokens are signed with, and what they are verified by: beside it the key that it replaced, while that is configured. */
export class SigningKeys {
  readonly #private: PrivateJwk | undefined;
  readonly #previous: PublicJwk | undefined;
  // Results, never promises: a request must not wait for another's.
  #published: readonly PublishedJwk[] | undefined;
  #signer: Signer | undefined;
  readonly #verifying = new Map<string, CryptoKey>();

  constructor(current: PrivateJwk | undefined, previous: PublicJwk | undefined) {
    this.#private = current;
    this.#previous = previous;
  }

  /** The public halves, newest first. */
  async published(): Promise<readonly PublishedJwk[]> {
    if (this.#published !== undefined) return this.#published;
    const keys = [this.#private, this.#previous].filter((key) => key !== undefined);
    const published = await Promise.all(keys.map(publishedOf));
    // The previous key may be the same one.
    this.#published = [...new Map(published.map((key) => [key.kid, key])).values()];
    return this.#published;
  }

  /** Throws `Misconfigured` where there is none. */
  async signer(): Promise<Signer> {
    if (this.#signer !== undefined) return this.#signer;
    if (this.#private === undefined) throw new Misconfigured('MINTMARK_SIGNING_KEY', 'is missing');
    const { kid } = await publishedOf(this.#private);
    const key = await imported(this.#private, 'MINTMARK_SIGNING_KEY');
    this.#signer = { kid, key };
    return this.#signer;
  }

  /** The public key of this `kid`; null: it is none of ours. */
  async verifier(kid: string): Promise<CryptoKey | null> {
    const known = this.#verifying.get(kid);
    if (known !== undefined) return known;
    const jwk = (await this.published()).find((each) => each.kid === kid);
    if (jwk === undefined) return null;
    const setting = jwk.x === this.#private?.x ? 'MINTMARK_SIGNING_KEY' : 'MINTMARK_SIGNING_KEY_PREVIOUS';
    const key = await imported(jwk, setting);
    this.#verifying.set(kid, key);
    return key;
  }
}

async function publishedOf({ kty, crv, x, y }: PublicJwk): Promise<PublishedJwk> {
  const { calculateJwkThumbprint } = await jose();
  const kid = await calculateJwkThumbprint({ kty, crv, x, y });
  return { kty, crv, x, y, kid, alg: SIGNING_ALGORITHM, use: 'sig' };
}

/** Only here it shows whether the coordinates are those of a point, and the private half theirs. */
async function imported(jwk: PublicJwk, setting: string): Promise<CryptoKey> {
  const { importJWK } = await jose();
  try {
    const key = await importJWK({ ...jwk }, SIGNING_ALGORITHM);
    if (key instanceof Uint8Array) throw new TypeError('a JWK of kty EC is no secret');
    return key;
  } catch {
    throw new Misconfigured(setting, 'is no key on P-256');
  }
}
