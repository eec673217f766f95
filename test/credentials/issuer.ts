import { base64url, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose';

/** A key pair of an issuer, as it signs and as it is published. */
export interface IssuerKey {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export async function makeKey(alg: string, kid: string = crypto.randomUUID()): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

export const without = (jwk: JWK, ...names: readonly string[]): JWK =>
  Object.fromEntries(Object.entries(jwk).filter(([name]) => !names.includes(name)));

type Members = Readonly<Record<string, unknown>>;

/** What a token is made of: members that are undefined are left out, and text stands as it is. */
export interface TokenParts {
  readonly claims?: Members;
  readonly payload?: string;
  readonly header?: Members | string;
  readonly key?: IssuerKey;
  readonly signature?: (input: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;
}

const utf8 = new TextEncoder();
export const encoded = (part: unknown): string =>
  base64url.encode(typeof part === 'string' ? part : JSON.stringify(part));

/** The signature of RFC 7518 §3.1 or RFC 8037, whatever the header says. */
export async function sign(
  { privateKey }: IssuerKey,
  alg: string,
  input: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const bits = /^[A-Z]{2}\d{3}$/.test(alg) ? Number(alg.slice(2)) : 256;
  const { name } = privateKey.algorithm;
  return new Uint8Array(
    await crypto.subtle.sign({ name, hash: `SHA-${bits}`, saltLength: bits / 8 }, privateKey, input),
  );
}

const CONFIGURATION = '/.well-known/openid-configuration';
const JWKS = '/keys';

type Answering = () => Response | Promise<Response>;

/** An OpenID provider: what it publishes and how it answers are as a test has them. */
export class TestIssuer {
  readonly url: string;
  /** The first of them signs. */
  keys: readonly IssuerKey[];
  clock: () => number = () => Date.now();
  readonly asked = { configuration: 0, jwks: 0 };
  configuration: Answering = () => Response.json({ issuer: this.url, jwks_uri: this.url + JWKS });
  jwks: Answering = () => Response.json({ keys: this.keys.map(({ jwk }) => jwk) });

  constructor(keys: readonly IssuerKey[], url = 'https://login.example/realms/acme') {
    this.keys = keys;
    this.url = url;
  }

  get jwksUrl(): string {
    return this.url + JWKS;
  }

  /** Stands for the network: nothing else is there. */
  readonly fetch = async (url: string): Promise<Response> => {
    if (url === this.url.replace(/\/$/, '') + CONFIGURATION) {
      this.asked.configuration += 1;
      return this.configuration();
    }
    if (url === this.jwksUrl) {
      this.asked.jwks += 1;
      return this.jwks();
    }
    throw new TypeError(`nothing is at ${url}`);
  };

  /** A good token, but for what is said otherwise. */
  async token({
    claims = {},
    payload,
    header = {},
    key = this.#signer(),
    signature,
  }: TokenParts = {}): Promise<string> {
    const now = Math.floor(this.clock() / 1_000);
    const all = {
      iss: this.url,
      aud: 'mintmark',
      sub: 'ada',
      jti: 'token-1',
      scope: 'mintmark:*',
      iat: now,
      exp: now + 300,
    };
    const members =
      typeof header === 'string' ? header : { alg: key.alg, typ: 'JWT', kid: key.kid, ...header };
    const input = `${encoded(members)}.${encoded(payload ?? { ...all, ...claims })}`;
    const alg = typeof members === 'object' && typeof members.alg === 'string' ? members.alg : key.alg;
    const made = await (signature ?? ((bytes) => sign(key, alg, bytes)))(new Uint8Array(utf8.encode(input)));
    return `${input}.${base64url.encode(made)}`;
  }

  #signer(): IssuerKey {
    const [key] = this.keys;
    if (key === undefined) throw new Error('the issuer has no key');
    return key;
  }
}
