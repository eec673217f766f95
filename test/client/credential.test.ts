import { describe, expect, test } from 'vitest';

import { headersOf, isCarriers, type Carrier } from '../../src/client/carriers.ts';
import { credentialIn } from '../../src/contract/credential.ts';

const KEY = 'mk_live_ksnetkmYlinIZ0e419x2M2zOYmsb9MlB0EdJB3';
const OTHER = 'mk_live_F6zRo5cCKaVm63gJ8HGiIKmiClz4vAsh17ZrTl';

const basic = (text: string): string => `Basic ${btoa(text)}`;
const own: Carrier = { header: 'X-Acme-Key' };

type Sent = Readonly<Record<string, string>>;

const read = (headers: Sent, from: readonly Carrier[]) => credentialIn(new Headers(headers), headersOf(from));
const accepts = (headers: Sent, ...from: readonly Carrier[]) =>
  expect(read(headers, from)).toEqual({ credential: KEY });
const refuses = (fault: string, headers: Sent, ...from: readonly Carrier[]) =>
  expect(read(headers, from), JSON.stringify(headers)).toEqual({ fault });

describe('a key is read', () => {
  test('as a Bearer token', () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER', 'Bearer  ']) {
      accepts({ Authorization: `${scheme} ${KEY}` }, 'bearer');
    }
  });

  test('as the user name of Basic, with or without a colon, whatever the password', () => {
    for (const text of [KEY, `${KEY}:`, `${KEY}:${OTHER}`, `${KEY}:a:b`]) {
      accepts({ Authorization: basic(text) }, 'basic');
    }
    accepts({ Authorization: `basic ${btoa(KEY).replaceAll('=', '')}` }, 'basic');
  });

  test('bare, in a header of its own, by whatever case it is named', () => {
    accepts({ 'x-acme-key': KEY }, own);
    accepts({ Authorization: KEY }, { header: 'authorization' });
  });

  test('in whichever of several carriers it comes', () => {
    for (const headers of [
      { Authorization: `Bearer ${KEY}` },
      { Authorization: basic(KEY) },
      { 'X-Acme-Key': KEY },
    ]) {
      accepts(headers, 'bearer', 'basic', own);
      accepts(headers, own, 'basic', 'bearer');
    }
  });

  test('past headers that are no carriers', () => {
    accepts({ Authorization: `Bearer ${KEY}`, 'X-Acme-Key': OTHER, 'X-API-Key': OTHER }, 'bearer');
    accepts({ Authorization: `Bearer ${OTHER}`, 'X-Acme-Key': KEY }, own);
  });
});

describe('no key is', () => {
  test('what comes by another way than those that are named', () => {
    const all: readonly Carrier[] = ['bearer', 'basic', own];
    const ways: readonly (readonly [Carrier, Sent])[] = [
      ['bearer', { Authorization: `Bearer ${KEY}` }],
      ['basic', { Authorization: basic(KEY) }],
      [own, { 'X-Acme-Key': KEY }],
    ];
    for (const [carrier, headers] of ways) {
      refuses('missing_credential', headers, ...all.filter((other) => other !== carrier));
    }
  });

  test('anything at all where no carrier is named', () => {
    for (const headers of [{}, { Authorization: `Bearer ${KEY}` }, { Authorization: KEY, bearer: KEY }]) {
      refuses('missing_credential', headers);
    }
  });

  test('a scheme without a credential, a blank, or another scheme', () => {
    for (const written of ['', ' ', 'Bearer', 'Bearer ', 'Basic', basic(''), basic(':'), basic(`:${KEY}`)]) {
      refuses('missing_credential', { Authorization: written }, 'bearer', 'basic');
    }
    for (const written of [KEY, `Bearer${KEY}`, `Token ${KEY}`, `bare ${KEY}`, `Bearer:${KEY}`]) {
      refuses('missing_credential', { Authorization: written }, 'bearer', 'basic');
    }
    refuses('missing_credential', { 'X-Acme-Key': '' }, own);
  });
});

describe('a key is refused', () => {
  test('if it has more than visible ASCII', () => {
    for (const written of [`${KEY} ${KEY}`, 'k\u00e9y', `${KEY}\tx`]) {
      refuses('invalid_credential', { Authorization: `Bearer ${written}` }, 'bearer');
      refuses('invalid_credential', { 'X-Acme-Key': written }, own);
    }
    for (const name of [`${KEY}\0`, `${KEY}\n`, `${KEY}\r\nX-Evil: 1`, ` ${KEY}`, '\u00ff']) {
      refuses('invalid_credential', { Authorization: basic(name) }, 'basic');
    }
  });

  test('if its base64 is no good', () => {
    for (const written of ['!!!', 'a', '=', `${btoa(KEY)}!`, '%%', 'YQ=Y', 'YQ-_', KEY]) {
      refuses('invalid_credential', { Authorization: `Basic ${written}` }, 'basic');
    }
  });

  test('if there are two, even two that are equal', () => {
    const written = [`Bearer ${KEY}`, basic(KEY), `Bearer ${OTHER}`];
    for (const first of written) {
      refuses('multiple_credentials', { Authorization: first, 'X-Acme-Key': KEY }, 'bearer', 'basic', own);
      for (const second of written) {
        refuses('multiple_credentials', { Authorization: `${first}, ${second}` }, 'bearer', 'basic');
      }
    }
    refuses('multiple_credentials', { 'X-Acme-Key': `${KEY}, ${KEY}` }, own);
    refuses('multiple_credentials', { 'X-Acme-Key': KEY, 'X-Other-Key': '' }, own, { header: 'X-Other-Key' });
  });
});

test('however it is laid out, is read in one pass', () => {
  // Of quadratic cost, a million of them would take longer than a test may. Real headers would log what is no ASCII.
  const readAs = (value: string) => credentialIn({ get: () => value }, headersOf(['bearer']));
  const spaces = ' '.repeat(1_000_000);
  expect(readAs(`Bearer${spaces}x\u2028y`)).toEqual({ fault: 'invalid_credential' });
  expect(readAs(`Bearer${spaces}${KEY}`)).toEqual({ credential: KEY });
});

test.for<[unknown, boolean]>([
  ['bearer', true],
  [own, true],
  [['bearer', 'basic', own, { header: 'X-Other-Key' }], true],
  [{ header: 'Authorization' }, true],
  [[], false],
  [undefined, false],
  [null, false],
  ['Bearer', false],
  ['cookie', false],
  [{ header: 'X Acme Key' }, false],
  [{ header: '' }, false],
  [['bearer', 'bearer'], false],
  [[own, { header: 'x-acme-key' }], false],
  [['basic', { header: 'authorization' }], false],
])('whether a key may come by %j: %s', ([carriers, isGood]) => expect(isCarriers(carriers)).toBe(isGood));
