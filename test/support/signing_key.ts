import { exportJWK, generateKeyPair } from 'jose';

/** A new private JWK, as JSON. */
export async function makeSigningKey(): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return JSON.stringify(await exportJWK(privateKey));
}
