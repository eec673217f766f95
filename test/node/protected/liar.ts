import { RpcTarget, WorkerEntrypoint } from 'cloudflare:workers';

/** What a key can have the liar do. */
export type Lie =
  | { readonly answer?: unknown }
  | { readonly does: 'throw' | 'hang' | 'stub' | 'function' }
  | { readonly answer: unknown; readonly afterMs: number }
  | { readonly tells: keyof typeof TELLING };

/** Problems that tell the key. */
const TELLING = {
  code: (key: string) => ({ code: key, detail: 'why' }),
  detail: (key: string) => ({ code: 'internal', detail: `cannot verify ${key}` }),
  path: (key: string) => ({ code: 'invalid_request', detail: 'why', errors: [{ path: key, message: 'x' }] }),
  message: (key: string) => ({ code: 'internal', detail: 'why', errors: [{ path: 'key', message: key }] }),
};

class Stub extends RpcTarget {
  readonly valid = true;
  readonly code = 'VALID';
}

/** Answers what the key that it is asked about says. */
export class Verifier extends WorkerEntrypoint {
  async verify({ key }: { key: string }): Promise<unknown> {
    const lie: Lie = JSON.parse(atob(key));
    if ('tells' in lie) return { error: TELLING[lie.tells](key) };
    if (!('does' in lie)) {
      if ('afterMs' in lie) await scheduler.wait(lie.afterMs);
      return lie.answer;
    }
    if (lie.does === 'throw') throw new Error(`cannot verify ${key}`);
    if (lie.does === 'hang') await scheduler.wait(60_000);
    return lie.does === 'stub' ? new Stub() : () => true;
  }
}

export default {
  fetch: () => new Response(null, { status: 404 }),
} satisfies ExportedHandler;
