/** Digits in ASCII order, so that padded numbers sort as text as they do as numbers. */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE = ALPHABET.length;

/** The largest multiple of 62 that a byte can hold: bytes from here on would favour the first eight digits. */
const UNBIASED_LIMIT = 256 - (256 % BASE);

/** Fills the array with random bytes and returns it, as `crypto.getRandomValues` does. */
export type RandomSource = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;

/** A non-negative safe integer in base62, left-padded with `0` to `width`. */
export function toBase62(value: number, width: number): string {
  let digits = '';
  for (let rest = value; rest > 0; rest = Math.floor(rest / BASE)) {
    digits = ALPHABET.charAt(rest % BASE) + digits;
  }
  return digits.padStart(width, '0');
}

/** `length` characters of 0-9A-Za-z, each equally likely: a byte that would bias the draw is thrown away. */
export function randomBase62(length: number, random: RandomSource): string {
  let text = '';
  while (text.length < length) {
    for (const byte of random(new Uint8Array(2 * (length - text.length)))) {
      if (byte < UNBIASED_LIMIT && text.length < length) text += ALPHABET.charAt(byte % BASE);
    }
  }
  return text;
}
