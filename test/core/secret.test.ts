import { describe, expect, test } from 'vitest';

import type { RandomSource } from '../../src/core/base62.ts';
import { checksum } from '../../src/core/checksum.ts';
import {
  digestOf,
  fingerprintOf,
  mintSecret,
  parseSecret,
  sameDigest,
  SECRET_PATTERN,
  startOf,
} from '../../src/core/secret.ts';

const webCrypto: RandomSource = (bytes) => crypto.getRandomValues(bytes);

describe('the checksum', () => {
  test("agrees with GitHub's published example", () => {
    expect(checksum('zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ')).toBe('0mLq17');
  });

  test('is always six characters', () => {
    for (let index = 0; index < 2_000; index++) expect(checksum(String(index))).toMatch(/^[0-9A-Za-z]{6}$/);
  });
});

describe('a minted secret', () => {
  test('has the published format, and parses', () => {
    for (const environment of ['live', 'test'] as const) {
      const secret = mintSecret('acme2', environment, webCrypto);
      expect(secret).toMatch(new RegExp(`^acme2_${environment}_[0-9A-Za-z]{38}$`));
      expect(secret).toMatch(new RegExp(`^${SECRET_PATTERN}$`));
      expect(parseSecret(secret)).toBe(secret);
      expect(startOf(secret)).toBe(secret.slice(0, `acme2_${environment}_`.length + 4));
      expect(fingerprintOf(secret)).toBe(secret.slice(-4));
    }
  });

  test('is what the random bytes say, and ignores those that would bias it', () => {
    let call = 0;
    const secret = mintSecret('mk', 'live', (bytes) => bytes.fill(call++ === 0 ? 255 : 61));
    expect(secret).toBe(`mk_live_${'z'.repeat(32)}${checksum('z'.repeat(32))}`);
    expect(call).toBe(2);
  });

  test('does not repeat in 100,000, and draws every character equally often', () => {
    const count = 100_000;
    const seen = new Set<string>();
    const frequency = new Map<string, number>();
    for (let index = 0; index < count; index++) {
      const body = mintSecret('mk', 'live', webCrypto).slice('mk_live_'.length, -6);
      seen.add(body);
      for (const character of body) frequency.set(character, (frequency.get(character) ?? 0) + 1);
    }
    expect(seen.size).toBe(count);
    expect(frequency.size).toBe(62);
    // Chi-squared with 61 degrees of freedom: a fair draw exceeds 138 once in about ten million runs. The bias of
    // taking bytes modulo 62 alone would give about 40,000.
    const expected = (count * 32) / 62;
    const chiSquared = [...frequency.values()].reduce(
      (sum, observed) => sum + (observed - expected) ** 2 / expected,
      0,
    );
    expect(chiSquared).toBeLessThan(138);
  });
});

describe('parsing refuses', () => {
  const secret = mintSecret('mk', 'live', webCrypto);
  const flipped = (secret.at(-1) === '0' ? '1' : '0').padStart(1);
  const malformed: Record<string, string> = {
    nothing: '',
    'a wrong checksum': secret.slice(0, -1) + flipped,
    'a mistyped character': secret.slice(0, 10) + (secret[10] === 'a' ? 'b' : 'a') + secret.slice(11),
    'a character too few': secret.slice(0, -1),
    'a character too many': `${secret}0`,
    'another environment': secret.replace('live', 'prod'),
    'an upper-case brand': secret.replace('mk', 'MK'),
    'a brand of one character': secret.replace('mk', 'm'),
    'a brand of seventeen characters': secret.replace('mk', 'm'.repeat(17)),
    'a brand that begins with a digit': secret.replace('mk', '1k'),
    'space before it': ` ${secret}`,
    'a line feed after it': `${secret}\n`,
    'a NUL within it': secret.replace('_live', '\0live'),
    'a lone surrogate': `${secret.slice(0, -1)}\ud800`,
    'look-alikes of other alphabets': secret.replace('mk', 'мк'),
    'a very long text': 'a'.repeat(60_000),
  };
  test.each(Object.entries(malformed))('%s', (_, text) => {
    expect(parseSecret(text)).toBeNull();
  });

  test('nothing on account of its brand', () => {
    expect(parseSecret(secret.replace('mk', 'another9'))).not.toBeNull();
  });
});

describe('a digest', () => {
  test("is SHA-256 in hexadecimal (FIPS 180-2's example)", async () => {
    expect(await digestOf('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  test('is equal to itself alone', async () => {
    const [one, other] = [await digestOf('one'), await digestOf('other')];
    expect(sameDigest(one, await digestOf('one'))).toBe(true);
    expect(sameDigest(one, other)).toBe(false);
  });
});
