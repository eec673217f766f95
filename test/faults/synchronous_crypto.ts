import {
  createHash,
  createPrivateKey,
  createPublicKey,
  KeyObject,
  sign,
  verify,
  type JsonWebKey,
  type webcrypto,
} from 'node:crypto';

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' };

const exact = ({ buffer, byteOffset, byteLength }: Buffer) =>
  buffer.slice(byteOffset, byteOffset + byteLength);

/** ECDSA as WebCrypto writes it: r and s beside one another. */
const keyOf = (key: webcrypto.CryptoKey) => ({
  key: KeyObject.from(key),
  dsaEncoding: 'ieee-p1363' as const,
});

/** What of WebCrypto the code under test calls, answered at once by Node's own. */
const SYNCHRONOUS = {
  digest: async (_: string, data: Uint8Array) => exact(createHash('sha256').update(data).digest()),
  importKey: async (_: string, jwk: JsonWebKey) =>
    jwk['d'] === undefined
      ? createPublicKey({ key: jwk, format: 'jwk' }).toCryptoKey(ECDSA, true, ['verify'])
      : createPrivateKey({ key: jwk, format: 'jwk' }).toCryptoKey(ECDSA, true, ['sign']),
  sign: async (_: object, key: webcrypto.CryptoKey, data: Uint8Array) =>
    exact(sign('sha256', data, keyOf(key))),
  verify: async (_: object, key: webcrypto.CryptoKey, signature: Uint8Array, data: Uint8Array) =>
    verify('sha256', data, keyOf(key), signature),
};

/** What workerd's arrays have, and Node's do not yet (Node 24). */
function makeArraysWriteHex(): void {
  if ('toHex' in Uint8Array.prototype) return;
  // oxlint-disable-next-line no-extend-native -- a standard method (ES2027), which the code under test calls
  Object.defineProperty(Uint8Array.prototype, 'toHex', {
    value(this: Uint8Array) {
      return Buffer.from(this).toString('hex');
    },
  });
}

/** WebCrypto answers from a thread of its own, at a time that no seed repeats. The answers are the same. */
export function makeCryptoSynchronous(): void {
  for (const [name, value] of Object.entries(SYNCHRONOUS))
    Object.defineProperty(crypto.subtle, name, { value });
  makeArraysWriteHex();
}
