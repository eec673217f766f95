import { applyD1Migrations, type D1Migration } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

declare global {
  namespace Cloudflare {
    interface Env {
      TEST_MIGRATIONS: D1Migration[];
      MINTMARK_ROOT_KEY: string;
      MINTMARK_SIGNING_KEY: string;
    }
  }
}

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
