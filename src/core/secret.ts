import { randomBase62, type RandomSource } from './base62.ts';
import { checksum } from './checksum.ts';
import {
  SECRET_CHECKSUM_LENGTH,
  SECRET_FINGERPRINT_LENGTH,
  SECRET_RANDOM_LENGTH,
  SECRET_START_LENGTH,
} from './constants.ts';

export const ENVIRONMENTS = ['live', 'test'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** The whole key. It exists in the answer that minted it, and nowhere else. */
export type Secret = string & { readonly __brand: 'Secret' };
/** SHA-256 of a whole secret, in lower-case hexadecimal: what is stored and looked up. */
export type Digest = string & { readonly __brand: 'Digest' };

/** The version of the format below; a key of another format would get another number. */
export const SECRET_FORMAT_VERSION = 1;

/**
 * Matches every key of every deployment: `<brand>_<live|test>_<32 random base62><6 checksum>`.
 * Published at `/.well-known/mintmark`, so that scanners can find leaked keys.
 */
export const SECRET_PATTERN = `[a-z][a-z0-9]{1,15}_(?:${ENVIRONMENTS.join('|')})_[0-9A-Za-z]{${SECRET_RANDOM_LENGTH + SECRET_CHECKSUM_LENGTH}}`;

const WHOLE_SECRET = new RegExp(`^${SECRET_PATTERN}$`);

/** A new secret under a brand of `[a-z][a-z0-9]{1,15}`, with 190 random bits. */
export function mintSecret(brand: string, environment: Environment, random: RandomSource): Secret {
  const body = randomBase62(SECRET_RANDOM_LENGTH, random);
  return `${brand}_${environment}_${body}${checksum(body)}` as Secret;
}

/** The text as a secret if its format and checksum are right, else null. No look-up, no I/O. */
export function parseSecret(text: string): Secret | null {
  if (!WHOLE_SECRET.test(text)) return null;
  const body = text.slice(-(SECRET_RANDOM_LENGTH + SECRET_CHECKSUM_LENGTH), -SECRET_CHECKSUM_LENGTH);
  return checksum(body) === text.slice(-SECRET_CHECKSUM_LENGTH) ? (text as Secret) : null;
}

/** A lookahead, since what looks like a secret may overlap one. */
const ANY_SECRET = new RegExp(`(?=(${SECRET_PATTERN}))`, 'g');

/** Whether a secret stands anywhere in a text that is about to be kept or shown. */
export function holdsSecret(text: string): boolean {
  return [...text.matchAll(ANY_SECRET)].some(([, found = '']) => parseSecret(found) !== null);
}

/** A JWT's header is an object in base64url, which begins with `{` and what JSON takes after that. */
const ANY_TOKEN = /e[wy][\w-]{10,}\.[\w-]{4}/;

/** Whether a JWT, or the start of one, stands in a short text that is about to be kept or shown. */
export function holdsToken(text: string): boolean {
  return ANY_TOKEN.test(text);
}

/** Brand, environment and the first four random characters: shown in lists. */
export function startOf(secret: Secret): string {
  return secret.slice(0, SECRET_START_LENGTH - (SECRET_RANDOM_LENGTH + SECRET_CHECKSUM_LENGTH));
}

/** The last four characters: shown in lists. */
export function fingerprintOf(secret: Secret): string {
  return secret.slice(-SECRET_FINGERPRINT_LENGTH);
}

const utf8 = new TextEncoder();

/** SHA-256 of any text, in lower-case hexadecimal. */
export async function digestOf(text: string): Promise<Digest> {
  const hash = await crypto.subtle.digest('SHA-256', utf8.encode(text));
  return new Uint8Array(hash).toHex() as Digest;
}

/** Whether two digests are equal, in a time that does not depend on where they differ. */
export function sameDigest(left: Digest, right: Digest): boolean {
  let difference = left.length ^ right.length;
  for (let index = 0; index < left.length; index++) {
    difference |= left.charCodeAt(index) ^ right.charCodeAt(index);
  }
  return difference === 0;
}
