import { isVisibleAscii } from '../contract/credential.ts';

/** Where Mintmark is served, and as whom to call it. */
export interface Endpoint {
  /** Its address, such as `https://keys.example.com`. Plain HTTP goes to this machine alone. */
  readonly url: string | URL;
  /** A key with the scopes that the calls need; for verification alone, `mintmark:keys:verify`. */
  readonly credential: string;
  /** What sends the request; the platform's own unless said. */
  readonly fetch?: Fetch | undefined;
}

/** The part of `fetch` that is used, so that every platform's own will do. */
export type Fetch = (url: string, init: Init) => PromiseLike<FetchResponse>;

interface Init {
  method: string;
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
  redirect: 'manual';
}

interface FetchResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): PromiseLike<string>;
}

/** One call. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  /** For root: the id or slug of the organization that is meant. */
  readonly organization?: string;
  /** Doing it twice is doing it once, so that it may be sent again when the connection broke. */
  readonly isRepeatable: boolean;
}

export interface Reply {
  readonly status: number;
  readonly headers: FetchResponse['headers'];
  /** Undefined: there was no JSON. */
  readonly body: unknown;
}

/** An endpoint that can be called. */
export interface Target {
  readonly url: string;
  readonly credential: string;
  readonly fetch: Fetch;
}

const LOOPBACK = /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Throws a TypeError, which never repeats the credential, for what can't be called. */
export function checkEndpoint(url: unknown, credential: unknown): void {
  if (!URL.canParse(String(url))) throw new TypeError('mintmark: url must be an absolute URL');
  const { protocol, hostname } = new URL(String(url));
  if (protocol !== 'https:' && !(protocol === 'http:' && LOOPBACK.test(hostname)))
    throw new TypeError('mintmark: url must be https, or http to this machine');
  if (!isVisibleAscii(credential))
    throw new TypeError('mintmark: credential must be visible ASCII characters');
}

/** An endpoint, checked. */
export function targetOf({ url, credential, fetch: sender }: Endpoint): Target {
  checkEndpoint(url, credential);
  const { origin, pathname } = new URL(url);
  return {
    url: origin + pathname.replace(/\/+$/, ''),
    credential,
    // Called through the global each time: a Worker's fetch is bound to the request that is being served.
    fetch: sender ?? ((to, init) => fetch(to, init)),
  };
}

/**
 * Sends a call and reads the answer; throws where there is none. What is repeatable is sent once more where `fetch` itself failed,
 * as it does when a connection breaks, and the signal has not ended it.
 */
export async function send(target: Target, call: Call, signal: AbortSignal): Promise<Reply> {
  const { url, credential } = target;
  const { method, path, body, organization, isRepeatable } = call;
  const attempt = async (): Promise<Reply> => {
    const response = await target.fetch(url + path, {
      method,
      headers: {
        Authorization: `Bearer ${credential}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(organization !== undefined ? { 'Mintmark-Organization': organization } : {}),
      },
      ...(body === undefined ? {} : { body }),
      signal,
      // The credential goes nowhere else.
      redirect: 'manual',
    });
    return { status: response.status, headers: response.headers, body: parsed(await response.text()) };
  };
  try {
    return await attempt();
  } catch (error) {
    if (!isRepeatable || signal.aborted) throw error;
    return attempt();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
