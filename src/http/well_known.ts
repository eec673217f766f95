import { Hono } from 'hono/tiny';

import { SECRET_FORMAT_VERSION, SECRET_PATTERN } from '../core/secret.ts';
import { VERSION } from '../version.ts';
import type { AppEnv } from './env.ts';
import { noQuery } from './input.ts';

/** /.well-known/mintmark: what a scanner needs in order to find leaked keys. */
export function wellKnown() {
  return new Hono<AppEnv>().get('/mintmark', noQuery, (c) =>
    c.json({
      name: 'mintmark',
      version: VERSION,
      key: { version: SECRET_FORMAT_VERSION, pattern: SECRET_PATTERN },
    }),
  );
}
