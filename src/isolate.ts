import type { createApp, Services } from './app.ts';
import type { Config } from './config.ts';
import type { Platform } from './core/platform.ts';
import type { Fault } from './core/refusal.ts';
import type { KeyManagement } from './rpc/key_management.ts';
import { createVerification, type Foundation, type Verification } from './verification.ts';
import { createVerificationApp, type App } from './verification_app.ts';

/**
 * What an isolate serves with. Verification is set up at its start; management, the formats of other systems, what else OAuth has
 * and the documents are by the first call for any of them, so that who only verifies does not wait for that.
 */
export class Isolate {
  readonly verification: Verification;
  readonly app: ReturnType<typeof createVerificationApp>;
  readonly #config: Config;
  readonly #foundation: Foundation;
  // Results, never promises: a request must not wait for another's.
  #services: Services | undefined;
  #wholeApp: ReturnType<typeof createApp> | undefined;
  #KeyManagement: typeof KeyManagement | undefined;

  constructor(config: Config, platform: Platform) {
    this.#config = config;
    const { verification, foundation } = createVerification(config, platform, async (record) =>
      (await this.#loadServices()).rotations.finish(record),
    );
    this.verification = verification;
    this.#foundation = foundation;
    this.app = createVerificationApp(verification, () => this.wholeApp());
  }

  /** The whole HTTP surface. */
  async wholeApp(): Promise<ReturnType<typeof createApp>> {
    if (this.#wholeApp !== undefined) return this.#wholeApp;
    const [services, module] = await Promise.all([this.#loadServices(), import('./app.ts')]);
    this.#wholeApp ??= module.createApp(services);
    return this.#wholeApp;
  }

  /** The key calls of a binding with these props. */
  async keyManagement(props: unknown, requestId: string): Promise<KeyManagement> {
    const services = await this.#loadServices();
    this.#KeyManagement ??= (await import('./rpc/key_management.ts')).KeyManagement;
    return new this.#KeyManagement(services, props, requestId);
  }

  async #loadServices(): Promise<Services> {
    if (this.#services !== undefined) return this.#services;
    const { createManagement } = await import('./management.ts');
    this.#services ??= { ...this.verification, ...createManagement(this.#config, this.#foundation) };
    return this.#services;
  }
}

/** Answers every call with what the deployment lacks: a Worker cannot refuse to start. */
export function createRefusingApp(faults: readonly Fault[], platform: Platform): App {
  let app: App | undefined;
  return {
    fetch: async (...call) => {
      const { createMisconfiguredApp } = await import('./app.ts');
      app ??= createMisconfiguredApp(faults, platform);
      return app.fetch(...call);
    },
  };
}
