import { exports, waitUntil, WorkerEntrypoint } from 'cloudflare:workers';

import { readConfig, type Bindings } from './config.ts';
import type { LogEntry, PendingUse, Platform } from './core/platform.ts';
import type { Fault, Result } from './core/refusal.ts';
import { refuse } from './core/refusal.ts';
import { createRefusingApp, Isolate } from './isolate.ts';
import { answered } from './rpc/answer.ts';
import type {
  KeyListInput,
  KeyManagement,
  KeyPatchInput,
  KeysProps,
  NewKeyInput,
  RevocationInput,
  RotationInput,
} from './rpc/key_management.ts';
import { verify, verifyMany, type VerifierProps, type VerifyInput } from './rpc/verification.ts';
import type { App } from './verification_app.ts';

function log(entry: LogEntry): void {
  console[entry.level](JSON.stringify(entry));
}

/** This Worker's own entrypoint, by name: beside another Worker's sources the type of `exports` is that one's. */
function loopback(): Service<typeof UsageRelay> {
  return Reflect.get(exports, 'UsageRelay');
}

const platform: Platform = {
  clock: () => Date.now(),
  random: (bytes) => crypto.getRandomValues(bytes),
  background: (work) => {
    waitUntil(
      work.catch((error: unknown) =>
        log({ level: 'warn', event: 'background_failed', error: String(error) }),
      ),
    );
  },
  // An answer that leads elsewhere is none.
  fetch: (url, signal) => fetch(url, { redirect: 'manual', signal }),
  sleep: (ms) => scheduler.wait(ms),
  after: (ms, ring) => {
    const timer = setTimeout(ring, ms);
    return () => clearTimeout(timer);
  },
  relay: (uses) => loopback().take(uses),
  log,
};

/** What calls are answered with. */
interface Serving {
  readonly app: App;
  /** Null: the deployment lacks something, for which every call is refused. */
  readonly isolate: Isolate | null;
  readonly faults: readonly Fault[];
}

let serving: Serving | undefined;

function served(env: Bindings): Serving {
  serving ??= createServing(env);
  return serving;
}

function createServing(env: Bindings): Serving {
  const read = readConfig(env);
  if ('faults' in read)
    return { app: createRefusingApp(read.faults, platform), isolate: null, faults: read.faults };
  const isolate = new Isolate(read.config, platform);
  return { app: isolate.app, isolate, faults: [] };
}

/** Runs a call of another Worker; a deployment that lacks something says so. */
function answer<Value>(env: Bindings, call: (isolate: Isolate, requestId: string) => Promise<Result<Value>>) {
  return answered(platform, (requestId) => {
    const { isolate, faults } = served(env);
    return isolate === null
      ? Promise.resolve(refuse({ kind: 'misconfigured', faults }))
      : call(isolate, requestId);
  });
}

/** Mintmark's own: goes on waiting for the minute in which uses may be written, in an invocation of its own. */
export class UsageRelay extends WorkerEntrypoint<Bindings> {
  take(uses: readonly PendingUse[]): void {
    served(this.env).isolate?.verification.uses.take(uses);
  }
}

/** Verification for other Workers, without a network hop. See {@link VerifierProps} for what the binding says. */
export class Verifier extends WorkerEntrypoint<Bindings, VerifierProps> {
  /** The verdict on a key, or why there is none. */
  verify(request: VerifyInput) {
    return answer(this.env, ({ verification }) => verify(verification.verifier, this.ctx.props, request));
  }

  /** The verdicts on up to a hundred keys, in the order of asking. */
  verifyMany(requests: readonly VerifyInput[]) {
    return answer(this.env, ({ verification }) =>
      verifyMany(verification.verifier, this.ctx.props, requests),
    );
  }
}

/** Management of keys for other Workers, as the binding's {@link KeysProps} allow. */
export class Keys extends WorkerEntrypoint<Bindings, KeysProps> {
  create(input: NewKeyInput) {
    return this.#manage((keys) => keys.create(input));
  }

  get(id: string) {
    return this.#manage((keys) => keys.get(id));
  }

  list(input: KeyListInput = {}) {
    return this.#manage((keys) => keys.list(input));
  }

  update(id: string, input: KeyPatchInput) {
    return this.#manage((keys) => keys.update(id, input));
  }

  rotate(id: string, input: RotationInput = {}) {
    return this.#manage((keys) => keys.rotate(id, input));
  }

  revoke(id: string, input: RevocationInput = {}) {
    return this.#manage((keys) => keys.revoke(id, input));
  }

  #manage<Value>(call: (keys: KeyManagement) => Promise<Result<Value>>) {
    return answer(this.env, async (isolate, requestId) =>
      call(await isolate.keyManagement(this.ctx.props, requestId)),
    );
  }
}

export default {
  fetch(request, env, context) {
    return served(env).app.fetch(request, env, context);
  },
  async scheduled(_, env) {
    try {
      await served(env).isolate?.verification.upkeep();
    } catch (error) {
      // What was not done this time is done the next.
      log({ level: 'error', event: 'upkeep_failed', error: String(error) });
    }
  },
} satisfies ExportedHandler<Bindings>;
