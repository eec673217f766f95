import { exports, waitUntil, WorkerEntrypoint } from 'cloudflare:workers';

import { readConfig, type Bindings } from './config.ts';
import type { LogEntry, PendingUse, Platform } from './core/platform.ts';
import type { Fault, Result } from './core/refusal.ts';
import { refuse } from './core/refusal.ts';
import { Isolate, refusingApp, type App } from './isolate.ts';
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

/** What answers here; or what the deployment lacks, for which every call is refused. */
type Serving = { readonly isolate: Isolate } | { readonly faults: readonly Fault[]; readonly app: App };

let serving: Serving | undefined;

function served(env: Bindings): Serving {
  serving ??= createServing(env);
  return serving;
}

function createServing(env: Bindings): Serving {
  const read = readConfig(env);
  return 'faults' in read
    ? { faults: read.faults, app: refusingApp(read.faults, platform) }
    : { isolate: new Isolate(read.config, platform) };
}

/** Runs a call of another Worker; a deployment that lacks something says so. */
function answer<Value>(env: Bindings, call: (isolate: Isolate, requestId: string) => Promise<Result<Value>>) {
  return answered(platform, (requestId) => {
    const by = served(env);
    return 'isolate' in by
      ? call(by.isolate, requestId)
      : Promise.resolve(refuse({ kind: 'misconfigured', faults: by.faults }));
  });
}

/** Mintmark's own: goes on waiting for the minute in which uses may be written, in an invocation of its own. */
export class UsageRelay extends WorkerEntrypoint<Bindings> {
  take(uses: readonly PendingUse[]): void {
    const by = served(this.env);
    if ('isolate' in by) by.isolate.verification.uses.take(uses);
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
    return answer(this.env, async (isolate, requestId) =>
      (await this.#calls(isolate, requestId)).create(input),
    );
  }

  get(id: string) {
    return answer(this.env, async (isolate, requestId) => (await this.#calls(isolate, requestId)).get(id));
  }

  list(input: KeyListInput = {}) {
    return answer(this.env, async (isolate, requestId) =>
      (await this.#calls(isolate, requestId)).list(input),
    );
  }

  update(id: string, input: KeyPatchInput) {
    return answer(this.env, async (isolate, requestId) =>
      (await this.#calls(isolate, requestId)).update(id, input),
    );
  }

  rotate(id: string, input: RotationInput = {}) {
    return answer(this.env, async (isolate, requestId) =>
      (await this.#calls(isolate, requestId)).rotate(id, input),
    );
  }

  revoke(id: string, input: RevocationInput = {}) {
    return answer(this.env, async (isolate, requestId) =>
      (await this.#calls(isolate, requestId)).revoke(id, input),
    );
  }

  async #calls(isolate: Isolate, requestId: string): Promise<KeyManagement> {
    const [services, { KeyManagement }] = await Promise.all([
      isolate.services(),
      import('./rpc/key_management.ts'),
    ]);
    return new KeyManagement({ ...services, clock: platform.clock }, this.ctx.props, requestId);
  }
}

export default {
  fetch(request, env, context) {
    const by = served(env);
    const { app } = 'isolate' in by ? by.isolate : by;
    return app.fetch(request, env, context);
  },
  async scheduled(_, env) {
    const by = served(env);
    try {
      if ('isolate' in by) await by.isolate.verification.upkeep();
    } catch (error) {
      // What was not done this time is done the next.
      log({ level: 'error', event: 'upkeep_failed', error: String(error) });
    }
  },
} satisfies ExportedHandler<Bindings>;
