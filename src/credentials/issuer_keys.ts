import type { createLocalJWKSet, CryptoKey, JWTHeaderParameters } from 'jose';
import * as z from 'zod/mini';

import {
  ISSUER_KEYS_COOLDOWN_MS,
  ISSUER_KEYS_GRACE_MS,
  ISSUER_KEYS_TTL_MS,
  ISSUER_PATIENCE_MS,
  ISSUER_RETRY_MS,
  MAX_ISSUER_ANSWER_BYTES,
} from '../core/constants.ts';
import { Unavailable } from '../core/faults.ts';
import { isSafeUrl } from '../core/issuer.ts';
import type { Platform } from '../core/platform.ts';
import { readBounded } from '../core/read_bounded.ts';
import { within } from '../core/within.ts';
import { jose } from './jose.ts';

/** RFC 7517 §5: members that are not understood are passed over. Secret keys have no place in what is public. */
const keySet = z.object({
  keys: z.pipe(
    z.array(z.unknown()),
    z.transform((keys: unknown[]) =>
      keys.map((key) => publicKey.safeParse(key).data).filter((key) => key !== undefined),
    ),
  ),
});
const publicKey = z.looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']) });

/** OpenID Connect Discovery 1.0 §4.3: what it says of its issuer must be what it was asked for. */
const configuration = (issuer: string) => z.object({ issuer: z.literal(issuer), jwks_uri: z.string() });

interface Known {
  readonly find: ReturnType<typeof createLocalJWKSet>;
  readonly readAt: number;
}

/** The public keys of a trusted issuer, as its JWK set has them, remembered for a while. */
export class IssuerKeys {
  readonly #issuer: string;
  readonly #jwksUrl: string | null;
  readonly #platform: Platform;
  #known: Known | undefined;
  #pausedUntil = -Infinity;

  /** `jwksUrl` null: the issuer's own configuration tells it. */
  constructor(issuer: string, jwksUrl: string | null, platform: Platform) {
    this.#issuer = issuer;
    this.#jwksUrl = jwksUrl;
    this.#platform = platform;
  }

  /**
   * The key that a header names; null: the issuer has none such. What is not known may be new, and the issuer is asked, though not
   * for every token that says so, nor where it must not be (`mayAsk`). Throws `Unavailable` where the issuer must be asked and does not answer.
   */
  async find(header: JWTHeaderParameters, mayAsk: boolean): Promise<CryptoKey | null> {
    if (!mayAsk) {
      const young = this.#young();
      return young === undefined ? null : keyIn(young, header);
    }
    const known = await this.#fresh();
    const found = await keyIn(known, header);
    if (found !== null || this.#platform.clock() - known.readAt < ISSUER_KEYS_COOLDOWN_MS) return found;
    const newer = await this.#refreshed(known);
    // It may be there, and nobody could look.
    if (newer === known) throw new Unavailable('the issuer was not asked');
    return keyIn(newer, header);
  }

  async #fresh(): Promise<Known> {
    return this.#young() ?? this.#refreshed(this.#known);
  }

  /** What is known, while nobody needs to ask again. */
  #young(): Known | undefined {
    const known = this.#known;
    return known !== undefined && this.#platform.clock() - known.readAt < ISSUER_KEYS_TTL_MS
      ? known
      : undefined;
  }

  /** What the issuer says now or, where it can't be asked, what it said last. */
  async #refreshed(known: Known | undefined): Promise<Known> {
    const now = this.#platform.clock();
    const isUsable = known !== undefined && now - known.readAt < ISSUER_KEYS_GRACE_MS;
    if (now < this.#pausedUntil) {
      if (isUsable) return known;
      throw new Unavailable('the issuer did not answer');
    }
    // A lease: whoever comes meanwhile goes by what is known. Who knows nothing asks as well, and waits for no other.
    if (isUsable) this.#pausedUntil = now + ISSUER_RETRY_MS;
    try {
      const find = await within(this.#platform, ISSUER_PATIENCE_MS, this.#read());
      this.#pausedUntil = -Infinity;
      this.#known = { find, readAt: now };
      return this.#known;
    } catch (error) {
      this.#pausedUntil = now + ISSUER_RETRY_MS;
      this.#platform.log({ level: 'warn', event: 'issuer_unreachable', error: String(error) });
      if (isUsable) return known;
      throw new Unavailable('the issuer did not answer', { cause: error });
    }
  }

  async #read(): Promise<Known['find']> {
    const url = this.#jwksUrl ?? (await this.#discover());
    const { createLocalJWKSet } = await jose();
    return createLocalJWKSet(keySet.parse(await this.#ask(url)));
  }

  async #discover(): Promise<string> {
    const url = `${this.#issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const { jwks_uri } = configuration(this.#issuer).parse(await this.#ask(url));
    if (!isSafeUrl(jwks_uri)) throw new Error('jwks_uri is not https');
    return jwks_uri;
  }

  async #ask(url: string): Promise<unknown> {
    const { fetch, after } = this.#platform;
    const response = await fetch(url, AbortSignal.timeout(ISSUER_PATIENCE_MS));
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`${url} answered ${response.status}`);
    }
    const bytes = await readBounded(response, MAX_ISSUER_ANSWER_BYTES, ISSUER_PATIENCE_MS, after);
    if (typeof bytes === 'string') throw new Error(`${url}: its answer is ${bytes}`);
    return JSON.parse(new TextDecoder().decode(bytes));
  }
}

async function keyIn({ find }: Known, header: JWTHeaderParameters): Promise<CryptoKey | null> {
  const { errors } = await jose();
  try {
    return await find(header);
  } catch (error) {
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
}
