import { exports, waitUntil, WorkerEntrypoint } from 'cloudflare:workers';

import { createApp, createMisconfiguredApp, type Services } from './app.ts';
import { readConfig, type Bindings } from './config.ts';
import type { LogEntry, PendingUse, Platform } from './core/platform.ts';
import type { Fault, Result } from './core/refusal.ts';
import { refuse } from './core/refusal.ts';
import { answered } from './rpc/answer.ts';
import {
  KeyManagement,
  type KeyListInput,
  type KeyPatchInput,
  type KeysProps,
  type NewKeyInput,
  type RevocationInput,
  type RotationInput,
} from './rpc/key_management.ts';
import { verify, verifyMany, type VerifierProps, type VerifyInput } from './rpc/verification.ts';
import { createServices } from './services.ts';

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

interface Isolate {
  readonly app: ReturnType<typeof createMisconfiguredApp>;
  /** Null: the deployment lacks something, and the app says what. */
  readonly services: Services | null;
  readonly faults: readonly Fault[];
}

let isolate: Isolate | undefined;

function served(env: Bindings): Isolate {
  isolate ??= createIsolate(env);
  return isolate;
}

function createIsolate(env: Bindings): Isolate {
  const read = readConfig(env);
  if ('faults' in read) {
    return { app: createMisconfiguredApp(read.faults, platform), services: null, faults: read.faults };
  }
  const services = createServices(read.config, platform);
  return { app: createApp(services), services, faults: [] };
}

/** Runs a call of another Worker; a deployment that lacks something says so. */
function answer<Value>(
  env: Bindings,
  call: (services: Services, requestId: string) => Promise<Result<Value>>,
) {
  return answered(platform, (requestId) => {
    const { services, faults } = served(env);
    return services === null
      ? Promise.resolve(refuse({ kind: 'misconfigured', faults }))
      : call(services, requestId);
  });
}

/** Mintmark's own: goes on waiting for the minute in which uses may be written, in an invocation of its own. */
export class UsageRelay extends WorkerEntrypoint<Bindings> {
  take(uses: readonly PendingUse[]): void {
    served(this.env).services?.uses.take(uses);
  }
}

/** Verification for other Workers, without a network hop. See {@link VerifierProps} for what the binding says. */
export class Verifier extends WorkerEntrypoint<Bindings, VerifierProps> {
  /** The verdict on a key, or why there is none. */
  verify(request: VerifyInput) {
    return answer(this.env, ({ verifier }) => verify(verifier, this.ctx.props, request));
  }

  /** The verdicts on up to a hundred keys, in the order of asking. */
  verifyMany(requests: readonly VerifyInput[]) {
    return answer(this.env, ({ verifier }) => verifyMany(verifier, this.ctx.props, requests));
  }
}

/** Management of keys for other Workers, as the binding's {@link KeysProps} allow. */
export class Keys extends WorkerEntrypoint<Bindings, KeysProps> {
  create(input: NewKeyInput) {
    return answer(this.env, (services, id) => this.#calls(services, id).create(input));
  }

  get(id: string) {
    return answer(this.env, (services, requestId) => this.#calls(services, requestId).get(id));
  }

  list(input: KeyListInput = {}) {
    return answer(this.env, (services, id) => this.#calls(services, id).list(input));
  }

  update(id: string, input: KeyPatchInput) {
    return answer(this.env, (services, requestId) => this.#calls(services, requestId).update(id, input));
  }

  rotate(id: string, input: RotationInput = {}) {
    return answer(this.env, (services, requestId) => this.#calls(services, requestId).rotate(id, input));
  }

  revoke(id: string, input: RevocationInput = {}) {
    return answer(this.env, (services, requestId) => this.#calls(services, requestId).revoke(id, input));
  }

  #calls(services: Services, requestId: string): KeyManagement {
    return new KeyManagement({ ...services, clock: platform.clock }, this.ctx.props, requestId);
  }
}

export default {
  fetch(request, env, context) {
    return served(env).app.fetch(request, env, context);
  },
  async scheduled(_, env) {
    try {
      await served(env).services?.upkeep();
    } catch (error) {
      // What was not done this time is done the next.
      log({ level: 'error', event: 'upkeep_failed', error: String(error) });
    }
  },
} satisfies ExportedHandler<Bindings>;
