import { Hono } from 'hono/tiny';

import type { AppEnv } from './env.ts';
import { RememberingRouter } from './remembering_router.ts';

/** What is called: Hono with the one router that finds its way. The parts of it are `hono/tiny`, which nothing calls. */
export class Surface extends Hono<AppEnv> {
  constructor() {
    super();
    this.router = new RememberingRouter();
  }
}
