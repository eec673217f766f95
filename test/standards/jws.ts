import { base64url, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';

import { SIGNING_KEY } from '../support/service.ts';

export type Json = Readonly<Record<string, unknown>>;

/** What a test signs with: the header's `alg` says nothing of it. */
export type Sign = (input: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

export const PRIVATE_JWK: JWK & { kty: string; crv: string; x: string; y: string; d: string } =
  JSON.parse(SIGNING_KEY);
export const PUBLIC_JWK = { kty: 'EC', crv: 'P-256', x: PRIVATE_JWK.x, y: PRIVATE_JWK.y };

export const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(new TextEncoder().encode(text));

/** A part of a JWS: text as it is, and all else as JSON. */
export const part = (value: unknown): string =>
  base64url.encode(typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value));

/** RFC 7515 §7.1, whatever the header and the payload are. */
export async function jws(header: unknown, payload: unknown, sign: Sign): Promise<string> {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${base64url.encode(await sign(bytesOf(input)))}`;
}

/** Header, payload and signature of a token, the first two read. */
export function taken(token: string): { header: Json; payload: Json; parts: [string, string, string] } {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const read = (text: string): Json => JSON.parse(new TextDecoder().decode(base64url.decode(text)));
  return { header: read(header), payload: read(payload), parts: [header, payload, signature] };
}

export const byKey =
  (key: CryptoKey, algorithm: SubtleCryptoSignAlgorithm): Sign =>
  async (input) =>
    new Uint8Array(await crypto.subtle.sign(algorithm, key, input));

export const bySecret =
  (secret: Uint8Array<ArrayBuffer>): Sign =>
  async (input) => {
    const hmac = { name: 'HMAC', hash: 'SHA-256' };
    const key = await crypto.subtle.importKey('raw', secret, hmac, false, ['sign']);
    return new Uint8Array(await crypto.subtle.sign('HMAC', key, input));
  };

export const ES256 = { name: 'ECDSA', hash: 'SHA-256' };

/** The deployment's own key: what it signs is genuine, whatever it says. */
export const genuinely: Sign = async (input) => byKey(await privateKey(), ES256)(input);

async function privateKey(): Promise<CryptoKey> {
  const key = await importJWK(PRIVATE_JWK, 'ES256');
  if (key instanceof Uint8Array) throw new TypeError('not a key pair');
  return key;
}

/** A key pair of somebody else's. */
export async function stranger(algorithm = 'ES256', options: { crv?: string } = {}) {
  const { privateKey: key, publicKey } = await generateKeyPair(algorithm, { extractable: true, ...options });
  return { key, jwk: await exportJWK(publicKey) };
}
