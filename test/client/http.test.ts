import { describe, expect, test } from 'vitest';

import { targetOf } from '../../src/client/http.ts';

const CREDENTIAL = 'mk_live_ksnetkmYlinIZ0e419x2M2zOYmsb9MlB0EdJB3';

const addressOf = (url: string | URL): string => targetOf({ url, credential: CREDENTIAL }).url;

function refuses(url: unknown, credential: unknown, message: RegExp): void {
  let thrown: unknown;
  try {
    targetOf({ url, credential } as Parameters<typeof targetOf>[0]);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(TypeError);
  expect(String(thrown)).toMatch(message);
  if (typeof credential === 'string' && credential.trim() !== '') {
    expect(String(thrown)).not.toContain(credential.trim());
  }
}

describe('an address', () => {
  test.for<[string, string]>([
    ['https://keys.example.com', 'https://keys.example.com'],
    ['https://keys.example.com/', 'https://keys.example.com'],
    ['HTTPS://Keys.Example.COM:443/', 'https://keys.example.com'],
    ['https://keys.example.com:8443', 'https://keys.example.com:8443'],
    ['https://example.com/keys', 'https://example.com/keys'],
    ['https://example.com/a/keys///', 'https://example.com/a/keys'],
    ['https://example.com/keys/../mint/', 'https://example.com/mint'],
    ['https://example.com/keys?a=1&b=/', 'https://example.com/keys'],
    ['https://example.com/keys/#/v2', 'https://example.com/keys'],
    ['https://ada:secret@example.com/keys', 'https://example.com/keys'],
    ['https://10.0.0.1', 'https://10.0.0.1'],
  ])('%s is called as %s', ([url, called]) => {
    expect(addressOf(url)).toBe(called);
    expect(addressOf(new URL(url))).toBe(called);
  });

  test.for([
    'http://localhost',
    'http://localhost:8787',
    'http://LOCALHOST:8787',
    'http://keys.localhost:8787',
    'http://a.b.localhost',
    'http://127.0.0.1:8787',
    'http://127.255.255.254',
    'http://127.1',
    'http://[::1]:8787',
    'http://[0:0:0:0:0:0:0:1]',
  ])('of this machine may be plain HTTP: %s', (url) => expect(addressOf(url)).toMatch(/^http:/));

  test.for([
    'http://keys.example.com',
    'http://10.0.0.1',
    'http://192.168.0.1',
    'http://0.0.0.0',
    'http://[::]',
    'http://[::2]',
    'http://128.0.0.1',
    'http://mintmark',
    'http://localhost.example.com',
    'http://notlocalhost',
    'http://127.0.0.1.example.com',
    'http://localhost@example.com',
    'http://example.com/localhost',
    'http://example.com#localhost',
    'ftp://localhost',
    'ws://localhost',
    'wss://keys.example.com',
    'file:///etc/passwd',
    'data:text/plain,localhost',
    'javascript:alert(1)',
    'localhost:8787',
    'blob:https://keys.example.com/1',
  ])('%s is refused: the credential would be read on its way, or go nowhere', (url) =>
    refuses(url, CREDENTIAL, /https/),
  );

  test.for(['', ' ', '/keys', 'keys.example.com', '//keys.example.com', 'https://', 'http://[::1', null, {}])(
    '%j is none',
    (url) => refuses(url, CREDENTIAL, /absolute URL/),
  );
  test('is none where there is none', () => refuses(undefined, CREDENTIAL, /absolute URL/));
});

describe('a credential', () => {
  test('may be any visible ASCII', () => {
    const credential = Array.from({ length: 94 }, (_, index) => String.fromCodePoint(0x21 + index)).join('');
    expect(targetOf({ url: 'https://keys.example.com', credential }).credential).toBe(credential);
  });

  test.for([
    '',
    ' ',
    `${CREDENTIAL} `,
    ` ${CREDENTIAL}`,
    `${CREDENTIAL}\n`,
    `${CREDENTIAL}\r\nX-Evil: 1`,
    `${CREDENTIAL}\0`,
    `${CREDENTIAL}\u007f`,
    `${CREDENTIAL}\u00e9`,
    '\ud800',
  ])('is no header’s: %j', (credential) => refuses('https://keys.example.com', credential, /visible ASCII/));

  test.for([undefined, null, 1, true, {}, [CREDENTIAL], { toString: () => CREDENTIAL }])(
    'is no text: %j',
    (credential) => refuses('https://keys.example.com', credential, /visible ASCII/),
  );

  test('is repeated in no message, nor is what stands in the address', () => {
    for (const url of [`http://${CREDENTIAL}`, `http://ada:${CREDENTIAL}@example.com`, CREDENTIAL]) {
      refuses(url, CREDENTIAL, /url/);
    }
  });
});
