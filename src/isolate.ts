import type { Hono } from 'hono';

import type { Services } from './app.ts';
import type { Config } from './config.ts';
import type { Platform } from './core/platform.ts';
import type { Fault } from './core/refusal.ts';
import type { AppEnv } from './http/env.ts';
import { createVerification, type Verification } from './verification.ts';
import { createVerificationApp } from './verification_app.ts';

export type App = Pick<Hono<AppEnv>, 'fetch'>;

/**
 * What an isolate serves with. Verification is there from its start; what manages keys, speaks to other systems or documents
 * itself is loaded by the first call for it, so that who only verifies does not wait for that.
 */
export class Isolate {
  readonly verification: Verification;
  readonly app: App;
  readonly #config: Config;
  // Results, never promises: a request must not wait for another's.
  #services: Services | undefined;
  #wholeApp: App | undefined;

  constructor(config: Config, platform: Platform) {
    this.#config = config;
    this.verification = createVerification(config, platform, async (record) =>
      (await this.services()).rotations.finish(record),
    );
    this.app = createVerificationApp(this.verification, () => this.#loadApp());
  }

  async services(): Promise<Services> {
    if (this.#services !== undefined) return this.#services;
    const { createManagement } = await import('./management.ts');
    this.#services ??= { ...this.verification, ...createManagement(this.#config, this.verification) };
    return this.#services;
  }

  async #loadApp(): Promise<App> {
    if (this.#wholeApp !== undefined) return this.#wholeApp;
    const services = await this.services();
    const { createApp } = await import('./app.ts');
    this.#wholeApp ??= createApp(services);
    return this.#wholeApp;
  }
}

/** Answers every call with what the deployment lacks: a Worker cannot refuse to start. */
export function refusingApp(faults: readonly Fault[], platform: Platform): App {
  let app: App | undefined;
  return {
    fetch: async (...call) => {
      const { createMisconfiguredApp } = await import('./app.ts');
      app ??= createMisconfiguredApp(faults, platform);
      return app.fetch(...call);
    },
  };
}
