import type { Keys, Verifier } from '../../../src/worker.ts';

/** What a team's own Worker has: bindings to Mintmark's entrypoints, each with the props that its deployer gave it. */
interface Bindings {
  readonly MINE: Service<typeof Verifier>;
  readonly THEIRS: Service<typeof Verifier>;
  readonly ANY: Service<typeof Verifier>;
  readonly NOBODY: Service<typeof Verifier>;
  readonly KEYS: Service<typeof Keys>;
  readonly READER: Service<typeof Keys>;
  readonly BARE: Service<typeof Keys>;
  readonly MISSPELT: Service<typeof Verifier>;
  readonly EVERYWHERE: Service<typeof Keys>;
  readonly POSING: Service<typeof Keys>;
}

interface Call {
  readonly binding: keyof Bindings;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Carries out what the test asks over RPC, and tells what came back or was thrown. */
export default {
  async fetch(request, env) {
    const { binding, method, args } = await request.json<Call>();
    try {
      const target: object = env[binding];
      const called: unknown = Reflect.get(target, method);
      if (typeof called !== 'function') return Response.json({ thrown: 'no such method' });
      return Response.json({ value: await Reflect.apply(called, target, args) });
    } catch (error) {
      return Response.json({ thrown: String(error) });
    }
  },
} satisfies ExportedHandler<Bindings>;

/** Type-checked, never run: a caller sees the entrypoints' own types. */
export async function typed(env: Bindings): Promise<string> {
  const verdict = await env.MINE.verify({ key: 'mk_live_…', scopes: ['files:read'] });
  if ('error' in verdict) return verdict.error.code;
  const minted = await env.KEYS.create({ name: 'key', userId: 'ada', scopes: [] });
  return 'error' in minted ? minted.error.code : `${verdict.code} ${minted.secret}`;
}
