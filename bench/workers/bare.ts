import { WorkerEntrypoint } from 'cloudflare:workers';

/** An answer, said by a `PUT`: what every later request gets. */
export interface Constant {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

const utf8 = new TextEncoder();

let constant: Constant = { status: 204, headers: {}, body: null };

/** What a call of another Worker costs by itself. */
export class Empty extends WorkerEntrypoint {
  empty(): void {}

  /** The same with the request and the answer of a verification, and nothing but the key's digest in between. */
  async constant({ key }: { readonly key: string; readonly scopes: readonly string[] }): Promise<object> {
    new Uint8Array(await crypto.subtle.digest('SHA-256', utf8.encode(key))).toHex();
    return JSON.parse(constant.body ?? '{}') as object;
  }
}

/** Parses the request, as far as there is something to parse, and answers with a constant. */
export default {
  async fetch(request) {
    if (request.method === 'PUT') {
      constant = await request.json<Constant>();
      return new Response(null, { status: 204 });
    }
    if (request.method === 'POST') await request.json();
    const { status, headers, body } = constant;
    return new Response(body, { status, headers });
  },
} satisfies ExportedHandler;
