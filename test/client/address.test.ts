import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { edgeAddress, ipOf } from '../../src/client/address.ts';
import { ip } from '../../src/contract/fields.ts';

const isIp = (text: string): boolean => ip.safeParse(text).success;

const address = fc.oneof(fc.ipV4(), fc.ipV6());

/** An address with a character of it gone, another in its place, or one more. */
const mangled = fc
  .tuple(
    address,
    fc.nat(),
    fc.nat({ max: 1 }),
    fc.oneof(
      fc.constantFrom('', '::', '256', '00', '\u0661'),
      fc.string({ unit: fc.constantFrom(...Array.from('0159afgAF:.%[]/ \n\t-x')), maxLength: 1 }),
    ),
  )
  .map(([text, place, taken, put]) => {
    const at = place % (text.length + 1);
    return text.slice(0, at) + put + text.slice(at + taken);
  });

const texts = fc.oneof(address, mangled, fc.ipV4Extended(), fc.string(), fc.string({ unit: 'grapheme' }));

describe('a client’s address', () => {
  test('is told only if the contract takes it, and as it is', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const kept = ipOf(text);
        expect(kept === undefined || (kept === text && isIp(kept)), text).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  test('is told whenever the contract takes it', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(ipOf(text), text).toBe(isIp(text) ? text : undefined);
      }),
      { numRuns: 3_000 },
    );
  });

  test.for([
    '0.0.0.0',
    '255.255.255.255',
    '198.51.100.7',
    '::',
    '::1',
    '2001:DB8::A',
    '2001:db8:0:0:0:0:0:1',
    '::ffff:192.0.2.1',
    '0000:0000:0000:0000:0000:ffff:255.255.255.255',
  ])('may be %s', (text) => expect(ipOf(text)).toBe(text));

  test.for([
    '',
    ' ',
    'unknown',
    'localhost',
    '198.51.100',
    '198.51.100.256',
    '198.51.100.07',
    '0x7f.1',
    '2130706433',
    '198.51.100.7 ',
    ' 198.51.100.7',
    '198.51.100.7\n',
    '198.51.100.7:443',
    '198.51.100.7, 192.0.2.1',
    '\u0661.1.1.1',
    ':',
    ':::',
    '1::2::3',
    'fe80::1%eth0',
    '[::1]',
    '::1]/[::1',
    '[::1]:443',
    '::1\n',
    '::g',
    '12345::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::ffff:192.0.2.256',
  ])('can’t be %j', (text) => expect(ipOf(text)).toBeUndefined());

  test('need not be known', () => {
    expect([undefined, null].map((none) => ipOf(none))).toEqual([undefined, undefined]);
  });

  test('stands, in a Worker, in the header that Cloudflare sets, and in no other', () => {
    expect(edgeAddress(new Headers({ 'CF-Connecting-IP': '198.51.100.7' }))).toBe('198.51.100.7');
    const others = ['X-Forwarded-For', 'X-Real-IP', 'True-Client-IP', 'Forwarded', 'CF-Connecting-IPv6'];
    expect(edgeAddress(new Headers(others.map((name) => [name, '198.51.100.7'])))).toBeNull();
  });
});
