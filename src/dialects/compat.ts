import { createMiddleware } from 'hono/factory';
import { Hono } from 'hono/tiny';

import { manage } from '../http/caller.ts';
import type { AppEnv } from '../http/env.ts';
import type { Callers } from '../keyring/callers.ts';
import { b3os } from './b3os.ts';
import { blaxel } from './blaxel.ts';
import type { Dialect, DialectServices } from './dialect.ts';
import { factory } from './factory.ts';
import { kosli } from './kosli.ts';

/** Every wire format: a new one is a row. */
const DIALECTS: readonly Dialect[] = [blaxel, b3os, kosli, factory];

/** Below a format's path every refusal is written as that format has it, whatever refuses. */
export const speaking = createMiddleware<AppEnv>(async (c, next) => {
  const spoken = DIALECTS.find(({ prefix }) => `${c.req.path}/`.startsWith(`${prefix}/`));
  if (spoken !== undefined) c.set('writeRefusal', spoken.writeRefusal);
  return next();
});

/** The calls of every format. */
export function compat(services: DialectServices & { readonly callers: Callers }) {
  const app = new Hono<AppEnv>();
  for (const { prefix, basePath, caller, routes } of DIALECTS) {
    const managed = manage(services.callers, caller);
    app.route(prefix + basePath, routes(managed, services));
  }
  return app;
}
